-- The destinations as a whole: circuit and pace of each.

-- name: select_circuit
select circuit, consecutive_failures, retry_at is null or retry_at <= now() as may_probe,
       coalesce(extract(epoch from now() - open_since), 0)::double precision as open_seconds
from routing.destination where title = %(destination)s

-- name: close_circuit
-- Any answer closes the circuit; only a success is one, and a refusal is the last failure (refusal null: there was none).
-- Written when it changes something, and else at most once a second.
insert into routing.destination as d (title, last_success_at, last_failure, last_failure_at)
values (%(destination)s, case when %(succeeded)s then now() end, coalesce(%(refusal)s::text, ''),
        case when %(refusal)s::text is not null then now() end)
on conflict (title) do update set
    answering_since = case when d.circuit = 'CLOSED' then d.answering_since else now() end,
    circuit = 'CLOSED', consecutive_failures = 0, retry_at = null, open_since = null,
    last_success_at = coalesce(excluded.last_success_at, d.last_success_at),
    last_failure = coalesce(%(refusal)s::text, d.last_failure),
    last_failure_at = coalesce(excluded.last_failure_at, d.last_failure_at)
where d.circuit <> 'CLOSED' or d.consecutive_failures > 0
   or excluded.last_success_at >= coalesce(d.last_success_at, '-infinity') + interval '1 second'
   or excluded.last_failure_at >= coalesce(d.last_failure_at, '-infinity') + interval '1 second'
   or %(refusal)s::text <> d.last_failure

-- name: fail_destination
-- open_since stays through every attempt in vain, until an answer to a C-STORE closes the circuit.
insert into routing.destination as d (title, circuit, consecutive_failures, retry_at, last_failure, last_failure_at,
                                      open_since)
values (%(destination)s, %(circuit)s, %(failures)s, now() + make_interval(secs => %(delay)s), %(reason)s, now(),
        case when %(circuit)s = 'OPEN' then now() end)
on conflict (title) do update set
    circuit = excluded.circuit, consecutive_failures = excluded.consecutive_failures, retry_at = excluded.retry_at,
    open_since = case when excluded.circuit = 'OPEN' then coalesce(d.open_since, now()) end,
    last_failure = excluded.last_failure, last_failure_at = excluded.last_failure_at

-- name: hold_probe
-- One association tries a destination whose circuit is open; nobody else does until its lease would end.
update routing.destination set retry_at = now() + make_interval(secs => %(lease)s) where title = %(destination)s

-- name: end_probe
-- The probe ended without a word from the destination: the next one may try.
update routing.destination set retry_at = now() where title = %(destination)s and circuit <> 'CLOSED'

-- name: select_wanting_echo
-- Those of the given destinations whose circuit is open and whose time has come.
select title from routing.destination
where title = any(%(titles)s::text[]) and circuit = 'OPEN' and retry_at <= now()

-- name: half_open
-- A C-ECHO was answered: one delivery may try.
update routing.destination set circuit = 'HALF-OPEN', retry_at = null where title = %(destination)s and circuit = 'OPEN'

-- name: select_pace
-- Seconds until the next claim. The clock's time: the transaction may have waited for the destination since it began.
select greatest(extract(epoch from paced_until - clock_timestamp()), 0)::double precision as seconds
from routing.destination where title = %(destination)s and paced_until is not null

-- name: charge_pace
insert into routing.destination as d (title, paced_until)
values (%(destination)s, clock_timestamp() + make_interval(secs => %(seconds)s))
on conflict (title) do update set
    paced_until = greatest(d.paced_until, clock_timestamp()) + make_interval(secs => %(seconds)s)
