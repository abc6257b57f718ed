-- This one first, and nothing waits for ever behind what is more urgent.
-- oldest-code: 13

alter table config.request drop constraint request_kind_check;
alter table config.request add constraint request_kind_check
    check (kind in ('send', 'retrieve', 'retry', 'cancel', 'complete', 'route', 'first', 'retry-deliveries',
                    'cancel-deliveries', 'reroute-deliveries', 'delete', 'retention', 'correct', 'retry-commitment', 'cancel-commitment'));
comment on table config.request is
    'What people ask a service to do: send, retrieve, retry, cancel, complete, route, first the forwarder, '
    'delete, retention, correct storage, the others commitment. Each answers in its own request_done.';

alter table routing.job add first_at timestamptz;
comment on column routing.job.priority is '0 low, 1 normal, 2 high, 3 stat: what its rule or person gave it.';
comment on column routing.job.first_at is 'When a person put it first: what it has and gets goes before all others.';
comment on column routing.delivery.priority is
    'Its place among those to its destination: the priority of its job, more once it has waited for long, 4 where a '
    'person put the job first.';

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

alter table routing.destination add answering_since timestamptz;
comment on column routing.destination.answering_since is
    'When its circuit was closed last: what waited through an outage has not waited behind others. Null: it never was open.';
create or replace view routing.destination_view as select * from routing.destination;
