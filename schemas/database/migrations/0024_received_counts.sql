-- How many of what a source counts have come, worked out beside the release of jobs.
-- oldest-code: 13

alter table routing.count_question add received int;
comment on column routing.count_question.received is 'Different instances of it that have come from the source; null: not counted yet.';

create or replace view routing.collecting_view as
    select j.id as job, j.level, extract(epoch from j.quiet)::int as seconds, j.required, cardinality(j.met) as met,
           j.by_release, j.counted_at, q.expected, coalesce(q.fault, '') as fault, q.received
    from routing.job j
    left join routing.count_question q on q.source = j.counted_at and q.level = j.level and q.group_uid = j.group_uid
    where j.released_at is null and j.level <> 'instance';
