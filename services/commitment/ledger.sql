-- name: lock_server
-- Claims for one server follow one another, whichever replica they come from.
select pg_advisory_xact_lock(hashtextextended('commitment.server:' || %(server)s, 0))

-- name: due_servers
select server
from commitment.commitment
where state in ('QUEUED', 'UNANSWERED') and next_attempt_at <= now() and server = any(%(servers)s::text[])
group by server
order by min(next_attempt_at)

-- name: claim
-- The next commitment of a server. While requests to it fail one at a time is tried, and no other one as long as that
-- may still connect: a dead archive costs one connection a back-off, whatever the number of replicas.
with due as (
    select c.id, c.state as state_before
    from commitment.commitment c
    where c.server = %(server)s and c.state in ('QUEUED', 'UNANSWERED') and c.next_attempt_at <= now()
      and exists (select from commitment.item i where i.commitment = c.id and i.state = 'PENDING')
      and not (
          exists (select from commitment.commitment f
                  where f.server = %(server)s and f.state = 'QUEUED' and f.attempts > 0)
          and exists (select from commitment.commitment a join commitment.attempt t on t.commitment = a.id
                      where a.server = %(server)s and a.state = 'ASKING' and t.finished_at is null
                        and t.started_at > now() - make_interval(secs => %(connecting)s)))
    order by c.next_attempt_at, c.attempts desc, c.created_at
    limit 1
    for update skip locked
)
update commitment.commitment c set
    state = 'ASKING', attempts = c.attempts + 1,
    lease_holder = %(holder)s, lease_until = now() + make_interval(secs => %(lease)s),
    deadline = now() + make_interval(secs => %(limit)s)
from due where c.id = due.id
returning c.id, c.study_instance_uid, c.destination, c.server, c.attempts, due.state_before

-- name: insert_attempt
insert into commitment.attempt (transaction_uid, commitment) values (%(transaction_uid)s, %(commitment)s)

-- name: select_references
-- What is still to be committed, each instance once (R74, R134), by the name under which it was sent.
select distinct on (uid) i.sop_class_uid, uid as sop_instance_uid
from commitment.item i cross join coalesce(i.named_uid, i.sop_instance_uid) as uid
where i.commitment = %(commitment)s and i.state = 'PENDING'
order by uid, i.revision desc

-- name: select_sent
-- The receipts and deliveries behind what is asked, for traces.
select d.object_key, i.delivery
from commitment.item i
join routing.delivery_view d on d.received_at = i.received_at and d.id = i.delivery
where i.commitment = %(commitment)s and i.state = 'PENDING'

-- name: renew
update commitment.commitment set lease_until = now() + make_interval(secs => %(lease)s)
where id = %(commitment)s and state = 'ASKING' and lease_holder = %(holder)s
returning id

-- name: holds
select state = 'ASKING' and lease_holder = %(holder)s as holds from commitment.commitment where id = %(commitment)s

-- name: finish_attempt
update commitment.attempt set
    finished_at = now(), outcome = %(outcome)s, association = %(association)s, status = %(status)s,
    reason = %(detail)s, milliseconds = %(milliseconds)s
where transaction_uid = %(transaction_uid)s

-- name: accept
-- R80: the limit counts from here, by this clock.
update commitment.commitment set
    state = 'WAITING FOR COMMITMENT', status = 0, reason = '', lease_until = null,
    accepted_at = now(), deadline = now() + make_interval(secs => %(limit)s)
where id = %(commitment)s and state = 'ASKING' and lease_holder = %(holder)s
returning id

-- name: refuse
-- A report for an earlier request whose answer was lost may still come until the deadline.
update commitment.commitment set
    state = 'FAILURE', status = %(status)s, reason = %(reason)s, lease_until = null, finished_at = now(),
    closed_at = case when unanswered = 0 then now() end
where id = %(commitment)s and state = 'ASKING' and lease_holder = %(holder)s
returning id

-- name: miss
-- Nothing was sent, so no deadline runs, but for an earlier request whose answer was lost.
update commitment.commitment set
    state = 'QUEUED', reason = %(reason)s, lease_until = null,
    next_attempt_at = now() + make_interval(secs => %(delay)s),
    deadline = (select max(t.started_at) + make_interval(secs => %(limit)s) from commitment.attempt t
                where t.commitment = %(commitment)s and t.outcome = 'UNANSWERED')
where id = %(commitment)s and state = 'ASKING' and lease_holder = %(holder)s
returning id

-- name: lose_answer
update commitment.commitment set
    state = 'UNANSWERED', reason = %(reason)s, lease_until = null, unanswered = unanswered + 1, waiting_since = now(),
    next_attempt_at = case when unanswered + 1 >= %(most)s then 'infinity'
                           else now() + make_interval(secs => %(answer)s) end
