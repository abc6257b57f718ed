-- Sources of which a study is complete once they have released the associations by which it came.
-- oldest-code: 13

alter table config.station add complete_on_release boolean not null default false;
comment on column config.station.complete_on_release is
    'What it sends is complete once it has released each association by which the series or study came.';
create or replace view config.station_view as select * from config.station;

create table routing.ended_association (
    association text primary key,
    ended_at timestamptz not null,
    recorded_at timestamptz not null default now()
);
create index ended_association_recorded on routing.ended_association (recorded_at);
comment on table routing.ended_association is
    'Associations that such a source released, nothing of which was refused; kept for a week.';

alter table routing.job add by_release boolean not null default false;
comment on column routing.job.by_release is
    'Everything that it has collected came from such sources; the associations are in routing.job_association.';

create table routing.job_association (
    job uuid not null references routing.job (id),
    association text not null,
    primary key (job, association)
);
comment on table routing.job_association is 'By which associations came what a job collects; until it is released.';

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
