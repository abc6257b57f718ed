-- Erasure of all that is kept of a patient, with proof.
-- oldest-code: 32

alter table config.request drop constraint request_kind_check;
alter table config.request add constraint request_kind_check
    check (kind in ('send', 'retrieve', 'retry', 'cancel', 'complete', 'route', 'first', 'retry-deliveries',
                    'cancel-deliveries', 'reroute-deliveries', 'delete', 'retention', 'correct', 'retry-commitment',
                    'cancel-commitment', 'erase'));
comment on table config.request is
    'What people ask a service to do: send, retrieve, retry, cancel, complete, route, first the forwarder, '
    'delete, retention, correct storage, erase everybody who keeps something of the patient, the others commitment. '
    'Each answers in its own request_done.';

create table config.erasure (
    id uuid primary key,
    state text not null default 'ASKED' check (state in ('ASKED', 'RUNNING', 'ERASED', 'FAILED')),
    patient_id text,
    issuer text,
    patient_hmac text not null,
    sought jsonb,
    why text not null check (why <> ''),
    forced boolean not null,
    asked_by text not null,
    asked_at timestamptz not null default now(),
    started_at timestamptz,
    finished_at timestamptz,
    request uuid,
    requested_at timestamptz,
    found jsonb not null default '{}',
    removed jsonb not null default '{}',
    remaining jsonb not null default '{}',
    proof text,
    proof_sha256 text,
    constraint erasure_names_nobody_when_ended
        check ((state in ('ASKED', 'RUNNING')) = (num_nonnulls(patient_id, issuer, sought) = 3)
               and (state in ('ASKED', 'RUNNING') or num_nonnulls(patient_id, issuer, sought) = 0)),
    constraint erasure_proved check ((state = 'ERASED') = (num_nonnulls(proof, proof_sha256) = 2))
);
comment on table config.erasure is
    'Patients that are, or were, erased. Who the patient is, and what is looked for, stays until it has ended.';
comment on column config.erasure.patient_hmac is
    'HMAC-SHA256 of issuer and Patient ID under config.erasure_key: tells who knows the ID that it is this patient.';
comment on column config.erasure.found is 'Rows and objects in the places of other services when it began.';
comment on column config.erasure.removed is 'Rows removed or blanked in the places of admin, runtime and audit.';
comment on column config.erasure.remaining is 'What the last look still found, by place; empty: nothing.';
comment on column config.erasure.proof is 'The proof as JSON, whose SHA-256 is also in the audit.';
create unique index erasure_open on config.erasure (patient_hmac) where state in ('ASKED', 'RUNNING');
create index erasure_asked on config.erasure (asked_at desc, id);

create table config.erasure_item (
    erasure uuid not null references config.erasure,
    sop_instance_uid text not null,
    revision integer not null,
    study_instance_uid text not null,
    series_instance_uid text not null,
    sha256 text not null,
    size bigint not null,
    primary key (erasure, sop_instance_uid, revision)
);
comment on table config.erasure_item is 'Contents that a running erasure removes; its proof has them when it has ended.';

create table config.erasure_key (
    alone boolean primary key default true check (alone),
    key bytea not null default sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8'))
);
insert into config.erasure_key default values;

create view config.erasure_view as select id, state, patient_id, issuer, asked_at from config.erasure;
create view config.erasure_item_view as select erasure, sop_instance_uid, revision, study_instance_uid from config.erasure_item;

create table index.request_done (
    request uuid primary key,
    done_at timestamptz not null default now(),
    result jsonb not null
);
create view index.request_done_view as select * from index.request_done;
