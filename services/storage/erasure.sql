-- name: select_items
select sop_instance_uid, revision from config.erasure_item_view where erasure = %(erasure)s::uuid

-- name: delete_facts
-- What was deleted before has facts too, until full sweeps have found its objects absent.
delete from storage.fact f
using config.erasure_item_view t
join storage.receipt r on r.sop_instance_uid = t.sop_instance_uid and r.revision = t.revision
where t.erasure = %(erasure)s::uuid and r.object_state in ('DELETING', 'DELETED')
  and f.received_at = r.received_at and f.object_key = r.object_key
