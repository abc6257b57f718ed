-- name: lock_holds
-- One process at a time; the others need not wait.
select pg_try_advisory_xact_lock(hashtextextended('routing.holds', 0)) as mine

-- name: park
-- What could go and is held waits without an end, so that claims never meet it. Its time counts from the hold.
with held as materialized (
    select id, kind, name, held_at from config.hold_view where in_force
), to_station as materialized (
    select h.id as hold, h.held_at, d.received_at, d.id
    from held h
    cross join (values (4), (3), (2), (1), (0)) as p(priority)
    cross join lateral (
        select w.received_at, w.id from routing.delivery w
        where w.destination = h.name and w.state in ('PENDING', 'UNKNOWN') and w.priority = p.priority
          and w.next_attempt_at < 'infinity'
        limit %(most)s
        for update skip locked
    ) as d
    where h.kind = 'station'
), by_rule as materialized (
    select h.id as hold, h.held_at, d.received_at, d.id
    from held h
    cross join lateral (
        select w.received_at, w.id from routing.delivery w
        where w.rule = h.name and w.rule <> '' and w.state in ('PENDING', 'UNKNOWN') and w.next_attempt_at < 'infinity'
        limit %(most)s
        for update skip locked
    ) as d
    where h.kind = 'rule'
), from_source as materialized (
    select h.id as hold, h.held_at, d.received_at, d.id
    from held h
    cross join lateral (
        select w.received_at, w.id from routing.delivery w
        where w.source = h.name and w.source <> '' and w.state in ('PENDING', 'UNKNOWN')
          and w.next_attempt_at < 'infinity'
        limit %(most)s
        for update skip locked
    ) as d
    where h.kind = 'source'
)
update routing.delivery d set
    hold = f.hold, held_since = coalesce(d.held_since, greatest(f.held_at, d.waiting_since)), next_attempt_at = 'infinity'
from (select * from to_station union all select * from by_rule union all select * from from_source) as f
where d.received_at = f.received_at and d.id = f.id
returning d.destination

-- name: let_go
-- What waits for a hold that has ended, and for no other, may go, in the order in which it came. The time it was held
-- does not count.
with recursive holds as (
    (select min(hold) as hold from routing.delivery where hold is not null and state in ('PENDING', 'UNKNOWN'))
    union all
    select (select min(d.hold) from routing.delivery d
            where d.hold > holds.hold and d.state in ('PENDING', 'UNKNOWN'))
    from holds where holds.hold is not null
), ended as materialized (
    select h.id, h.ends_at from holds join config.hold_view h on h.id = holds.hold where not h.in_force
), held as materialized (
    select id, kind, name from config.hold_view where in_force
), found as materialized (
    select d.received_at, d.id, e.ends_at,
           (select min(h.id) from held h
            where h.name = case h.kind when 'station' then d.destination when 'rule' then d.rule else d.source end)
               as other
    from ended e
    cross join lateral (
        select w.received_at, w.id, w.destination, w.rule, w.source from routing.delivery w
        where w.hold = e.id and w.state in ('PENDING', 'UNKNOWN')
        limit %(most)s
        for update skip locked
    ) as d
)
update routing.delivery d set
    hold = f.other,
    held_since = case when f.other is not null then d.held_since end,
    waiting_since = d.waiting_since
        + case when f.other is null then greatest(f.ends_at - d.held_since, interval '0') else interval '0' end,
    next_attempt_at = case when f.other is null then d.held_since else 'infinity'::timestamptz end
from found f where d.received_at = f.received_at and d.id = f.id
returning d.destination

-- name: count_held
-- By destination, with the age in seconds of the oldest whose hold has no end of its own.
select d.destination, count(*) as deliveries,
       coalesce(max(extract(epoch from now() - d.held_since)) filter (where h.until is null), 0)::double precision as age
from routing.delivery d join config.hold_view h on h.id = d.hold
where d.hold is not null and d.state in ('PENDING', 'UNKNOWN')
group by d.destination
