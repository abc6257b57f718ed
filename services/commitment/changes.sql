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
-- Requests of peers that wait for these commitments are looked at at once; one that is looked at just now is looked at
-- again, because what changes here is not to be seen yet. Few requests are open: their instances are searched, not all.
with checking as materialized (
    select received_at, id from commitment.inbound where state = 'CHECKING'
), waiting as (
    select b.received_at, b.id
    from commitment.inbound b
    where b.state = 'CHECKING' and (b.received_at, b.id) in (
        select c.received_at, c.id
        from checking c
        join commitment.inbound_item w on w.received_at = c.received_at and w.inbound = c.id and w.state = 'PENDING'
        where w.sop_instance_uid in (
            select i.sop_instance_uid from commitment.item i where i.commitment = any(%(commitments)s::uuid[])))
    order by b.received_at, b.id
    for update
), woken as (
    update commitment.inbound b set next_attempt_at = now()
    from waiting where b.received_at = waiting.received_at and b.id = waiting.id
    returning b.id
)
select pg_notify('commitment_checking', '') where exists (select from woken)
