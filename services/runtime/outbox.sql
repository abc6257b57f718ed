-- name: insert_events
insert into runtime.outbox (event_id, exchange, routing_key, headers, body)
select event_id, exchange, routing_key, headers::jsonb, body
from unnest(%(event_ids)s::uuid[], %(exchanges)s::text[], %(routing_keys)s::text[], %(headers)s::text[], %(bodies)s::text[])
    as event (event_id, exchange, routing_key, headers, body);

-- name: notify
-- Wakes the relay of the process that asks; all of them if it has none.
select pg_notify(coalesce(nullif(current_setting('gateway.outbox', true), ''), 'outbox'), '');

-- name: claim
-- What the broker did not take comes last.
select created_at, id, exchange, routing_key, headers, body
from runtime.outbox
where published_at is null and next_attempt_at <= now() and (exchange <> '' or %(replays)s)
order by attempts, id
limit %(limit)s
for update skip locked;

-- name: mark_published
update runtime.outbox o set published_at = now()
from unnest(%(created_at)s::timestamptz[], %(id)s::bigint[]) as done (created_at, id)
where o.created_at = done.created_at and o.id = done.id;

-- name: postpone
-- 1, 2, 4 … 60 seconds.
update runtime.outbox o set
    attempts = o.attempts + 1,
    next_attempt_at = now() + make_interval(secs => least(60, 2 ^ least(o.attempts, 6)))
from unnest(%(created_at)s::timestamptz[], %(id)s::bigint[]) as untaken (created_at, id)
where o.created_at = untaken.created_at and o.id = untaken.id;

-- name: count_unpublished
select count(*) as count,
       coalesce(greatest(extract(epoch from now() - min(created_at)), 0), 0)::float8 as oldest_seconds
from (select created_at from runtime.outbox where published_at is null limit 100000) waiting;
