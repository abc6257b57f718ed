-- Storage commitment: what was asked of whom, what peers reported, what was asked of us, what is archived.
-- oldest-code: 1

create schema commitment;

alter table config.station
    add commit_limit_seconds int check (commit_limit_seconds between 1 and 2592000),
    add commit_quiet_seconds int check (commit_quiet_seconds between 0 and 86400),
    add commit_retry_hours int check (commit_retry_hours between 1 and 720),
    add commit_size int check (commit_size between 1 and 100000),
    add report_titles text[] not null default '{}',
    add commit_downstream text[] not null default '{}';
comment on column config.station.commit_limit_seconds is
    'R80: how long it may take to report, from its acceptance of the request; null: as everybody.';
comment on column config.station.commit_quiet_seconds is 'From the last delivery of a study to the first request.';
comment on column config.station.commit_retry_hours is 'How long a request is tried while it cannot be reached.';
comment on column config.station.commit_size is 'Instances in one request at most; null: the whole study.';
comment on column config.station.report_titles is 'Calling AE titles its reports come from, besides its own.';
comment on column config.station.commit_downstream is
    'Archives that must have committed what it asks us to commit; empty: what is durable here is committed.';
create or replace view config.station_view as select * from config.station;
create view config.commitment_server_view as
    select s.title as destination, c.title as server
    from config.station s join config.station c on c.title = case when s.commit_server then s.title else s.commit_on end
    where c.commit_server;
comment on view config.commitment_server_view is
    'R71: who is asked to commit what was sent to a station: itself, or the one it commits on. Others have no row.';

alter table config.request drop constraint request_kind_check;
alter table config.request add constraint request_kind_check
    check (kind in ('send', 'retry', 'cancel', 'delete', 'retry-commitment', 'cancel-commitment'));
comment on table config.request is
    'What people ask a service to do: send, retry, cancel the forwarder, delete storage, the others commitment. Each '
    'answers in its own request_done.';

------------------------------------------------------------------------------------------------- routing, storage

alter table routing.delivery
    add commit boolean,
    add commit_on text,
    add awaits text[];
create index delivery_committable on routing.delivery (finished_at) where commit_on is not null;
create index delivery_awaiting on routing.delivery (study_instance_uid) where awaits is not null and state = 'PENDING';
comment on column routing.delivery.commit is
    'Whether its rule wants commitment; null: where the destination can (R71).';
comment on column routing.delivery.commit_on is
    'The station that is to be asked for its commitment, known when it is delivered; null: nobody.';
comment on column routing.delivery.awaits is
    'Stations that must have committed the instance before this delivery may go; null: it waits for none.';
create or replace view routing.delivery_view as select * from routing.delivery;

create table storage.request_done (
    request uuid primary key,
    done_at timestamptz not null default now(),
    result jsonb not null
);
create view storage.request_done_view as select * from storage.request_done;

------------------------------------------------------------------------------------------------------- commitment

create table commitment.commitment (
    id uuid primary key,
    study_instance_uid text not null,
    destination text not null,
    server text not null,
    state text not null default 'COLLECTING' check (state in
        ('COLLECTING', 'QUEUED', 'ASKING', 'UNANSWERED', 'WAITING FOR COMMITMENT', 'SUCCESS', 'FAILURE')),
    repeats uuid references commitment.commitment (id),
    requested_by text not null default '',
    attempts int not null default 0,
    unanswered int not null default 0,
    next_attempt_at timestamptz not null default 'infinity',
    waiting_since timestamptz not null default now(),
    lease_holder text,
    lease_until timestamptz,
    accepted_at timestamptz,
    deadline timestamptz,
    status int,
    reason text not null default '',
    created_at timestamptz not null default now(),
    last_delivered_at timestamptz not null default now(),
    finished_at timestamptz,
    closed_at timestamptz
);
create unique index commitment_collecting on commitment.commitment (destination, server, study_instance_uid)
    where state = 'COLLECTING';
create index commitment_work on commitment.commitment (server, next_attempt_at) where state in ('QUEUED', 'UNANSWERED');
create index commitment_lease on commitment.commitment (lease_until) where state = 'ASKING';
create index commitment_deadline on commitment.commitment (deadline) where closed_at is null;
create index commitment_study on commitment.commitment (study_instance_uid);
create index commitment_failed on commitment.commitment (finished_at) where state = 'FAILURE';
create index commitment_succeeded on commitment.commitment (finished_at) where state = 'SUCCESS';
create index commitment_repeats on commitment.commitment (repeats) where repeats is not null;
create index commitment_created on commitment.commitment (created_at desc);
comment on table commitment.commitment is
    'One request for commitment as a person sees it (R73): what one destination was sent of one study.';
