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
