-- name: lock_holds
-- One process at a time; the others need not wait.
select pg_try_advisory_xact_lock(hashtextextended('routing.holds', 0)) as mine

-- name: park
-- What could go and is held, or has to wait for the schedule of its rule or station, waits without an end, so that claims
-- never meet it. Its time counts from then.
with held as materialized (
    select id, kind, name, held_at from config.hold_view where in_force
), shut as materialized (
    select schedule, case when closes_at <= now() then closes_at else closed_at end as shut_at
    from routing.opening where not (opens_at <= now() and now() < closes_at)
), station as materialized (
    select name as title, id as hold, null as shut, held_at as since from held where kind = 'station'
    union all
    select s.title, null, 'station', x.shut_at from config.station_view s join shut x on x.schedule = s.schedule
), to_station as materialized (
    select t.hold, t.shut, t.since, d.received_at, d.id
    from station t
    cross join (values (4), (3), (2), (1), (0)) as p(priority)
    cross join lateral (
        select w.received_at, w.id from routing.delivery w
        where w.destination = t.title and w.state in ('PENDING', 'UNKNOWN') and w.priority = p.priority
          and w.next_attempt_at < 'infinity'
        order by w.next_attempt_at, w.id
        limit %(most)s
        for update skip locked
    ) as d
), by_rule as materialized (
    select h.id as hold, null as shut, h.held_at as since, d.received_at, d.id
    from held h
    cross join lateral (
        select w.received_at, w.id from routing.delivery w
        where w.rule = h.name and w.rule <> '' and w.state in ('PENDING', 'UNKNOWN') and w.next_attempt_at < 'infinity'
        limit %(most)s
        for update skip locked
    ) as d
    where h.kind = 'rule'
), from_source as materialized (
    select h.id as hold, null as shut, h.held_at as since, d.received_at, d.id
    from held h
    cross join lateral (
        select w.received_at, w.id from routing.delivery w
        where w.source = h.name and w.source <> '' and w.state in ('PENDING', 'UNKNOWN')
          and w.next_attempt_at < 'infinity'
        limit %(most)s
        for update skip locked
    ) as d
    where h.kind = 'source'
), by_schedule as materialized (
    select null::bigint as hold, 'rule' as shut, x.shut_at as since, d.received_at, d.id
    from shut x
    cross join lateral (
        select w.received_at, w.id from routing.delivery w
        where w.schedule = x.schedule and w.state in ('PENDING', 'UNKNOWN') and w.next_attempt_at < 'infinity'
        limit %(most)s
        for update skip locked
    ) as d
)
update routing.delivery d set
    hold = f.hold, shut = f.shut, held_since = coalesce(d.held_since, greatest(f.since, d.waiting_since)),
    next_attempt_at = 'infinity'
from (select * from to_station union all select * from by_rule union all select * from from_source
      union all select * from by_schedule) as f
where d.received_at = f.received_at and d.id = f.id
returning d.destination

-- name: let_go
-- What waits for a hold that has ended or a schedule that is open, and for no other, may go, in the order in which it
-- came. The time it was kept does not count.
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
), open as materialized (
    select schedule, opens_at from routing.opening where opens_at <= now() and now() < closes_at
), found as materialized (
    select d.*, e.ends_at
    from ended e
    cross join lateral (
        select w.received_at, w.id, w.destination, w.rule, w.source, w.schedule from routing.delivery w
        where w.hold = e.id and w.state in ('PENDING', 'UNKNOWN')
        limit %(most)s
        for update skip locked
    ) as d
    union all
    select d.*, o.opens_at
    from config.station_view s
    left join open o on o.schedule = s.schedule
    cross join lateral (
        select w.received_at, w.id, w.destination, w.rule, w.source, w.schedule from routing.delivery w
        where w.shut = 'station' and w.destination = s.title and w.state in ('PENDING', 'UNKNOWN')
        limit %(most)s
        for update skip locked
    ) as d
    where s.schedule = '{}' or o.schedule is not null
    union all
    select d.*, o.opens_at
    from open o
    cross join lateral (
        select w.received_at, w.id, w.destination, w.rule, w.source, w.schedule from routing.delivery w
        where w.shut = 'rule' and w.schedule = o.schedule and w.state in ('PENDING', 'UNKNOWN')
        limit %(most)s
        for update skip locked
    ) as d
), judged as materialized (
    select f.received_at, f.id, f.ends_at, (
               select min(h.id) from held h
               where h.name = case h.kind when 'station' then f.destination when 'rule' then f.rule else f.source end
           ) as hold,
           case when exists (select from config.station_view s
                             where s.title = f.destination and s.schedule <> '{}'
                               and s.schedule not in (select schedule from open)) then 'station'
                when f.schedule is not null and f.schedule not in (select schedule from open) then 'rule' end as shut
    from found f
)
update routing.delivery d set
    hold = j.hold,
    shut = case when j.hold is null then j.shut end,
    held_since = case when j.hold is not null or j.shut is not null then d.held_since end,
    waiting_since = d.waiting_since
        + case when j.hold is not null or j.shut is not null then interval '0'
               when j.ends_at > d.held_since then j.ends_at - d.held_since
               else now() - d.held_since end,
    next_attempt_at = case when j.hold is not null or j.shut is not null then 'infinity'::timestamptz
                           else d.held_since end
from judged j where d.received_at = j.received_at and d.id = j.id
returning d.destination

-- name: count_held
-- By destination, with the age in seconds of the oldest whose hold has no end of its own.
select d.destination, count(*) as deliveries,
       coalesce(max(extract(epoch from now() - d.held_since)) filter (where h.until is null), 0)::double precision as age
from routing.delivery d join config.hold_view h on h.id = d.hold
where d.hold is not null and d.state in ('PENDING', 'UNKNOWN')
group by d.destination

-- name: count_shut
select destination, count(*) as deliveries from routing.delivery
where shut is not null and state in ('PENDING', 'UNKNOWN')
group by destination
