-- name: select_live
-- Contents of the erasure that are not hidden yet.
select t.sop_instance_uid, t.revision
from config.erasure_item_view t
join storage.identity i on i.sop_instance_uid = t.sop_instance_uid and i.revision = t.revision
where t.erasure = %(erasure)s::uuid and i.state in ('STORED', 'DAMAGED')
order by t.sop_instance_uid, t.revision limit %(most)s

-- name: delete_facts
-- What was deleted before has facts too, until full sweeps have found its objects absent.
with hidden as (
    select f.received_at, f.object_key
    from config.erasure_item_view t
    join storage.receipt r on r.sop_instance_uid = t.sop_instance_uid and r.revision = t.revision
    join storage.fact f on f.received_at = r.received_at and f.object_key = r.object_key
    where t.erasure = %(erasure)s::uuid and r.object_state in ('DELETING', 'DELETED')
    limit %(most)s
)
delete from storage.fact f using hidden h where f.received_at = h.received_at and f.object_key = h.object_key

-- name: delete_orphaned_facts
-- Of the patient's receipts whose content has another revision since it was deleted and sent again.
delete from storage.fact f
using config.erasure_view e, storage.receipt r
where e.id = %(erasure)s::uuid
  and left(f.facts #>> '{values,00100020,0}', 256) = left(split_part(e.patient_id, '\', 1), 256)
  and f.facts #> '{values,00100020}' = to_jsonb(string_to_array(e.patient_id, '\'))
  and coalesce(f.facts #>> '{values,00100021,0}', '') = e.issuer and f.received_at <= e.asked_at
  and r.received_at = f.received_at and r.object_key = f.object_key and r.object_state = 'DELETED'
  and not exists (select from storage.identity i
                  where i.sop_instance_uid = r.sop_instance_uid and i.revision = r.revision)
