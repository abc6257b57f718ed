-- One PostgreSQL schema per owner; a table has one writer, others read the views its owner publishes (suffix _view).
-- Tables that grow are partitioned: identity by hash of the SOP Instance UID, the rest by month.
-- Works on PostgreSQL 15 to 18; needs no extension.
-- oldest-code: 1

create schema runtime;
create schema config;
create schema audit;
create schema storage;
create schema index;
create schema routing;

---------------------------------------------------------------------------------------------------------- runtime

create function runtime.ensure_partitions(in_schema text, in_table text, months_ahead int default 3) returns int
language plpgsql as $$
declare
    made int := 0;
    month date;
    since text;
    until text;
    parent text := format('%I.%I', in_schema, in_table);
    partition text;
    default_partition regclass;
    key text;
begin
    select p.partdefid::regclass, quote_ident(a.attname) into default_partition, key
    from pg_partitioned_table p join pg_attribute a on a.attrelid = p.partrelid and a.attnum = p.partattrs[0]
    where p.partrelid = parent::regclass;
    for month in
        select generate_series(date_trunc('month', now() at time zone 'UTC') - interval '1 month',
                               date_trunc('month', now() at time zone 'UTC') + make_interval(months => months_ahead),
                               interval '1 month')::date
    loop
        partition := format('%I.%I', in_schema, format('%s_%s', in_table, to_char(month, 'YYYYMM')));
        if to_regclass(partition) is null then
            since := month::text || ' 00:00:00+00';
            until := (month + interval '1 month')::date::text || ' 00:00:00+00';
            execute format('lock table only %s in access exclusive mode', parent);
            execute format('create table %s (like %s including defaults including constraints)', partition, parent);
            execute format('with moved as (delete from only %s where %s >= %L and %s < %L returning *) '
                           'insert into %s select * from moved', default_partition, key, since, key, until, partition);
            execute format('alter table %s attach partition %s for values from (%L) to (%L)',
                           parent, partition, since, until);
            made := made + 1;
        end if;
    end loop;
    return made;
end $$;
comment on function runtime.ensure_partitions is
    'Makes the month partitions of a table from last month on; every such table also has a default partition. '
    'What the default partition took of such a month meanwhile moves into the new one.';

create function runtime.lease_expired(lease_until timestamptz, lease interval) returns boolean
language sql stable as $$
    select now() > greatest(lease_until, pg_postmaster_start_time() + lease)
$$;
comment on function runtime.lease_expired is
    'A lease outlives a restart of the database by its own length, so that nobody who could not renew is overtaken.';

create table runtime.version (
    number int primary key,
    name text not null,
    oldest_code int not null,
    applied_at timestamptz not null default now()
);
comment on table runtime.version is
    'Applied migrations. oldest_code: the oldest SCHEMA_VERSION whose code still works on this schema.';

create table runtime.outbox (
    id bigint generated always as identity,
    created_at timestamptz not null default now(),
    event_id uuid not null,
    exchange text not null,
    routing_key text not null,
    headers jsonb not null,
    body text not null,
    published_at timestamptz,
    attempts int not null default 0,
    next_attempt_at timestamptz not null default now(),
    primary key (created_at, id)
) partition by range (created_at);
create table runtime.outbox_default partition of runtime.outbox default;
create index outbox_unpublished on runtime.outbox (attempts, id) where published_at is null;
comment on column runtime.outbox.attempts is
    'How often the broker answered but did not take the message: those come after all others, at next_attempt_at.';

create table runtime.dead_letter (
    id bigint generated always as identity primary key,
    died_at timestamptz not null default now(),
    queue text not null,
    reason text not null,
    event_id uuid,
    message_type text,
    headers jsonb not null,
    body bytea not null,
    fingerprint bytea not null,
    state text not null default 'PARKED' check (state in ('PARKED', 'REPLAYED', 'DISCARDED')),
    resolved_at timestamptz,
    resolved_by text
);
create unique index dead_letter_once on runtime.dead_letter (queue, fingerprint) where state = 'PARKED';
comment on column runtime.dead_letter.fingerprint is 'SHA-256 of queue and body: the same dead message is parked once.';

