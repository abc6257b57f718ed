-- What we retrieve from other stations: the C-MOVEs of a retrieve job, how far they are, and who carries the job out.
-- oldest-code: 1

alter table config.request drop constraint request_kind_check;
alter table config.request add constraint request_kind_check
    check (kind in ('send', 'retrieve', 'retry', 'cancel', 'route', 'retry-deliveries', 'cancel-deliveries',
                    'reroute-deliveries', 'delete', 'retention', 'retry-commitment', 'cancel-commitment'));
comment on table config.request is
    'What people ask a service to do: send, retrieve, retry, cancel the forwarder, delete storage, the others '
    'commitment. Each answers in its own request_done.';

create table routing.retrieval (
    job uuid primary key references routing.job (id),
    source text not null,
    to_us boolean not null,
    lease_holder text,
    lease_until timestamptz,
    takeovers int not null default 0
);
create index retrieval_source on routing.retrieval (source);
comment on table routing.retrieval is 'One row a retrieve job. to_us: the move destination is a title of ours.';
comment on column routing.retrieval.takeovers is 'How often a worker that carried it out was gone; after three it fails.';

create table routing.retrieval_move (
    job uuid not null references routing.retrieval (job),
    position int not null,
    level text not null check (level in ('STUDY', 'SERIES', 'IMAGE')),
    study_instance_uid text not null,
    series_instance_uid text not null default '',
    sop_instance_uid text not null default '',
    state text not null default 'PENDING' check (state in
        ('PENDING', 'ACTIVE', 'COMPLETED', 'WARNED', 'FAILED', 'CANCELED')),
    status int,
    reason text not null default '',
    remaining int,
    completed int not null default 0,
    failed int not null default 0,
    warned int not null default 0,
    asked_at timestamptz,
    finished_at timestamptz,
    primary key (job, position)
);
create index retrieval_move_study on routing.retrieval_move (study_instance_uid) where asked_at is not null;
comment on table routing.retrieval_move is
    'One C-MOVE. status is its final one, the numbers are of sub-operations as the source last told them.';

create index job_retrieving on routing.job (created_at) where kind = 'retrieve' and finished_at is null;

create view routing.retrieval_view as select * from routing.retrieval;
create view routing.retrieval_move_view as select * from routing.retrieval_move;

create view routing.retrieved_view as
    select m.study_instance_uid, m.series_instance_uid, m.sop_instance_uid, r.source, r.to_us, j.destination,
           m.job, m.state, m.asked_at, m.finished_at
    from routing.retrieval_move m
    join routing.retrieval r on r.job = m.job
    join routing.job j on j.id = m.job
    where m.asked_at is not null;
comment on view routing.retrieved_view is
    'What we had a source send, when; an empty series or SOP Instance UID stands for all of the study or series.';

drop view routing.job_view;
create view routing.job_view as
    select j.*, coalesce(d.total, m.total, 0)::bigint as total, coalesce(d.done, m.done, 0)::bigint as done,
           coalesce(d.failed, m.failed, 0)::bigint as failed, coalesce(r.source, '') as source,
           m.remaining::bigint as remaining, coalesce(m.warned, 0)::bigint as warned
    from routing.job j
    left join routing.retrieval r on r.job = j.id
    left join lateral (
        select count(*) as total,
               count(*) filter (where state in ('DELIVERED', 'WARNED', 'SUPERSEDED')) as done,
               count(*) filter (where state = 'FAILED') as failed
        from routing.delivery where job = j.id and j.kind = 'send'
        having j.kind = 'send'
    ) d on true
    left join lateral (
        select sum(coalesce(remaining, 0) + completed + failed + warned) as total, sum(completed + warned) as done,
               sum(failed) as failed, sum(remaining) as remaining, sum(warned) as warned
        from routing.retrieval_move where job = j.id and j.kind = 'retrieve'
    ) m on true;
comment on view routing.job_view is
    'A send job is counted in instances, a retrieve job in sub-operations as its source tells them.';