comment on column commitment.commitment.server is 'Who is asked: the destination, or the station it commits on.';
comment on column commitment.commitment.unanswered is 'N-ACTIONs whose answer was lost.';
comment on column commitment.commitment.waiting_since is 'Since when it may be asked; its retry hours count from here.';
comment on column commitment.commitment.deadline is
    'R80: until when reports count; from the acceptance, or from sending while that is not known.';
comment on column commitment.commitment.finished_at is 'Since when it is SUCCESS or FAILURE.';
comment on column commitment.commitment.closed_at is
    'When the last instance was decided, the deadline passed or a person cancelled it: what comes later is late.';

create table commitment.attempt (
    transaction_uid text primary key,
    commitment uuid not null references commitment.commitment (id),
    started_at timestamptz not null default now(),
    finished_at timestamptz,
    association text not null default '',
    outcome text not null default 'ASKING' check (outcome in
        ('ASKING', 'ACCEPTED', 'REFUSED', 'UNREACHED', 'UNANSWERED')),
    status int,
    reason text not null default '',
    milliseconds int
);
create index attempt_commitment on commitment.attempt (commitment);
comment on table commitment.attempt is
    'One N-ACTION with a Transaction UID of its own. Reports for each of them count, whichever was answered.';

create table commitment.item (
    received_at timestamptz not null,
    delivery bigint not null,
    round int not null default 0,
    commitment uuid not null,
    job uuid not null,
    sop_instance_uid text not null,
    revision int not null,
    sop_class_uid text not null,
    study_instance_uid text not null,
    state text not null default 'PENDING' check (state in ('PENDING', 'COMMITTED', 'FAILED')),
    failure_reason int,
    reported_at timestamptz,
    report text,
    send_again boolean not null default false,
    primary key (received_at, delivery, round)
) partition by range (received_at);
create table commitment.item_default partition of commitment.item default;
create index item_commitment on commitment.item (commitment);
create index item_instance on commitment.item (sop_instance_uid);
create index item_send_again on commitment.item (commitment) where send_again;
comment on table commitment.item is
    'The effect row of a delivery that is to be committed. round 0 comes by itself, the others when it is asked again.';
comment on column commitment.item.send_again is 'Refused with 0112 (no such object), and the forwarder is to send it again.';

create table commitment.archived (
    sop_instance_uid text not null,
    revision int not null,
    server text not null,
    study_instance_uid text not null,
    archived_at timestamptz not null default now(),
    commitment uuid not null,
    transaction_uid text not null,
    primary key (sop_instance_uid, revision, server)
) partition by hash (sop_instance_uid);
create index archived_study on commitment.archived (study_instance_uid);
comment on table commitment.archived is 'R109, R110: the Archived flag of an instance, and which station committed it.';

do $$ begin
    for part in 0..15 loop
        execute format('create table commitment.archived_%s partition of commitment.archived '
                       'for values with (modulus 16, remainder %s)', lpad(part::text, 2, '0'), part);
    end loop;
end $$;

create table commitment.archive_history (
    at timestamptz not null default now(),
    id bigint generated always as identity,
    sop_instance_uid text not null,
    revision int not null,
    study_instance_uid text not null,
    server text not null,
    commitment uuid not null,
    transaction_uid text not null,
    primary key (at, id)
) partition by range (at);
create table commitment.archive_history_default partition of commitment.archive_history default;
create index archive_history_instance on commitment.archive_history (sop_instance_uid);
comment on table commitment.archive_history is 'R110: an entry for each instance that was archived, where that is enabled.';

create table commitment.report (
    received_at timestamptz not null,
    object_key text not null,
    recorded_at timestamptz not null default now(),
    calling_aet text not null,
    peer_address text not null,
    association text not null,
    transaction_uid text not null,
    event_type int not null,
    digest text not null,
    committed int not null,
    failed int not null,
    verdict text not null check (verdict in ('APPLIED', 'REPAIRED', 'DUPLICATE', 'LATE', 'FOREIGN', 'UNKNOWN', 'UNREADABLE')),
    commitment uuid,
    remark text not null default '',
    primary key (received_at, object_key)
) partition by range (received_at);
create table commitment.report_default partition of commitment.report default;
create index report_object_key on commitment.report (object_key);
create index report_transaction on commitment.report (transaction_uid);
create index report_commitment on commitment.report (commitment) where commitment is not null;
comment on table commitment.report is 'Every N-EVENT-REPORT that was answered 0000, and what was made of it.';
comment on column commitment.report.digest is 'SHA-256 of what it says: the same again is a duplicate.';

