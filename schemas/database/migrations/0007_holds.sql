-- Holds: what is sent to a station, by a rule or from a source waits until a person or the clock lets it go. And what
-- stations send in a circle is found by a flag of its receipts.
-- oldest-code: 1

create table config.hold (
    id bigint generated always as identity primary key,
    kind text not null check (kind in ('station', 'rule', 'source')),
    name text not null,
    why text not null check (why <> ''),
    until timestamptz,
    held_by text not null,
    held_at timestamptz not null default now(),
    ended_at timestamptz,
    ended_by text
);
create unique index hold_open on config.hold (kind, name) where ended_at is null;
comment on table config.hold is
    'What waits: what is sent to a station, what a rule sends, what rules send of what a calling AE title sent.';
comment on column config.hold.until is 'When it ends without a person; null: never.';
comment on column config.hold.ended_at is 'When a person ended it, or held the same anew.';
create view config.hold_view as
    select h.*, least(h.ended_at, h.until) as ends_at,
           h.ended_at is null and (h.until is null or h.until > now()) as in_force
    from config.hold h;

alter table routing.delivery
    add rule text not null default '',
    add source text not null default '',
    add hold bigint,
    add held_since timestamptz;
update routing.delivery d set rule = j.rule, source = coalesce(r.calling_aet, '')
from routing.job j, storage.receipt r
where j.id = d.job and j.request is null and r.received_at = d.received_at and r.object_key = d.object_key
  and d.state not in ('DELIVERED', 'WARNED', 'SUPERSEDED');
create index delivery_of_rule on routing.delivery (rule)
    where state in ('PENDING', 'UNKNOWN') and next_attempt_at < 'infinity' and rule <> '';
create index delivery_of_source on routing.delivery (source)
    where state in ('PENDING', 'UNKNOWN') and next_attempt_at < 'infinity' and source <> '';
create index delivery_held on routing.delivery (hold, destination) where hold is not null and state in ('PENDING', 'UNKNOWN');
create index delivery_held_job on routing.delivery (job) where hold is not null and state in ('PENDING', 'UNKNOWN');
comment on column routing.delivery.rule is 'Which rule sends it; empty: a person asked for it.';
comment on column routing.delivery.source is 'The calling AE title it came from; empty: a person asked for it.';
comment on column routing.delivery.hold is
    'Why it waits (config.hold). Its next_attempt_at is infinity, so that claims never meet it, until the hold ends.';
comment on column routing.delivery.held_since is
    'Since when it waits for the end of a hold: that time is added to waiting_since then, so that it does not age.';
create or replace view routing.delivery_view as select * from routing.delivery;

create index receipt_too_often on storage.receipt (received_at) where flags @> array['received-too-often'];
