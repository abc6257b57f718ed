-- name: lock_request
select pg_advisory_xact_lock(hashtextextended('routing.request:' || %(request)s::text, 0))

-- name: select_request
select r.id, r.kind, r.body, r.requested_by
from config.request_view r
where r.id = %(request)s and r.kind = any(%(kinds)s::text[])
  and not exists (select from routing.request_done d where d.request = r.id)

-- name: select_undone
select r.id from config.request_view r
where r.requested_at > now() - interval '7 days' and r.kind = any(%(kinds)s::text[])
  and not exists (select from routing.request_done d where d.request = r.id)
order by r.requested_at
limit 100

-- name: insert_done
insert into routing.request_done (request, result) values (%(request)s, %(result)s)

-- name: select_instances
-- The latest stored revision of every instance of the given studies, series and instances.
with wanted as (
    select i.sop_instance_uid from storage.identity_view i where i.study_instance_uid = any(%(uids)s::text[])
    union
    select i.sop_instance_uid from storage.identity_view i where i.sop_instance_uid = any(%(uids)s::text[])
    union
    select i.sop_instance_uid
    from index.series_view s
    join storage.identity_view i on i.study_instance_uid = s.study_instance_uid
                                and i.series_instance_uid = s.series_instance_uid
    where s.series_instance_uid = any(%(uids)s::text[])
)
select distinct on (i.sop_instance_uid)
       i.received_at, i.object_key, i.sop_instance_uid, i.revision, i.study_instance_uid, i.series_instance_uid,
       i.sop_class_uid, i.transfer_syntax_uid, i.data_set_offset, i.size, i.sha256
from wanted w join storage.identity_view i using (sop_instance_uid)
where i.state = 'STORED'
order by i.sop_instance_uid, i.revision desc

-- name: select_sent_as
-- What was changed of each instance when it went there last.
select distinct on (d.sop_instance_uid) d.sop_instance_uid, d.transformation, d.sent_sop_instance_uid
from routing.delivery d
where d.sop_instance_uid = any(%(uids)s::text[]) and d.destination = %(destination)s
  and d.state in ('DELIVERED', 'WARNED')
order by d.sop_instance_uid, d.finished_at desc

-- name: insert_request_job
insert into routing.job (id, kind, destination, study_instance_uid, group_uid, rule, level, priority, request,
                         last_received_at, released_at, skip_present)
values (%(job)s, 'send', %(destination)s, %(study)s, %(study)s, %(why)s, 'instance', %(priority)s, %(request)s, now(),
        now(), %(skip_present)s)

-- name: select_job
-- source: where a retrieve job fetches from.
select j.id, j.kind, j.state, j.destination, j.released_at, j.completed_by,
       (select r.source from routing.retrieval r where r.job = j.id) as source
from routing.job j where j.id = %(job)s for update

-- name: reopen_job
-- Of a retrieve job; while its worker is at it, it goes on with what is asked once more.
update routing.job j set
    state = case when j.state = 'ACTIVE' or exists (select from routing.retrieval_move m
                                                    where m.job = j.id and m.state = 'ACTIVE')
                 then 'ACTIVE' else 'QUEUED' end,
    reason = '', finished_at = null
where j.id = %(job)s

-- name: cancel_deliveries
-- As many.sql does it.
update routing.delivery d set
    withdrawn = %(reason)s,
    state = case when d.state = 'SENDING' then d.state else 'CANCELED' end,
    finished_at = case when d.state <> 'SENDING' then now() end,
    reason = case when d.state = 'SENDING' then d.reason else %(reason)s end
where d.job = %(job)s and d.state in ('PENDING', 'UNKNOWN', 'SENDING')
returning d.id

-- name: cancel_job
update routing.job set
    state = 'CANCELED', reason = %(reason)s, finished_at = now(), released_at = coalesce(released_at, now())
where id = %(job)s
