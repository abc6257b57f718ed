-- name: list_commitments
select id, study_instance_uid as study, destination, server, state, total, committed, failed, pending, deadline,
       created_at, finished_at, reason
from commitment.commitment_view
where (%(state)s::text is null or state = %(state)s)
  and (%(station)s::text is null or %(station)s in (destination, server))
  and (%(study)s::text is null or study_instance_uid = %(study)s)
  and (%(after_at)s::timestamptz is null or (created_at, id) < (%(after_at)s, %(after_key)s))
order by created_at desc, id desc limit %(limit)s

-- name: get_commitment
select id, study_instance_uid as study, destination, server, state, total, committed, failed, pending, deadline,
       created_at, finished_at, reason, status, repeats, requested_by, accepted_at, closed_at,
       (select r.id from commitment.commitment_view r where r.study_instance_uid = c.study_instance_uid
        and r.repeats = c.id order by r.created_at desc limit 1) as repeated_by,
       case when state in ('QUEUED', 'UNANSWERED') and next_attempt_at < 'infinity' then next_attempt_at end
           as next_attempt_at
from commitment.commitment_view c where id = %(id)s

-- name: attempts_of_commitment
select transaction_uid as transaction, started_at as at, finished_at, outcome, status, reason, association, milliseconds
from commitment.attempt_view where commitment = %(id)s order by started_at, transaction_uid

-- name: items_of_commitment
select sop_instance_uid as instance, revision, sop_class_uid as sop_class, state, failure_reason, reported_at, job
from commitment.item_view where commitment = %(id)s order by sop_instance_uid, revision, received_at, delivery
limit %(limit)s

-- name: reports_of_commitment
-- Those that were matched to it, and those that name one of its transactions and were not believed.
select received_at, calling_aet as "from", transaction_uid as transaction, event_type, committed, failed, verdict,
       remark, object_key as object
from commitment.report_view
where commitment = %(id)s
   or transaction_uid = any(array(select a.transaction_uid from commitment.attempt_view a where a.commitment = %(id)s))
order by received_at, object_key

-- name: history_of_commitment
select h.at, h.sop_instance_uid as instance, h.revision, h.server, h.transaction_uid as transaction
from commitment.item_view i
join commitment.archive_history_view h on h.sop_instance_uid = i.sop_instance_uid and h.commitment = i.commitment
where i.commitment = %(id)s order by h.at, h.id limit %(limit)s

-- name: ever_reported
-- Whether any report ever came from a station, under its own title or under one that its reports come from. Where none
-- did, all reports are read.
select exists (
    select from commitment.report_view r
    where r.calling_aet = %(server)s
       or r.calling_aet = any(array(select unnest(s.report_titles) from config.station_view s
                                    where s.title = %(server)s))
) as reported

-- name: list_received
select id, calling_aet as "from", transaction_uid as transaction, state, total, committed, failed, received_at,
       reported_at, reason
from commitment.inbound_view
where (%(state)s::text is null or state = %(state)s)
  and (%(station)s::text is null or calling_aet = %(station)s)
  and (%(study)s::text is null or id = any(array(
       select i.inbound from storage.identity_view s
       join commitment.inbound_item_view i on i.sop_instance_uid = s.sop_instance_uid
       where s.study_instance_uid = %(study)s)))
  and (%(after_at)s::timestamptz is null or (received_at, id) < (%(after_at)s, %(after_key)s))
order by received_at desc, id desc limit %(limit)s

-- name: get_received
select id, calling_aet as "from", transaction_uid as transaction, state, total, committed, failed, received_at,
       reported_at, reason, called_aet as called, peer_address, association, duplicate, decided_at, attempts, status,
       case when state in ('CHECKING', 'READY') then next_attempt_at end as next_attempt_at,
       case when give_up_at < 'infinity' then give_up_at end as give_up_at
from commitment.inbound_view where id = %(id)s

-- name: items_of_received
select i.sop_instance_uid as instance, i.revision, i.sop_class_uid as sop_class, i.state, i.failure_reason
from commitment.inbound_item_view i
where i.received_at = %(received_at)s and i.inbound = %(id)s order by i.position limit %(limit)s
