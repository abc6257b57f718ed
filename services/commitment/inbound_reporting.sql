-- name: claim
-- One report that is due, to a peer that none is under way to in this process.
with due as (
    select received_at, id from commitment.inbound
    where state in ('READY', 'SENDING') and next_attempt_at <= now() and calling_aet <> all(%(busy)s::text[])
      and (state = 'READY' or runtime.lease_expired(lease_until, make_interval(secs => %(lease)s)))
    order by next_attempt_at
    limit 1
    for update skip locked
)
update commitment.inbound i set
    state = 'SENDING', attempts = i.attempts + 1, lease_holder = %(holder)s,
    lease_until = now() + make_interval(secs => %(lease)s)
from due where i.received_at = due.received_at and i.id = due.id
returning i.received_at, i.id, i.calling_aet, i.called_aet, i.transaction_uid, i.attempts, i.association

-- name: select_items
select sop_class_uid, sop_instance_uid, state, failure_reason
from commitment.inbound_item
where received_at = %(received_at)s and inbound = %(id)s
order by position

-- name: renew
update commitment.inbound set lease_until = now() + make_interval(secs => %(lease)s)
where received_at = %(received_at)s and id = %(id)s and state = 'SENDING' and lease_holder = %(holder)s

-- name: record_result
-- Only the holder of the lease writes, and after it ran out only that the peer has the report.
update commitment.inbound set
    state = case when %(status)s::int = 0 then 'REPORTED' when now() >= give_up_at then 'GIVEN UP' else 'READY' end,
    status = %(status)s,
    reason = %(reason)s,
    reported_at = case when %(status)s::int = 0 then now() end,
    next_attempt_at = now() + make_interval(secs => %(delay)s),
    lease_holder = null,
    lease_until = null
where received_at = %(received_at)s and id = %(id)s
  and (state = 'SENDING' and lease_holder = %(holder)s or state in ('READY', 'SENDING') and %(status)s::int = 0)
returning state, attempts, committed, failed

-- name: postpone_others
-- A peer that cannot be reached costs one connection a back-off, however many reports wait for it.
update commitment.inbound set next_attempt_at = greatest(next_attempt_at, now() + make_interval(secs => %(delay)s))
where (received_at, id) in (
    select received_at, id from commitment.inbound
    where calling_aet = %(calling_aet)s and state = 'READY' and next_attempt_at <= now()
    for update skip locked)

-- name: hurry_others
-- The peer answers again: what was tried before goes at once.
update commitment.inbound set next_attempt_at = now()
where (received_at, id) in (
    select received_at, id from commitment.inbound
    where calling_aet = %(calling_aet)s and state = 'READY' and attempts > 0 and next_attempt_at > now()
    for update skip locked)
