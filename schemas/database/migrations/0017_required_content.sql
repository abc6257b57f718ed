-- What a series or study has to hold before it is complete.
-- oldest-code: 13

alter table routing.job
    add required int not null default 0,
    add met int[] not null default '{}';
comment on column routing.job.required is
    'Nodes of the rule that instances have to meet before what the job collects is complete; 0: it requires nothing.';
comment on column routing.job.met is 'Which of these instances that it has collected meet, counted from 0.';

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
