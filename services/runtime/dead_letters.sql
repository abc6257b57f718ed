-- name: insert_dead_letters
insert into runtime.dead_letter (queue, reason, event_id, message_type, headers, body, fingerprint)
select %(queue)s, reason, event_id, message_type, headers::jsonb, body, fingerprint
from unnest(%(reasons)s::text[], %(event_ids)s::uuid[], %(types)s::text[], %(headers)s::text[], %(bodies)s::bytea[],
            %(fingerprints)s::bytea[])
    as dead (reason, event_id, message_type, headers, body, fingerprint)
on conflict do nothing;

-- name: list_dead_letters
-- Its stations are those that its body names as sender or destination, whether it is a document or not.
select id, died_at, queue, reason, event_id, message_type, state, resolved_at, resolved_by, stations
from runtime.dead_letter cross join lateral (
    select array(select distinct found[1] from regexp_matches(
        encode(body, 'escape'), '"(?:calling_aet|destination|server)"\s*:\s*"([^"\\]+)"', 'g') as found) as stations
) as named
where (%(state)s::text is null or state = %(state)s) and (%(before)s::bigint is null or id < %(before)s)
  and (%(queue)s::text is null or queue = %(queue)s)
  and (%(reason)s::text is null or position(lower(%(reason)s) in lower(reason)) > 0)
  and (%(station)s::text is null or %(station)s = any(stations))
order by id desc
limit %(limit)s;

-- name: show_dead_letter
select d.*, array(select distinct found[1] from regexp_matches(
    encode(d.body, 'escape'), '"(?:calling_aet|destination|server)"\s*:\s*"([^"\\]+)"', 'g') as found) as stations
from runtime.dead_letter d where id = %(id)s;

-- name: resolve
update runtime.dead_letter set state = %(state)s, resolved_at = now(), resolved_by = %(actor)s
where id = %(id)s and state = 'PARKED'
returning queue, headers, body;

-- name: insert_replay
insert into runtime.outbox (event_id, exchange, routing_key, headers, body)
values (gen_random_uuid(), '', %(queue)s, %(headers)s::jsonb, %(body)s);

-- name: notify
select pg_notify('outbox', '');
