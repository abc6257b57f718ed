-- Leases named association/TITLE/N (of a station) and association//N (of all) are slots; wanted\TITLE\TIME\HOLDER and
-- wanted\\TIME\HOLDER are places in line for them, in the order of their names. No title has a backslash.

-- name: lock_slots
select pg_advisory_xact_lock(hashtextextended('outgoing association', 0))

-- name: find_slot
-- The lowest free slot of a row of them; nothing when all are taken, or needed by those who stand before the holder in
-- line (who does not stand in line comes after all of them). One that the holder took in a COMMIT whose answer was lost
-- is still its own.
with free as (
    select %(prefix)s || n as name, n, coalesce(taken.holder = %(holder)s, false) as own
    from generate_series(1, %(slots)s) as n
    left join runtime.lease taken on taken.name = %(prefix)s || n
    where taken.name is null or taken.holder = %(holder)s
       or runtime.lease_expired(taken.lease_until, make_interval(secs => %(lease)s))
), line as (
    select name collate "C" as name, holder from runtime.lease  -- bytes, whatever the database's order of words is
    where starts_with(name, %(line)s) and not runtime.lease_expired(lease_until, make_interval(secs => %(wait)s))
), before as (
    select count(*) as holders from line
    where holder <> %(holder)s
      and name < coalesce((select min(mine.name) from line mine where mine.holder = %(holder)s), '~' collate "C")
)
select free.name from free, before
where before.holders < (select count(*) from free)
order by free.own desc, free.n
limit 1

-- name: take_slot
insert into runtime.lease (name, holder, lease_until)
values (%(name)s, %(holder)s, now() + make_interval(secs => %(lease)s))
on conflict (name) do update set holder = excluded.holder, lease_until = excluded.lease_until

-- name: join_line
-- At its end, or at the place that the holder has. Only who joins is news to the others.
insert into runtime.lease (name, holder, lease_until)
select coalesce(
           (select min(name) from runtime.lease where starts_with(name, %(line)s) and holder = %(holder)s),
           %(line)s || to_char(extract(epoch from clock_timestamp()) * 1000000, 'FM00000000000000000000')
                    || '\' || %(holder)s),
       %(holder)s, now() + make_interval(secs => %(wait)s)
on conflict (name) do update set lease_until = excluded.lease_until
returning xmax = 0 as joined

-- name: leave_line
delete from runtime.lease where holder = %(holder)s and starts_with(name, 'wanted\')

-- name: leave_other_lines
-- The holder's other places, and those of whoever no longer asks.
delete from runtime.lease
where starts_with(name, 'wanted\')
  and (holder = %(holder)s and not starts_with(name, %(line)s)
       or runtime.lease_expired(lease_until, make_interval(secs => %(wait)s)))

-- name: notify_wanted
select pg_notify('association_wanted', %(station)s)

-- name: notify_freed
-- The same channel: whoever waits looks again.
select pg_notify('association_wanted', 'free')
where exists (select from runtime.lease where starts_with(name, 'wanted\'))

-- name: lacking
select distinct split_part(name, '\', 2) as station from runtime.lease
where starts_with(name, 'wanted\') and not runtime.lease_expired(lease_until, make_interval(secs => %(wait)s))

-- name: full
select s.station
from unnest(%(stations)s::text[], %(slots)s::int[]) as s(station, slots)
where s.slots <= (
    select count(*)
    from generate_series(1, s.slots) as n
    join runtime.lease l on l.name = 'association/' || s.station || '/' || n
    where not runtime.lease_expired(l.lease_until, make_interval(secs => %(lease)s)))

-- name: renew_slots
update runtime.lease set lease_until = now() + make_interval(secs => %(lease)s)
where holder = %(holder)s and starts_with(name, 'association/')
returning name

-- name: give_slots_back
delete from runtime.lease where holder = %(holder)s returning name
