-- Sources that are asked how many instances there are of what jobs collect.
-- oldest-code: 13

alter table routing.job add counted_at text not null default '';
comment on column routing.job.counted_at is
    'The source that is asked how many instances there are of what the job collects; empty: none is.';
create index job_counted on routing.job (counted_at) where released_at is null and counted_at <> '';

create table routing.count_question (
    source text not null,
    level text not null check (level in ('series', 'study')),
    group_uid text not null,
    expected int,
    fault text not null default '',
    asked int not null default 0,
    next_at timestamptz not null default now(),
    lease_until timestamptz,
    primary key (source, level, group_uid)
);
comment on table routing.count_question is
    'A series or study that jobs collect, as its source counts it. expected: what it told last; fault: why it told nothing.';
create view routing.collecting_view as
    select j.id as job, j.level, extract(epoch from j.quiet)::int as seconds, j.required, cardinality(j.met) as met,
           j.by_release, j.counted_at, q.expected, coalesce(q.fault, '') as fault
    from routing.job j
    left join routing.count_question q on q.source = j.counted_at and q.level = j.level and q.group_uid = j.group_uid
    where j.released_at is null and j.level <> 'instance';
comment on view routing.collecting_view is 'What completes what each job collects, and how far it is.';
