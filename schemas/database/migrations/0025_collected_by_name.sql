-- A job collects by the name of its rule, whatever rule set is published meanwhile.
-- oldest-code: 25

-- What two rule sets of one rule collect side by side becomes one job, that of the newer.
create temporary table twin on commit drop as
    select id, first_value(id) over (partition by rule, level, destination, group_uid order by rule_set desc) as stays
    from routing.job where released_at is null and request is null and level <> 'instance';
update routing.delivery d set job = t.stays from twin t where d.job = t.id and t.id <> t.stays;
update routing.job j set last_received_at = o.last_received_at, by_release = false, counted_at = ''
from (select t.stays, max(m.last_received_at) as last_received_at from twin t join routing.job m using (id)
      group by t.stays having count(*) > 1) as o
where j.id = o.stays;
delete from routing.job_association a using twin t where a.job = t.id and t.id <> t.stays;
delete from routing.job j using twin t where j.id = t.id and t.id <> t.stays;

drop index routing.job_collecting;
create unique index job_collecting on routing.job (rule, level, destination, group_uid)
    where released_at is null and request is null and level <> 'instance';

-- Places in the list of one rule set say nothing about that of the next; what is collected now is complete by its
-- other signals.
drop view routing.collecting_view;
drop view routing.job_view;
alter table routing.job
    alter required drop default,
    alter required type text[] using '{}',
    alter required set default '{}',
    alter met drop default,
    alter met type text[] using '{}',
    alter met set default '{}';
comment on column routing.job.required is
    'Digests of the nodes that instances have to meet before what the job collects is complete; empty: none.';
comment on column routing.job.met is 'Digests of the nodes that instances which it has collected meet.';

create view routing.collecting_view as
    select j.id as job, j.level, extract(epoch from j.quiet)::int as seconds, cardinality(j.required) as required,
           (select count(*)::int from unnest(j.required) as node where node = any(j.met)) as met,
           j.by_release, j.counted_at, q.expected, coalesce(q.fault, '') as fault, q.received
    from routing.job j
    left join routing.count_question q on q.source = j.counted_at and q.level = j.level and q.group_uid = j.group_uid
    where j.released_at is null and j.level <> 'instance';
comment on view routing.collecting_view is 'What completes what each job collects, and how far it is.';

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
