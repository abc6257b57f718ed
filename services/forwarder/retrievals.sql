-- Retrieve jobs (C-MOVE as SCU). Whoever carries one out holds its lease and writes nothing without it.

-- name: insert_job
insert into routing.job (id, kind, destination, study_instance_uid, group_uid, level, priority, request,
                         last_received_at, released_at)
values (%(job)s, 'retrieve', %(destination)s, %(study)s, %(study)s, %(job_level)s, %(priority)s, %(request)s, now(),
        now())

-- name: insert_retrieval
insert into routing.retrieval (job, source, to_us) values (%(job)s, %(source)s, %(to_us)s)

-- name: insert_moves
insert into routing.retrieval_move (job, position, level, study_instance_uid, series_instance_uid, sop_instance_uid)
select %(job)s, u.position, %(level)s, u.study, u.series, u.instance
from unnest(%(study)s::text[], %(series)s::text[], %(instance)s::text[]) with ordinality
     as u (study, series, instance, position)

-- name: notify
select pg_notify('routing_work', 'retrieve')

-- name: claim
-- The next job that nobody carries out, or whose worker is gone.
with due as (
    select r.job from routing.retrieval r join routing.job j on j.id = r.job
    where j.kind = 'retrieve' and j.finished_at is null and r.source <> all(%(busy)s::text[])
      and (r.lease_until is null or runtime.lease_expired(r.lease_until, make_interval(secs => %(lease)s)))
    order by j.priority desc, j.created_at, j.id
    limit 1
    for update of r skip locked
)
update routing.retrieval r set
    takeovers = r.takeovers + (r.lease_until is not null)::int,
    lease_holder = %(holder)s, lease_until = now() + make_interval(secs => %(lease)s)
from due join routing.job j on j.id = due.job
where r.job = due.job
returning r.job, r.source, r.takeovers, j.destination

-- name: lost_answers
-- The worker that asked is gone with the answer: it is asked again. What came is known by its UIDs and not doubled.
update routing.retrieval_move set state = 'PENDING' where job = %(job)s and state = 'ACTIVE'

-- name: open_moves
select position, level, study_instance_uid, series_instance_uid, sop_instance_uid from routing.retrieval_move
where job = %(job)s and state = 'PENDING' order by position

-- name: renew
update routing.retrieval r set lease_until = now() + make_interval(secs => %(lease)s)
from routing.job j
where r.job = %(job)s and r.lease_holder = %(holder)s and j.id = r.job
returning j.state = 'CANCELED' as canceled

-- name: canceled_of
select id from routing.job where id = any(%(jobs)s::uuid[]) and state = 'CANCELED'

-- name: lock_job
select state from routing.job where id = %(job)s for update

-- name: holds
select from routing.retrieval where job = %(job)s and lease_holder = %(holder)s for update

-- name: activate
update routing.job set state = 'ACTIVE', started_at = coalesce(started_at, now()), reason = ''
where id = %(job)s and state = 'QUEUED'

-- name: begin_move
update routing.retrieval_move set
    state = 'ACTIVE', asked_at = coalesce(asked_at, now()), status = null, reason = '', remaining = null, completed = 0,
    failed = 0, warned = 0
where job = %(job)s and position = %(position)s and state = 'PENDING'

-- name: progress
update routing.retrieval_move m set
    remaining = coalesce(%(remaining)s, m.remaining), completed = coalesce(%(completed)s, m.completed),
    failed = coalesce(%(failed)s, m.failed), warned = coalesce(%(warned)s, m.warned)
where job = %(job)s and position = %(position)s and state = 'ACTIVE'

-- name: end_move
update routing.retrieval_move set
    state = %(state)s, status = %(status)s, reason = %(reason)s, finished_at = now(),
    remaining = case when %(state)s in ('COMPLETED', 'WARNED') then 0 else remaining end
where job = %(job)s and position = %(position)s and state in ('PENDING', 'ACTIVE', 'CANCELED')

-- name: end_open_moves
update routing.retrieval_move set state = %(state)s, reason = %(reason)s, finished_at = now()
where job = %(job)s and state in ('PENDING', 'ACTIVE')

-- name: moves
select state, reason from routing.retrieval_move where job = %(job)s order by position

-- name: end_job
-- What a person cancelled stays so.
update routing.job set state = %(state)s, reason = %(reason)s, finished_at = now()
where id = %(job)s and state <> 'CANCELED'

-- name: say
update routing.job set reason = %(reason)s where id = %(job)s and finished_at is null and reason <> %(reason)s

-- name: give_back
-- Another process, or the next start, goes on with it.
update routing.retrieval set lease_holder = null, lease_until = null where job = %(job)s and lease_holder = %(holder)s

-- name: cancel_moves
update routing.retrieval_move set state = 'CANCELED', reason = %(reason)s, finished_at = now()
where job = %(job)s and state = 'PENDING'
returning position

-- name: retry_moves
update routing.retrieval_move set state = 'PENDING', reason = '', finished_at = null
where job = %(job)s and state in ('FAILED', 'CANCELED')
returning position

-- name: reset_takeovers
update routing.retrieval set takeovers = 0 where job = %(job)s
