-- From which rule set a draft was begun; studies that were sent nowhere and that a person wants to see no more.
-- oldest-code: 32

alter table config.rule_draft add base int check (base >= 0);
comment on column config.rule_draft.base is
    'Number of the rule set it was begun from, or was compared with since; 0: none was live; null: not known.';

create table config.discarded_study (
    study_instance_uid text primary key,
    until timestamptz not null,
    why text not null check (why <> ''),
    discarded_by text not null,
    discarded_at timestamptz not null default now()
);
comment on table config.discarded_study is 'Studies that no rule sent anywhere and that a person gave up: nothing is deleted.';
comment on column config.discarded_study.until is
    'What was evaluated until then is meant; what is evaluated later is listed again.';
