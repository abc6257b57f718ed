-- Retention and the reconciliation of archives, and how services other than admin write into the audit.
-- oldest-code: 1

alter table config.station
    add retention_days int check (retention_days between 0 and 36500),
    add reconcile boolean not null default false;
comment on column config.station.retention_days is
    'Days that what it sends is kept; 0: for ever; null: as the setting says.';
comment on column config.station.reconcile is 'What it was sent is compared with what it has every night.';
create or replace view config.station_view as select * from config.station;

create function audit.record(actor text, action text, object text, before jsonb, after jsonb) returns void
language plpgsql as $$
begin
    insert into audit.entry (actor, action, object, before, after) values ($1, $2, $3, $4, $5);
end $$;
comment on function audit.record is
    'An entry by a service that acts for somebody, in the transaction of what it does; the table is admin''s.';
create view audit.entry_view as select * from audit.entry;
create index entry_action on audit.entry (action, at);

alter table config.request drop constraint request_kind_check;
alter table config.request add constraint request_kind_check
    check (kind in ('send', 'retry', 'cancel', 'route', 'retry-deliveries', 'cancel-deliveries', 'reroute-deliveries',
                    'delete', 'retention', 'retry-commitment', 'cancel-commitment'));

create table storage.retention (
    study_instance_uid text primary key,
    last_received_at timestamptz not null,
    look_at timestamptz not null,
    looked_at timestamptz,
    kept text not null default ''
);
create index retention_due on storage.retention (look_at);
create index retention_oldest on storage.retention (last_received_at);
comment on table storage.retention is
    'A study that may have something stored, and when retention looks at it next (infinity: when its policy changes).';
comment on column storage.retention.kept is 'Why it stayed when it was looked at.';

create table storage.retention_progress (
    only_row boolean primary key default true check (only_row),
    recorded_at timestamptz not null default '2000-01-01 00:00:00+00',
    object_key text not null default '',
    policy jsonb not null default '{}',
    adopting text
);
insert into storage.retention_progress default values;
comment on table storage.retention_progress is
    'Up to which receipt studies are known to retention, the policy in force, and the study up to which it counts '
    '(null: for all).';
create view storage.retention_view as select * from storage.retention;
create view storage.retention_progress_view as select * from storage.retention_progress;

create table config.reconciliation (
    id uuid primary key,
    title text not null,
    night date,
    requested_by text not null,
    since timestamptz not null,
    until timestamptz not null,
    started_at timestamptz not null default now(),
    holder text not null,
    lease_until timestamptz not null,
    finished_at timestamptz,
    studies int not null default 0,
    instances int not null default 0,
    missing int not null default 0,
    sent_again int not null default 0,
    result jsonb not null default '{}',
    fault text not null default '',
    unique (title, night)
);
create index reconciliation_title on config.reconciliation (title, started_at desc);
comment on table config.reconciliation is
    'A comparison of what a station was sent with what it has. night: it is that night''s, once for each station; null: '
    'a person asked for it.';

create index delivery_done on routing.delivery (destination, finished_at) where state in ('DELIVERED', 'WARNED');
