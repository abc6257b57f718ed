-- name: silent_stations
-- What never sent is silent since it was defined. heard_at null: nothing ever came.
select s.title, s.silent_hours as hours, h.at as heard_at, coalesce(h.at, s.created_at) as since
from config.station s
left join lateral (select max(received_at) as at from storage.sender_view v where v.calling_aet = s.title) h on true
where s.enabled and s.silent_hours is not null
  and coalesce(h.at, s.created_at) < now() - make_interval(hours => s.silent_hours)
order by since, s.title
