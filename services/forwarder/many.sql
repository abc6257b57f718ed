-- name: jobs_of
select distinct d.job
from unnest(%(received_at)s::timestamptz[], %(id)s::bigint[]) as k(received_at, id)
join routing.delivery d on d.received_at = k.received_at and d.id = k.id

-- name: lock_chosen
-- Those of the named deliveries that are in one of these states, with their jobs. kept: what is to be sent is stored.
select d.received_at, d.id, d.job, d.destination, d.state,
       exists (select from storage.identity_view i
               where i.sop_instance_uid = d.sop_instance_uid and i.revision = d.revision
                 and i.state in ('STORED', 'DAMAGED')) as kept
from unnest(%(received_at)s::timestamptz[], %(id)s::bigint[]) as k(received_at, id)
join routing.delivery d on d.received_at = k.received_at and d.id = k.id
where d.state = any(%(states)s::text[])
order by d.received_at, d.id
for update of d

-- name: retriable_of_job
select received_at, id from routing.delivery
where job = %(job)s
  and (state in ('FAILED', 'CANCELED', 'UNKNOWN') or (state = 'PENDING' and next_attempt_at < 'infinity'))

-- name: reopen_jobs
update routing.job set state = 'QUEUED', reason = '', finished_at = null where id = any(%(jobs)s::uuid[])

-- name: retry
-- What failed because of a commitment waits for it again. Of what was erased meanwhile nothing waits again.
update routing.delivery d set
    state = case when d.state = 'UNKNOWN' then 'UNKNOWN' else 'PENDING' end,
    next_attempt_at = case when d.awaits is null then now() else 'infinity' end,
    reason = case when d.awaits is null then '' else d.reason end,
    waiting_since = now(), attempts = 0, finished_at = null, hold = null, shut = null, held_since = null,
    withdrawn = null
from unnest(%(received_at)s::timestamptz[], %(id)s::bigint[]) as k(received_at, id)
where d.received_at = k.received_at and d.id = k.id
  and exists (select from storage.identity_view i
              where i.sop_instance_uid = d.sop_instance_uid and i.revision = d.revision
                and i.state in ('STORED', 'DAMAGED'))

-- name: probe_now
update routing.destination set retry_at = now()
where title = any(%(titles)s::text[]) and circuit <> 'CLOSED' and retry_at > now()

-- name: keep_sending
-- What is being sent and was cancelled a moment ago goes on, or waits again.
update routing.delivery set withdrawn = null where job = %(job)s and state = 'SENDING' and withdrawn is not null

-- name: cancel
-- Of what is being sent nobody knows yet whether it arrives: its worker ends it.
update routing.delivery d set
    withdrawn = %(reason)s,
    state = case when d.state = 'SENDING' then d.state else 'CANCELED' end,
    finished_at = case when d.state <> 'SENDING' then now() end,
    reason = case when d.state = 'SENDING' then d.reason else %(reason)s end
from unnest(%(received_at)s::timestamptz[], %(id)s::bigint[]) as k(received_at, id)
where d.received_at = k.received_at and d.id = k.id

-- name: cancel_jobs
-- Those of which nothing is left to be sent but what is told to end.
update routing.job j set state = 'CANCELED', reason = %(reason)s, finished_at = now()
where j.id = any(%(jobs)s::uuid[]) and j.state in ('QUEUED', 'ACTIVE')
  and not exists (select from routing.delivery d
                  where d.job = j.id
                    and (d.state in ('PENDING', 'UNKNOWN') or d.state = 'SENDING' and d.withdrawn is null))

-- name: close_canceled_jobs
-- Nothing more is collected into a job of which all is cancelled.
update routing.job set released_at = coalesce(released_at, now())
where id = any(%(jobs)s::uuid[]) and state = 'CANCELED'

-- name: insert_rerouted_jobs
insert into routing.job (id, kind, destination, study_instance_uid, group_uid, level, priority, request,
                         last_received_at, released_at)
select gen_random_uuid(), 'send', %(to)s, s.study, s.study, 'instance', %(priority)s, %(request)s, now(), now()
from (select distinct d.study_instance_uid as study
      from unnest(%(received_at)s::timestamptz[], %(id)s::bigint[]) as k(received_at, id)
      join routing.delivery d on d.received_at = k.received_at and d.id = k.id) as s

-- name: insert_rerouted
-- The same instances to another station, each once, changed as they would have been: never the original in their place.
insert into routing.delivery (received_at, sop_instance_uid, revision, destination, request, job, study_instance_uid,
                              object_key, data_set_offset, size, sha256, sop_class_uid, transfer_syntax_uid, priority,
                              state, reason, finished_at, transformation, sent_sop_instance_uid, source, back)
select distinct on (d.received_at, d.sop_instance_uid, d.revision)
       d.received_at, d.sop_instance_uid, d.revision, %(to)s, %(request)s, j.id, d.study_instance_uid, d.object_key,
       d.data_set_offset, d.size, d.sha256, d.sop_class_uid, d.transfer_syntax_uid, %(priority)s::int,
       case when c.unsendable then 'FAILED' else 'PENDING' end,
       case when c.unsendable then %(unsendable_reason)s::text else '' end,
       case when c.unsendable then now() end, d.transformation, d.sent_sop_instance_uid, d.source, d.back
from unnest(%(received_at)s::timestamptz[], %(id)s::bigint[]) as k(received_at, id)
join routing.delivery d on d.received_at = k.received_at and d.id = k.id
join routing.job j on j.request = %(request)s and j.study_instance_uid = d.study_instance_uid
cross join lateral (select d.sop_class_uid = any(%(unsendable)s::text[]) as unsendable) as c
on conflict (received_at, sop_instance_uid, revision, destination, request) do nothing
returning job