create table commitment.inbound (
    received_at timestamptz not null,
    id uuid not null,
    object_key text not null,
    recorded_at timestamptz not null default now(),
    reports_until timestamptz,
    calling_aet text not null,
    called_aet text not null,
    peer_address text not null,
    association text not null,
    transaction_uid text not null,
    duplicate boolean not null default false,
    state text not null default 'CHECKING' check (state in ('CHECKING', 'READY', 'SENDING', 'REPORTED', 'GIVEN UP', 'JOINED')),
    total int not null,
    committed int not null default 0,
    failed int not null default 0,
    decided_at timestamptz,
    next_attempt_at timestamptz not null default now(),
    give_up_at timestamptz not null default 'infinity',
    attempts int not null default 0,
    lease_holder text,
    lease_until timestamptz,
    reported_at timestamptz,
    status int,
    reason text not null default '',
    primary key (received_at, id),
    unique (received_at, object_key)
) partition by range (received_at);
create table commitment.inbound_default partition of commitment.inbound default;
create index inbound_object_key on commitment.inbound (object_key);
create index inbound_id on commitment.inbound (id);
create index inbound_work on commitment.inbound (next_attempt_at) where state in ('CHECKING', 'READY', 'SENDING');
create index inbound_transaction on commitment.inbound (calling_aet, transaction_uid);
comment on table commitment.inbound is
    'A request of a peer that we commit to its instances. JOINED: it is the repetition of one that is not finished yet.';
comment on column commitment.inbound.reports_until is
    'Until when ingest may report it on the association of the request; null: never.';
comment on column commitment.inbound.duplicate is 'Its Transaction UID is in use for other instances: all fail with 0131.';
comment on column commitment.inbound.next_attempt_at is 'When it is looked at (CHECKING) or reported (READY) next.';

create table commitment.inbound_item (
    received_at timestamptz not null,
    inbound uuid not null,
    position int not null,
    sop_class_uid text not null,
    sop_instance_uid text not null,
    state text not null default 'PENDING' check (state in ('PENDING', 'COMMITTED', 'FAILED')),
    failure_reason int,
    revision int,
    primary key (received_at, inbound, position)
) partition by range (received_at);
create table commitment.inbound_item_default partition of commitment.inbound_item default;
create index inbound_item_instance on commitment.inbound_item (sop_instance_uid);

create table commitment.request_done (
    request uuid primary key,
    done_at timestamptz not null default now(),
    result jsonb not null
);

create table commitment.reconciled (
    only_row boolean primary key default true check (only_row),
    through timestamptz not null default '-infinity'
);
insert into commitment.reconciled default values;

create view commitment.commitment_view as
    select c.*, coalesce(i.total, 0) as total, coalesce(i.committed, 0) as committed, coalesce(i.failed, 0) as failed,
           coalesce(i.pending, 0) as pending
    from commitment.commitment c
    left join lateral (
        select count(*) as total, count(*) filter (where state = 'COMMITTED') as committed,
               count(*) filter (where state = 'FAILED') as failed, count(*) filter (where state = 'PENDING') as pending
        from commitment.item where commitment = c.id
    ) i on true;
create view commitment.attempt_view as select * from commitment.attempt;
create view commitment.item_view as select * from commitment.item;
create view commitment.archived_view as select * from commitment.archived;
create view commitment.archive_history_view as select * from commitment.archive_history;
create view commitment.report_view as select * from commitment.report;
create view commitment.inbound_view as select * from commitment.inbound;
create view commitment.inbound_item_view as select * from commitment.inbound_item;
create view commitment.request_done_view as select * from commitment.request_done;

select runtime.ensure_partitions('commitment', 'item');
select runtime.ensure_partitions('commitment', 'archive_history');
select runtime.ensure_partitions('commitment', 'report');
select runtime.ensure_partitions('commitment', 'inbound');
select runtime.ensure_partitions('commitment', 'inbound_item');
