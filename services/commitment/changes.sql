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