create table runtime.lease (
    name text primary key,
    holder text not null,
    lease_until timestamptz not null
);
comment on table runtime.lease is
    'Work that one process does at a time (such as the sweep), and the slots of outgoing associations.';

----------------------------------------------------------------------------------------------------------- config

create table config.generation (
    only_row boolean primary key default true check (only_row),
    number bigint not null default 1,
    rule_set int not null default 0,
    changed_at timestamptz not null default now()
);
insert into config.generation default values;
comment on table config.generation is
    'Counts every change of stations or rules; rule_set is the live one (0: none applied yet). One row.';

create table config.station (
    title text primary key check (title ~ '^[\x20-\x5b\x5d-\x7e]{1,16}$' and title = btrim(title) and title <> ''),
    host text not null,
    port int not null check (port between 1 and 65535),
    description text not null default '',
    enabled boolean not null default true,
    store boolean not null default false,
    query_retrieve boolean not null default false,
    prefilter boolean not null default false,
    pet_raw boolean not null default false,
    commit_server boolean not null default false,
    commit_on text references config.station (title),
    addresses text[] not null default '{}',
    revision_policy text not null default 'route' check (revision_policy in ('route', 'keep', 'hold', 'refuse')),
    associations int not null default 2 check (associations between 1 and 16),
    unknown_policy text not null default 'resend' check (unknown_policy in ('resend', 'hold')),
    retry_hours int not null default 72 check (retry_hours between 1 and 720),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    check (commit_on is null or commit_on <> title)
);
comment on column config.station.store is 'R37: the station is offered as a send target.';
comment on column config.station.addresses is 'Networks (CIDR) its associations come from; empty: its host only if an IP address, else any.';
comment on column config.station.associations is 'Outgoing associations to the station at a time.';
comment on column config.station.unknown_policy is 'What happens to a delivery whose answer was lost.';
create unique index station_pet_raw on config.station (pet_raw) where pet_raw;

create table config.rule_set (
    number int primary key,
    source text not null,
    document jsonb not null,
    comment text not null default '',
    created_by text not null,
    created_at timestamptz not null default now()
);
comment on table config.rule_set is 'Numbered, immutable, never deleted: receipts refer to the number.';

create table config.rule_set_activation (
    id bigint generated always as identity primary key,
    rule_set int not null references config.rule_set (number),
    activated_by text not null,
    activated_at timestamptz not null default now()
);

create table config.request (
    id uuid primary key,
    kind text not null check (kind in ('send', 'retry', 'cancel')),
    body jsonb not null,
    requested_by text not null,
    requested_at timestamptz not null default now()
);
comment on table config.request is 'What people ask the forwarder to do; it answers in routing.request_done.';
create index request_requested_at on config.request (requested_at);

create view config.station_view as select * from config.station;
create view config.rule_set_view as
    select r.*, g.rule_set = r.number as live from config.rule_set r cross join config.generation g;
create view config.generation_view as select number, rule_set, changed_at from config.generation;
create view config.request_view as select * from config.request;

create table audit.entry (
    id bigint generated always as identity,
    at timestamptz not null default now(),
    actor text not null,
    action text not null,
    object text not null,
    before jsonb,
    after jsonb,
    primary key (at, id)
) partition by range (at);
create table audit.entry_default partition of audit.entry default;

---------------------------------------------------------------------------------------------------------- storage

create table storage.identity (
    sop_instance_uid text not null,
    revision int not null check (revision >= 1),
    sha256 text not null check (length(sha256) = 64),
    received_at timestamptz not null,
    object_key text not null,
    size bigint not null,
    data_set_offset int not null,
    sop_class_uid text not null,
    study_instance_uid text not null,
    series_instance_uid text not null,
    transfer_syntax_uid text not null,
    state text not null default 'STORED' check (state in ('STORED', 'DELETING', 'DELETED', 'DAMAGED')),
    state_at timestamptz not null default now(),
    primary key (sop_instance_uid, revision),
    unique (sop_instance_uid, sha256)
) partition by hash (sop_instance_uid);
create index identity_study on storage.identity (study_instance_uid);
create index identity_hidden on storage.identity (state_at) where state in ('DELETING', 'DELETED');
comment on table storage.identity is
    'One row per SOP Instance UID and content (P5). (received_at, object_key) names the receipt and object that hold it.';

