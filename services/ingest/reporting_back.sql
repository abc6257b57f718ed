-- name: select_inbound
select id, received_at, transaction_uid, state, reports_until, now() < reports_until as in_time
from commitment.inbound_view where received_at = %(received_at)s and object_key = %(object_key)s

-- name: select_items
select sop_class_uid, sop_instance_uid, state, failure_reason
from commitment.inbound_item_view
where received_at = %(received_at)s and inbound = %(id)s
order by position
