-- name: progress
select p.policy, p.adopting is null as adopted, nullif(p.recorded_at, '2000-01-01 00:00:00+00') as known_through,
       (select count(*) from storage.retention_view) as studies
from storage.retention_progress_view p

-- name: kept
select kept as reason, count(*) as studies, min(last_received_at) as oldest_received_at
from storage.retention_view
where kept <> '' and looked_at is not null
group by kept order by studies desc, kept limit 100
