-- name: lock_request
select pg_advisory_xact_lock(hashtextextended('index.request:' || %(request)s::text, 0))

-- name: select_request
-- Not before storage: what it has not hidden yet stays in the index.
select r.id, r.kind, r.body, r.requested_by
from config.request_view r
where r.id = %(request)s and r.kind = any(%(kinds)s::text[])
  and exists (select from storage.request_done_view d where d.request = r.id)
  and not exists (select from index.request_done d where d.request = r.id)

-- name: select_undone
select r.id from config.request_view r
where r.requested_at > now() - interval '7 days' and r.kind = any(%(kinds)s::text[])
  and exists (select from storage.request_done_view d where d.request = r.id)
  and not exists (select from index.request_done d where d.request = r.id)
order by r.requested_at
limit 100

-- name: insert_done
insert into index.request_done (request, result) values (%(request)s, %(result)s)

-- name: select_items
select sop_instance_uid, revision from config.erasure_item_view where erasure = %(erasure)s::uuid

-- name: select_studies
-- What is left of the studies that were concerned, and of the patient: what came later than the erasure was asked for.
select s.study_instance_uid from index.study s
where s.study_instance_uid in (select t.study_instance_uid from config.erasure_item_view t where t.erasure = %(erasure)s::uuid)
   or s.patient in (select p.id from index.patient p
                    join config.erasure_view e on e.patient_id = p.patient_id and e.issuer = p.issuer
                    where e.id = %(erasure)s::uuid)

-- name: take_instances
delete from index.instance where study_instance_uid = any(%(studies)s::text[]) returning received_at, object_key

-- name: delete_series
delete from index.series where study_instance_uid = any(%(studies)s::text[])

-- name: delete_studies
delete from index.study where study_instance_uid = any(%(studies)s::text[]) returning patient
