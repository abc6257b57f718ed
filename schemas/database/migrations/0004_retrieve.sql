-- What was retrieved from the gateway: each request, and each instance it covered (P8).
-- oldest-code: 1

create schema query;

create table query.retrieval (
    started_at timestamptz not null default now(),
    id uuid not null,
    operation text not null check (operation in ('MOVE', 'GET')),
    requester text not null,
    peer_address text not null,
    association text not null,
    message_id int not null,
    level text not null default '',
    destination text not null,
    total int not null default 0,
    completed int not null default 0,
    failed int not null default 0,
    warned int not null default 0,
    status int,
    reason text not null default '',
    renewed_at timestamptz not null default now(),
    finished_at timestamptz,
    primary key (started_at, id)
) partition by range (started_at);
create table query.retrieval_default partition of query.retrieval default;
create index retrieval_unfinished on query.retrieval (renewed_at) where finished_at is null;
comment on table query.retrieval is
    'One row a C-MOVE or C-GET. status is the final one that was answered; none: it runs, or ended without an answer.';
comment on column query.retrieval.total is 'Sub-operations it was begun with. Classes that are not retrieved are not among them.';

create table query.suboperation (
    started_at timestamptz not null,
    retrieval uuid not null,
    position int not null,
    sop_instance_uid text not null,
    revision int not null,
    study_instance_uid text not null,
    sop_class_uid text not null,
    transfer_syntax_uid text not null,
    sent_in text not null default '',
    result text not null default 'PENDING' check (result in ('PENDING', 'COMPLETED', 'WARNED', 'FAILED')),
    status int,
    reason text not null default '',
    finished_at timestamptz,
    primary key (started_at, retrieval, position)
) partition by range (started_at);
create table query.suboperation_default partition of query.suboperation default;
create index suboperation_study on query.suboperation (study_instance_uid);
create index suboperation_instance on query.suboperation (sop_instance_uid);
comment on table query.suboperation is 'What a retrieval has to send, in this order, and what became of it.';
comment on column query.suboperation.sent_in is 'Transfer syntax it was sent in; differs from the received one where the destination accepts no other.';

create view query.retrieval_view as select * from query.retrieval;
create view query.suboperation_view as select * from query.suboperation;

select runtime.ensure_partitions('query', 'retrieval');
select runtime.ensure_partitions('query', 'suboperation');
