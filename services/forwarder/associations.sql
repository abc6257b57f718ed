-- name: insert_ended
insert into routing.ended_association (association, ended_at)
select * from unnest(%(association)s::text[], %(ended_at)s::timestamptz[])
on conflict (association) do nothing

-- name: delete_old
delete from routing.ended_association where recorded_at < now() - make_interval(days => %(days)s)

-- name: delete_of_released
-- Those of jobs that were cancelled while they collected.
delete from routing.job_association a using routing.job j where j.id = a.job and j.released_at is not null
