-- name: select_changed
select c.id, c.study_instance_uid, c.destination, c.server, c.state, c.status, c.reason,
       count(i.*) filter (where i.state = 'COMMITTED') as committed,
       count(i.*) filter (where i.state = 'FAILED') as failed,
       count(i.*) filter (where i.state = 'PENDING') as pending,
       (select a.transaction_uid from commitment.attempt a where a.commitment = c.id
        order by a.started_at desc, a.transaction_uid limit 1) as transaction_uid
from commitment.commitment c
left join commitment.item i on i.commitment = c.id
where c.id = any(%(commitments)s::uuid[])
group by c.id
order by c.id

-- name: wake_waiting
-- Requests of peers that wait for these commitments are looked at at once.
update commitment.inbound set next_attempt_at = now()
where state = 'CHECKING' and next_attempt_at > now()
  and (received_at, id) in (
      select waiting.received_at, waiting.inbound
      from commitment.item i
      join commitment.inbound_item waiting
        on waiting.sop_instance_uid = i.sop_instance_uid and waiting.state = 'PENDING'
      where i.commitment = any(%(commitments)s::uuid[]))
