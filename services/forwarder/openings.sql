-- name: select_over
-- Schedules of stations without an opening yet, and all whose opening is over.
select schedule, now() as at from routing.opening where closes_at <= now()
union
select s.schedule, now() from config.station_view s
where s.schedule <> '{}' and not exists (select from routing.opening o where o.schedule = s.schedule)

-- name: select_new
-- Those of the given schedules that nobody has looked at yet.
select u.schedule, now() as at
from jsonb_array_elements(%(schedules)s::jsonb) as e(windows)
cross join lateral (select array(select jsonb_array_elements_text(e.windows)) as schedule) as u
where not exists (select from routing.opening o where o.schedule = u.schedule)
order by u.schedule

-- name: put_opening
-- Null: never, however far one looks. Whoever comes second finds the same.
insert into routing.opening as o (schedule, closed_at, opens_at, closes_at)
values (%(schedule)s::text[], coalesce(%(closed_at)s::timestamptz, '-infinity'),
        coalesce(%(opens_at)s::timestamptz, '-infinity'), coalesce(%(closes_at)s::timestamptz, 'infinity'))
on conflict (schedule) do update set
    closed_at = excluded.closed_at, opens_at = excluded.opens_at, closes_at = excluded.closes_at
where o.closes_at <= now()