do $$ begin
    for part in 0..15 loop
        execute format('create table storage.identity_%s partition of storage.identity '
                       'for values with (modulus 16, remainder %s)', lpad(part::text, 2, '0'), part);
    end loop;
end $$;

create table storage.receipt (
    received_at timestamptz not null,
    object_key text not null,
    recorded_at timestamptz not null default now(),
    sop_instance_uid text not null,
    revision int not null,
    disposition text not null check (disposition in
        ('NEW', 'REVISION', 'KEPT', 'HELD', 'DUPLICATE', 'RETURNED', 'RECOVERED')),
    flags text[] not null default '{}',
    sha256 text not null,
    size bigint not null,
    sop_class_uid text not null,
    study_instance_uid text not null,
    series_instance_uid text not null,
    transfer_syntax_uid text not null,
    peer_address text not null,
    calling_aet text not null,
    called_aet text not null,
    association text not null,
    configuration bigint not null,
    rule_set int not null,
    status int not null,
    findings jsonb not null default '[]',
    object_state text not null default 'PRESENT' check (object_state in ('PRESENT', 'REDUNDANT', 'DELETING', 'DELETED')),
    absent_sweeps int not null default 0,
    primary key (received_at, object_key)
) partition by range (received_at);
create table storage.receipt_default partition of storage.receipt default;
create index receipt_object_key on storage.receipt (object_key);
create index receipt_instance on storage.receipt (sop_instance_uid);
create index receipt_study on storage.receipt (study_instance_uid);
create index receipt_recorded_at on storage.receipt (recorded_at);
create index receipt_to_delete on storage.receipt (object_state) where object_state <> 'PRESENT';
comment on column storage.receipt.object_state is
    'REDUNDANT: a duplicate''s object, deleted once the first one''s hash was verified. DELETED rows are tombstones.';

create table storage.fact (
    received_at timestamptz not null,
    object_key text not null,
    facts jsonb not null,
    primary key (received_at, object_key)
) partition by range (received_at);
create table storage.fact_default partition of storage.fact default;

create table storage.folder (
    folder text primary key,
    closed_at timestamptz not null default now(),
    objects bigint not null,
    modified_at timestamptz
);
comment on table storage.folder is 'Hour folders that are reconciled and closed; reopened when their modification time changes.';

create table storage.watermark (
    only_row boolean primary key default true check (only_row),
    recorded_through timestamptz not null default '-infinity',
    full_sweep_cursor text not null default '',
    full_sweep_started_at timestamptz,
    full_sweep_finished_at timestamptz
);
insert into storage.watermark default values;
comment on column storage.watermark.recorded_through is 'Everything received up to then is recorded (P7).';

create view storage.receipt_view as
    select r.*, i.state as identity_state, i.data_set_offset
    from storage.receipt r join storage.identity i using (sop_instance_uid, revision);
create view storage.identity_view as select * from storage.identity;
create view storage.fact_view as select * from storage.fact;
create view storage.watermark_view as select recorded_through from storage.watermark;

------------------------------------------------------------------------------------------------------------ index

create table index.patient (
    id bigint generated always as identity primary key,
    patient_id text not null,
    issuer text not null default '',
    name text not null default '',
    name_folded text not null default '',
    birth_date text not null default '',
    sex text not null default '',
    only_study text not null default '',
    updated_at timestamptz not null default now(),
    unique (patient_id, issuer, only_study)
);
comment on column index.patient.only_study is
    'Study Instance UID of a study without Patient ID, so that people without an ID are never taken for one; else empty.';
create index patient_name on index.patient (name_folded text_pattern_ops);

create table index.study (
    study_instance_uid text primary key,
    patient bigint not null references index.patient (id),
    study_date text not null default '',
    study_time text not null default '',
    accession_number text not null default '',
    study_id text not null default '',
    description text not null default '',
    referring_physician text not null default '',
    demographics jsonb not null default '{}',
    patient_conflict boolean not null default false,
    updated_at timestamptz not null default now()
);
create index study_patient on index.study (patient);
create index study_date on index.study (study_date);
create index study_accession on index.study (accession_number text_pattern_ops);
comment on column index.study.demographics is 'The first value of each demographic element within the study, to compare with.';
comment on column index.study.patient_conflict is 'Demographics differ within the study: flagged, never merged.';

