-- name: put_jobs_first
update routing.job set first_at = coalesce(first_at, now())
where id = any(%(jobs)s::uuid[]) and kind = 'send' and state in ('QUEUED', 'ACTIVE')
returning id

-- name: put_deliveries_first
-- Failed ones too: where they are tried again, they go first.
update routing.delivery set priority = %(priority)s
where job = any(%(jobs)s::uuid[]) and state not in ('DELIVERED', 'WARNED', 'SUPERSEDED')
returning destination, state

-- name: raise_waiting
-- What has been due for so long, and of class low for twice as long, rises by one, to class high at most. While the
-- station did not answer nothing waited behind others, so that time does not count.
with answering as materialized (
    select t.title, coalesce(d.answering_since, '-infinity') as since
    from unnest(%(titles)s::text[]) as t(title)
    left join routing.destination d on d.title = t.title
    where coalesce(d.circuit, 'CLOSED') = 'CLOSED'
), due as materialized (
    select w.received_at, w.id
    from answering a
    cross join (values (1), (0)) as p(priority)
    cross join lateral (
        select d.received_at, d.id
        from routing.delivery d join routing.job j on j.id = d.job
        where d.destination = a.title and d.state in ('PENDING', 'UNKNOWN') and d.priority = p.priority
          and d.next_attempt_at <= now() - make_interval(secs => %(seconds)s)
          and greatest(d.waiting_since, a.since)
              <= now() - make_interval(secs => %(seconds)s * (d.priority + 1 - j.priority))
        limit %(most)s
        for update of d skip locked
    ) as w
    limit %(most)s
)
update routing.delivery d set priority = d.priority + 1
from due where d.received_at = due.received_at and d.id = due.id
returning d.id
