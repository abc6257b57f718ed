-- name: commitments_asked
-- All that was asked of others for these studies.
select c.id, c.server, c.destination, c.state, c.created_at, c.deadline, c.finished_at, c.reason, c.repeats,
       c.requested_by,
       case when c.state in ('QUEUED', 'UNANSWERED') and c.next_attempt_at < 'infinity' then c.next_attempt_at end
           as next_attempt_at
from commitment.commitment_view c
where c.study_instance_uid = any(%(studies)s)
order by c.created_at, c.id

-- name: items_asked
select i.commitment as id, i.sop_instance_uid as instance, i.state, i.failure_reason, i.reported_at as decided_at
from commitment.item_view i
where i.commitment = any(%(ids)s) and i.sop_instance_uid = any(%(instances)s)
order by i.sop_instance_uid, i.revision

-- name: attempts_asked
select a.commitment as id, a.started_at, a.outcome, a.status, a.reason
from commitment.attempt_view a
where a.commitment = any(%(ids)s)
order by a.started_at, a.transaction_uid

-- name: reports_asked
-- Also those that name one of its transactions and were not believed.
select a.commitment as id, r.received_at, r.calling_aet as "from", r.committed, r.failed, r.verdict, r.remark
from commitment.attempt_view a
join commitment.report_view r on r.transaction_uid = a.transaction_uid
where a.commitment = any(%(ids)s)
order by r.received_at, r.object_key

-- name: items_received
-- What peers asked us to commit of these instances. Where not all is decided yet, what is was so no earlier than asked.
select i.received_at, i.inbound as id, i.sop_instance_uid as instance, i.state, i.failure_reason,
       coalesce(b.decided_at, b.received_at) as decided_at
from commitment.inbound_item_view i
join commitment.inbound_view b on b.received_at = i.received_at and b.id = i.inbound
where i.sop_instance_uid = any(%(instances)s)
order by i.received_at, i.inbound, i.position

-- name: commitments_received
select b.id, b.calling_aet as "from", b.state, b.duplicate, b.received_at, b.reported_at, b.status, b.reason,
       case when b.give_up_at < 'infinity' then b.give_up_at end as give_up_at
from commitment.inbound_view b
where b.id = any(%(ids)s)
order by b.received_at, b.id