create table index.series (
    series_instance_uid text not null,
    study_instance_uid text not null references index.study (study_instance_uid),
    modality text not null default '',
    series_number text not null default '',
    series_date text not null default '',
    series_time text not null default '',
    description text not null default '',
    primary key (study_instance_uid, series_instance_uid)
);
create index series_uid on index.series (series_instance_uid);

create table index.instance (
    sop_instance_uid text not null,
    revision int not null,
    received_at timestamptz not null,
    object_key text not null,
    study_instance_uid text not null,
    series_instance_uid text not null,
    sop_class_uid text not null,
    transfer_syntax_uid text not null,
    instance_number text not null default '',
    image_type text not null default '',
    row_count int,
    column_count int,
    frame_count int,
    latest boolean not null default true,
    indexed_at timestamptz not null default now(),
    primary key (sop_instance_uid, revision),
    foreign key (study_instance_uid, series_instance_uid) references index.series (study_instance_uid, series_instance_uid)
);
create index instance_series on index.instance (study_instance_uid, series_instance_uid);
comment on column index.instance.latest is 'The revision that queries answer with.';

create table index.reconciled (
    only_row boolean primary key default true check (only_row),
    through timestamptz not null default '-infinity'
);
insert into index.reconciled default values;

create view index.study_view as
    select s.study_instance_uid, p.patient_id, p.issuer, p.name as patient_name, p.birth_date, p.sex,
           s.study_date, s.study_time, s.accession_number, s.study_id, s.description, s.referring_physician,
           s.patient_conflict, s.updated_at
    from index.study s join index.patient p on p.id = s.patient;
create view index.series_view as select * from index.series;
create view index.instance_view as select * from index.instance;

---------------------------------------------------------------------------------------------------------- routing

create table routing.evaluation (
    received_at timestamptz not null,
    object_key text not null,
    sop_instance_uid text not null,
    revision int not null,
    study_instance_uid text not null,
    rule_set int not null,
    matched jsonb not null default '[]',
    note text not null default '',
    evaluated_at timestamptz not null default now(),
    primary key (received_at, object_key)
) partition by range (received_at);
create table routing.evaluation_default partition of routing.evaluation default;
create index evaluation_instance on routing.evaluation (sop_instance_uid);
comment on table routing.evaluation is 'The effect row of each receipt: which rules of which rule set matched (P8).';

create table routing.job (
    id uuid primary key,
    kind text not null check (kind in ('send', 'retrieve')),
    state text not null default 'QUEUED' check (state in ('QUEUED', 'ACTIVE', 'COMPLETED', 'FAILED', 'CANCELED')),
    destination text not null,
    study_instance_uid text not null,
    group_uid text not null default '',
    rule_set int,
    rule text not null default '',
    level text not null default 'instance' check (level in ('instance', 'series', 'study')),
    priority int not null default 1 check (priority between 0 and 3),
    request uuid,
    reason text not null default '',
    quiet interval not null default '0',
    last_received_at timestamptz,
    released_at timestamptz,
    created_at timestamptz not null default now(),
    started_at timestamptz,
    finished_at timestamptz
);
create index job_study on routing.job (study_instance_uid, destination);
create index job_unreleased on routing.job (last_received_at) where released_at is null;
create index job_created on routing.job (created_at desc);
create unique index job_collecting on routing.job (rule_set, rule, destination, group_uid) where released_at is null and request is null;
comment on column routing.job.group_uid is 'What the job collects: the study''s or series'' UID for those levels, the study''s for level instance.';
comment on column routing.job.released_at is
    'When its deliveries may go: at once for level instance, else when the quiet time has passed below storage''s watermark (P7).';

