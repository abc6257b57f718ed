-- Leases named association/TITLE/N (of a station) and association//N (of all) are slots; wanted\TITLE\TIME\HOLDER and
-- wanted\\TIME\HOLDER are places in line for them, in the order of their names. No title has a backslash.

-- name: lock_slots
select pg_advisory_xact_lock(hashtextextended('outgoing association', 0))

-- name: take_slot
-- The lowest free slot of a row of them; nothing when all are taken, or needed by those who stand before the holder in
-- line (who does not stand in line comes after all of them).
with free as (
    select %(prefix)s || n as name, n
    from generate_series(1, %(slots)s) as n
    left join runtime.lease taken on taken.name = %(prefix)s || n
    where taken.name is null or runtime.lease_expired(taken.lease_until, make_interval(secs => %(lease)s))
), line as (
    select name collate "C" as name, holder from runtime.lease  -- bytes, whatever the database's order of words is
    where starts_with(name, %(line)s) and not runtime.lease_expired(lease_until, make_interval(secs => %(wait)s))
), before as (
    select count(*) as holders from line
    where holder <> %(holder)s
      and name < coalesce((select min(mine.name) from line mine where mine.holder = %(holder)s), '~' collate "C")
)
insert into runtime.lease (name, holder, lease_until)
select free.name, %(holder)s, now() + make_interval(secs => %(lease)s)
from free, before
where before.holders < (select count(*) from free)
order by free.n
limit 1
on conflict (name) do update set holder = excluded.holder, lease_until = excluded.lease_until
returning name

-- name: join_line
-- At its end, or at the place that the holder has.
insert into runtime.lease (name, holder, lease_until)
select coalesce(
           (select min(name) from runtime.lease where starts_with(name, %(line)s) and holder = %(holder)s),
           %(line)s || to_char(extract(epoch from clock_timestamp()) * 1000000, 'FM00000000000000000000')
                    || '\' || %(holder)s),
       %(holder)s, now() + make_interval(secs => %(wait)s)
on conflict (name) do update set lease_until = excluded.lease_until

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

-- name: renew_slots
update runtime.lease set lease_until = now() + make_interval(secs => %(lease)s)
where holder = %(holder)s and starts_with(name, 'association/')
returning name

-- name: give_slots_back
delete from runtime.lease where holder = %(holder)s