where id = %(commitment)s and state = 'ASKING' and lease_holder = %(holder)s
returning id

-- name: postpone_server
-- What waits for the same server waits with the one that did not reach it.
update commitment.commitment set
    next_attempt_at = now() + make_interval(secs => %(delay)s),
    reason = case when state = 'QUEUED' then %(reason)s else reason end
where id in (
    select id from commitment.commitment
    where server = %(server)s and state in ('QUEUED', 'UNANSWERED')
      and next_attempt_at < now() + make_interval(secs => %(delay)s)
    for update skip locked)

-- name: resume_server
-- It answered: what was postponed because it did not is due again, but for what failed by itself.
update commitment.commitment set next_attempt_at = now()
where id in (
    select id from commitment.commitment
    where server = %(server)s and state = 'QUEUED' and attempts = 0 and reason <> '' and next_attempt_at > now()
    for update skip locked)

-- name: expire_leases
-- The worker died or could not renew: nobody knows whether its request arrived.
with expired as (
    update commitment.commitment set
        state = 'UNANSWERED', reason = %(reason)s, lease_until = null, unanswered = unanswered + 1,
        waiting_since = now(),
        next_attempt_at = case when unanswered + 1 >= %(most)s then 'infinity'
                               else now() + make_interval(secs => %(answer)s) end
    where id in (
        select id from commitment.commitment
        where state = 'ASKING' and runtime.lease_expired(lease_until, make_interval(secs => %(lease)s))
        for update skip locked)
    returning id
), attempts as (
    update commitment.attempt a set finished_at = now(), outcome = 'UNANSWERED', reason = %(reason)s
    from expired where a.commitment = expired.id and a.finished_at is null
)
select id from expired

-- name: expire_deadlines
-- R80. The words are those of what the limit counted from.
update commitment.commitment c set
    state = 'FAILURE', finished_at = now(), closed_at = now(), lease_until = null,
    reason = 'no report within ' || make_interval(secs => extract(epoch from c.deadline - w.since)) ||
             case when c.accepted_at is null then ' of the request, whose answer was lost'
                  else ' of the acceptance of the request' end ||
             '; ask again with ''gateway commitments retry ' || c.id || ''''
from (
    select d.id, coalesce(d.accepted_at, (select max(started_at) from commitment.attempt
                                          where commitment = d.id and outcome <> 'UNREACHED'),
                          d.created_at) as since
    from commitment.commitment d
    where d.closed_at is null and d.deadline <= now()
      and d.state in ('QUEUED', 'ASKING', 'UNANSWERED', 'WAITING FOR COMMITMENT')
    limit %(most)s
    for update of d skip locked
) w
where c.id = w.id
returning c.id

-- name: close_failures
-- Instances that no report named stay open after a FAILURE until the deadline.
update commitment.commitment set closed_at = now()
where id in (
    select id from commitment.commitment
    where closed_at is null and deadline <= now() and state = 'FAILURE'
    limit %(most)s
    for update skip locked)
returning id, server, study_instance_uid

-- name: give_up
-- Not reached for as long as its server is tried. A report for an earlier request may still come until the deadline.
update commitment.commitment c set
    state = 'FAILURE', finished_at = now(), closed_at = case when c.unanswered = 0 then now() end,
    reason = left('given up after ' || w.hours || case w.hours when 1 then ' hour: ' else ' hours: ' end || coalesce(nullif(c.reason, ''), 'it was never tried'), 500)
from (
    select q.id, coalesce(s.hours, %(default_hours)s) as hours
    from commitment.commitment q
    left join unnest(%(servers)s::text[], %(hours)s::int[]) as s(server, hours) on s.server = q.server
    where q.state = 'QUEUED' and q.waiting_since <= now() - make_interval(hours => coalesce(s.hours, %(default_hours)s))
    limit %(most)s
    for update of q skip locked
) w
where c.id = w.id
returning c.id

-- name: queued_servers
select distinct server from commitment.commitment where state = 'QUEUED'

-- name: give_up_server
update commitment.commitment set
    state = 'FAILURE', finished_at = now(), closed_at = case when unanswered = 0 then now() end, reason = %(reason)s
where id in (
    select id from commitment.commitment where server = %(server)s and state = 'QUEUED'
    limit %(most)s
    for update skip locked)
returning id

-- name: pending
select server, count(*) as commitments,
       extract(epoch from now() - min(created_at))::double precision as age
from commitment.commitment
where closed_at is null and state in ('COLLECTING', 'QUEUED', 'ASKING', 'UNANSWERED', 'WAITING FOR COMMITMENT')
group by server

-- name: notify
select pg_notify('commitment_work', '')
