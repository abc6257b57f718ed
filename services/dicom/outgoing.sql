-- Leases named association/TITLE/N (of a station) and association//N (of all) are slots; wanted\TITLE\HOLDER and
-- wanted\\HOLDER are places in line for them. No title has a backslash.

-- name: lock_slots
select pg_advisory_xact_lock(hashtextextended('outgoing association', 0))

-- name: take_slot
-- The lowest free slot of a row of them; nothing when all are taken, or needed by those who wait (who waits takes any).
with free as (
    select %(prefix)s || n as name, n
    from generate_series(1, %(slots)s) as n
    left join runtime.lease taken on taken.name = %(prefix)s || n
    where taken.name is null or runtime.lease_expired(taken.lease_until, make_interval(secs => %(lease)s))
), waiting as (
    select count(*) as others, coalesce(bool_or(w.holder = %(holder)s), false) as mine
    from runtime.lease w
    where starts_with(w.name, %(line)s) and not runtime.lease_expired(w.lease_until, make_interval(secs => %(wait)s))
)
insert into runtime.lease (name, holder, lease_until)
select free.name, %(holder)s, now() + make_interval(secs => %(lease)s)
from free, waiting
where waiting.mine or waiting.others < (select count(*) from free)
order by free.n
limit 1
on conflict (name) do update set holder = excluded.holder, lease_until = excluded.lease_until
returning name

-- name: join_line
insert into runtime.lease (name, holder, lease_until)
values (%(name)s, %(holder)s, now() + make_interval(secs => %(wait)s))
on conflict (name) do update set lease_until = excluded.lease_until

-- name: leave_line
-- The holder's other places, and those of whoever no longer asks.
delete from runtime.lease
where starts_with(name, 'wanted\')
  and (holder = %(holder)s and name <> %(kept)s or runtime.lease_expired(lease_until, make_interval(secs => %(wait)s)))

-- name: notify_wanted
select pg_notify('association_wanted', %(station)s)

-- name: lacking
select distinct split_part(name, '\', 2) as station from runtime.lease
where starts_with(name, 'wanted\') and not runtime.lease_expired(lease_until, make_interval(secs => %(wait)s))

-- name: renew_slots
update runtime.lease set lease_until = now() + make_interval(secs => %(lease)s)
where holder = %(holder)s and starts_with(name, 'association/')
returning name

-- name: give_slots_back
delete from runtime.lease where holder = %(holder)s
