-- By what the series and studies that jobs collect were complete, and people who say that one is.
-- oldest-code: 13

alter table config.request drop constraint request_kind_check;
alter table config.request add constraint request_kind_check
    check (kind in ('send', 'retrieve', 'retry', 'cancel', 'complete', 'route', 'retry-deliveries',
                    'cancel-deliveries', 'reroute-deliveries', 'delete', 'retention', 'correct', 'retry-commitment',
                    'cancel-commitment'));
comment on table config.request is
    'What people ask a service to do: send, retrieve, retry, cancel, complete, route the forwarder, delete, retention, '
    'correct storage, the others commitment. Each answers in its own request_done.';

alter table routing.job add completed_by text not null default '';
comment on column routing.job.completed_by is
    'By what the series or study was complete when the job was released; empty: it collects nothing, or collects still.';
update routing.job set completed_by = 'quiet time'
where level <> 'instance' and request is null and released_at is not null and state <> 'CANCELED';

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