create table routing.delivery (
    id bigint generated always as identity,
    received_at timestamptz not null,
    sop_instance_uid text not null,
    revision int not null,
    destination text not null,
    request uuid not null default '00000000-0000-0000-0000-000000000000',
    job uuid not null,
    study_instance_uid text not null,
    object_key text not null,
    data_set_offset int not null,
    size bigint not null,
    sha256 text not null,
    sop_class_uid text not null,
    transfer_syntax_uid text not null,
    priority int not null default 1,
    state text not null default 'PENDING' check (state in
        ('PENDING', 'SENDING', 'DELIVERED', 'WARNED', 'FAILED', 'CANCELED', 'SUPERSEDED', 'UNKNOWN')),
    attempts int not null default 0,
    next_attempt_at timestamptz not null default now(),
    waiting_since timestamptz not null default now(),
    lease_holder text,
    lease_until timestamptz,
    status int,
    reason text not null default '',
    created_at timestamptz not null default now(),
    finished_at timestamptz,
    primary key (received_at, id),
    unique (received_at, sop_instance_uid, revision, destination, request)
) partition by range (received_at);
create table routing.delivery_default partition of routing.delivery default;
create index delivery_work on routing.delivery (destination, priority desc, next_attempt_at, id)
    where state in ('PENDING', 'UNKNOWN');
create index delivery_in_doubt on routing.delivery (destination, state) where state in ('SENDING', 'UNKNOWN');
create index delivery_instance on routing.delivery (sop_instance_uid, destination);
create index delivery_job on routing.delivery (job, state);
create index delivery_study on routing.delivery (study_instance_uid);
comment on table routing.delivery is
    'The ledger: one instance to one destination. request is zero for rules and the person''s request otherwise. '
    'next_attempt_at is infinity until the job is released, and for UNKNOWN deliveries that are held.';
comment on column routing.delivery.waiting_since is
    'Since when it may be sent (creation, release of its job, a person''s retry): the station''s retry_hours count from here.';

create table routing.attempt (
    at timestamptz not null default now(),
    id bigint generated always as identity,
    delivery bigint not null,
    association text not null default '',
    status int,
    outcome text not null,
    reason text not null default '',
    milliseconds int,
    primary key (at, id)
) partition by range (at);
create table routing.attempt_default partition of routing.attempt default;
create index attempt_delivery on routing.attempt (delivery);

create table routing.destination (
    title text primary key,
    circuit text not null default 'CLOSED' check (circuit in ('CLOSED', 'OPEN')),
    consecutive_failures int not null default 0,
    retry_at timestamptz,
    last_failure text not null default '',
    last_failure_at timestamptz,
    last_success_at timestamptz
);

create table routing.request_done (
    request uuid primary key,
    done_at timestamptz not null default now(),
    result jsonb not null
);

create table routing.reconciled (
    only_row boolean primary key default true check (only_row),
    through timestamptz not null default '-infinity'
);
insert into routing.reconciled default values;

create view routing.evaluation_view as select * from routing.evaluation;
create view routing.delivery_view as select * from routing.delivery;
create view routing.attempt_view as select * from routing.attempt;
create view routing.destination_view as select * from routing.destination;
create view routing.request_done_view as select * from routing.request_done;
create view routing.job_view as
    select j.*, coalesce(d.total, 0) as total, coalesce(d.done, 0) as done, coalesce(d.failed, 0) as failed
    from routing.job j
    left join lateral (
        select count(*) as total,
               count(*) filter (where state in ('DELIVERED', 'WARNED', 'SUPERSEDED')) as done,
               count(*) filter (where state = 'FAILED') as failed
        from routing.delivery where job = j.id
    ) d on true;
create view routing.delivered_view as
    select distinct sop_instance_uid, destination from routing.delivery where state in ('DELIVERED', 'WARNED', 'SENDING', 'UNKNOWN');
comment on view routing.delivered_view is 'Which station may hold which instance from us: storage ends loops with it (P5).';

select runtime.ensure_partitions('runtime', 'outbox');
select runtime.ensure_partitions('audit', 'entry');
select runtime.ensure_partitions('storage', 'receipt');
select runtime.ensure_partitions('storage', 'fact');
select runtime.ensure_partitions('routing', 'evaluation');
select runtime.ensure_partitions('routing', 'delivery');
select runtime.ensure_partitions('routing', 'attempt');
