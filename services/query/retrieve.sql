-- C-MOVE and C-GET: the sub-operations are rows first, then sent in the order of their positions. Always planned for
-- the values at hand (prepare=False): which keys are given decides the way.

-- name: select_destination
-- Destination and requester in one look. No row of the requester: it was removed since it connected.
select d.title, d.host, d.port, d.enabled, d.associations, d.store_seconds, d.reduce_level_1, d.tls, d.certificates,
       coalesce(r.move_destinations, '{}') as allowed
from (select %(requester)s::text as requester, %(destination)s::text as destination) as asked
left join config.station_view d on d.title = asked.destination
left join config.station_view r on r.title = asked.requester

-- name: insert_retrieval
insert into query.retrieval (id, operation, requester, peer_address, association, message_id, level, destination,
                             status, reason, finished_at)
values (%(id)s, %(operation)s, %(requester)s, %(peer_address)s, %(association)s, %(message_id)s, %(level)s,
        %(destination)s, %(status)s, %(reason)s, case when %(status)s::int is not null then now() end)
returning started_at

-- name: insert_suboperations
-- The latest revision of what is stored; without the classes that are not retrieved.
insert into query.suboperation (started_at, retrieval, position, sop_instance_uid, revision, study_instance_uid,
                                sop_class_uid, transfer_syntax_uid)
select %(started_at)s, %(id)s,
       row_number() over (order by i.study_instance_uid, i.series_instance_uid, i.sop_class_uid,
                          length(i.instance_number), i.instance_number, i.sop_instance_uid),
       i.sop_instance_uid, i.revision, i.study_instance_uid, i.sop_class_uid, i.transfer_syntax_uid
from index.instance_view i
where i.latest and i.sop_class_uid <> all(%(unmovable)s::text[])
  and (%(image)s::text[] is null or i.sop_instance_uid = any(%(image)s::text[]))
  and (%(series)s::text[] is null or i.series_instance_uid = any(%(series)s::text[]))
  and (%(study)s::text[] is null or i.study_instance_uid = any(%(study)s::text[]))
  and (%(patient)s::text[] is null or i.study_instance_uid in
       (select s.study_instance_uid from index.study_view s where s.patient_id = any(%(patient)s::text[])))

-- name: update_total
update query.retrieval r set total = o.total
from (select count(*) as total from query.suboperation where started_at = %(started_at)s and retrieval = %(id)s) as o
where r.started_at = %(started_at)s and r.id = %(id)s
returning r.total

-- name: select_needed
-- What has to be negotiated, in the order in which it is needed.
select sop_class_uid, transfer_syntax_uid from query.suboperation
where started_at = %(started_at)s and retrieval = %(id)s
group by sop_class_uid, transfer_syntax_uid order by min(position)

-- name: next_suboperations
-- Where the object is, storage knows: it may have moved to a duplicate's, or be gone.
select o.position, o.sop_instance_uid, o.sop_class_uid, o.transfer_syntax_uid, i.object_key, i.data_set_offset, i.size,
       i.sha256, coalesce(i.state, 'DELETED') as state
from query.suboperation o
left join storage.identity_view i on i.sop_instance_uid = o.sop_instance_uid and i.revision = o.revision
where o.started_at = %(started_at)s and o.retrieval = %(id)s and o.position > %(after)s
order by o.position limit %(most)s

-- name: record_suboperations
update query.suboperation o set
    result = r.result, status = r.status, reason = r.reason, sent_in = r.sent_in, finished_at = now()
from unnest(%(position)s::int[], %(result)s::text[], %(status)s::int[], %(reason)s::text[], %(sent_in)s::text[])
         as r(position, result, status, reason, sent_in)
where o.started_at = %(started_at)s and o.retrieval = %(id)s and o.position = r.position

-- name: fail_rest
-- What is not tried any more, the first ones named.
with failed as (
    update query.suboperation set result = 'FAILED', reason = %(reason)s, finished_at = now()
    where started_at = %(started_at)s and retrieval = %(id)s and position > %(after)s
    returning position, sop_instance_uid
)
select sop_instance_uid from failed order by position limit %(most)s

-- name: renew_retrieval
update query.retrieval set completed = %(completed)s, failed = %(failed)s, warned = %(warned)s, renewed_at = now()
where started_at = %(started_at)s and id = %(id)s

-- name: finish_retrieval
update query.retrieval set completed = %(completed)s, failed = %(failed)s, warned = %(warned)s, status = %(status)s,
    reason = %(reason)s, finished_at = now()
where started_at = %(started_at)s and id = %(id)s

-- name: end_abandoned
-- Retrievals of processes that ended in the middle: whoever ran them writes at least that often.
update query.retrieval set finished_at = now(), reason = 'the process that served it ended'
where finished_at is null and renewed_at < now() - make_interval(secs => %(seconds)s)
