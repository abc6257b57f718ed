-- name: select_generation
select number from config.generation_view

-- name: select_stations
select title, host, port, enabled, associations, commit_server, commit_on, action_seconds, commit_limit_seconds,
       commit_quiet_seconds, commit_retry_hours, commit_size, report_titles, commit_downstream, tls, certificates
from config.station_view
