-- Rule sets as versions: drafts, test cases, who copied which, and which processes receive under which number.
-- oldest-code: 1

alter table config.rule_set add copied_from int references config.rule_set (number);
comment on column config.rule_set.copied_from is 'The set that a rollback copied; null: it was published from a file or draft.';
create or replace view config.rule_set_view as
    select r.number, r.source, r.document, r.comment, r.created_by, r.created_at, g.rule_set = r.number as live,
           r.copied_from
    from config.rule_set r cross join config.generation g;

create function config.refuse_change_of_rule_set() returns trigger language plpgsql as $$
begin
    raise exception 'rule sets never change once they are published: % refused', tg_op
        using errcode = 'restrict_violation', table = 'rule_set', schema = 'config';
end $$;
create trigger rule_set_never_changes before update or delete or truncate on config.rule_set
    for each statement execute function config.refuse_change_of_rule_set();

create table config.rule_draft (
    name text primary key check (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'),
    source text not null,
    comment text not null default '',
    saved_by text not null,
    saved_at timestamptz not null default now()
);
comment on table config.rule_draft is 'Rule files that are worked on; they may have faults. Publishing one makes a rule set of it.';

create table config.rule_test (
    name text primary key check (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'),
    subject jsonb not null,
    expected text[] not null,
    comment text not null default '',
    saved_by text not null,
    saved_at timestamptz not null default now()
);
comment on table config.rule_test is 'What every rule set to come has to route as expected, or it is not published.';
comment on column config.rule_test.expected is 'Titles that the rules have to name for it, no more and no fewer.';

create table runtime.configuration_taken (
    process text primary key,
    configuration bigint not null,
    rule_set int not null,
    heard_at timestamptz not null default now(),
    lease interval not null
);
comment on table runtime.configuration_taken is
    'Under which configuration each process receives, as it last said. A process that ends removes its row; one whose '
    'lease is over is dead, or cut off from the database. Nothing that receives depends on it (P3).';
