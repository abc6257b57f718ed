-- name: select_unknown_reports
select said.object_key
from unnest(%(object_key)s::text[]) as said (object_key)
where not exists (select from commitment.report r where r.object_key = said.object_key);

-- name: lock_commitment
-- The deadline counts before anybody has acted upon it, unless the report was made durable in time: then it counts even
-- where the deadline was acted upon, because the report was not heard of yet.
select c.id, c.server, c.destination, c.state,
       coalesce(c.closed_at is not null and (c.deadline is null or c.closed_at < c.deadline)
                or c.deadline <= least(now(), %(received_at)s), false) as closed
from commitment.attempt a
join commitment.commitment c on c.id = a.commitment
where a.transaction_uid = %(transaction_uid)s
for update of c;

-- name: select_known
-- What was late is heard again where late reports repair: the setting may be younger than the report.
select exists (
    select from commitment.report
    where transaction_uid = %(transaction_uid)s and digest = %(digest)s and object_key <> %(object_key)s
        and (verdict in ('APPLIED', 'REPAIRED') or verdict = 'LATE' and not %(repair_late)s)
) as known;

-- name: select_items
-- By the names that reports use.
select coalesce(named_uid, sop_instance_uid) as sop_instance_uid, sop_class_uid, state
from commitment.item where commitment = %(commitment)s;

-- name: insert_report
insert into commitment.report (received_at, object_key, calling_aet, peer_address, association, transaction_uid,
    event_type, digest, committed, failed, verdict, commitment, remark)
values (%(received_at)s, %(object_key)s, %(calling_aet)s, %(peer_address)s, %(association)s, %(transaction_uid)s,
    %(event_type)s, %(digest)s, %(committed)s, %(failed)s, %(verdict)s, %(commitment)s, %(remark)s)
on conflict do nothing
returning object_key;

-- name: change_items
-- Of several revisions of one instance the station has the newest: that one is flagged.
with change as (
    select * from unnest(%(sop_instance_uid)s::text[], %(state)s::text[], %(failure_reason)s::int[])
        as said (sop_instance_uid, state, failure_reason)
),
changed as (
    update commitment.item i
    set state = change.state, failure_reason = change.failure_reason, reported_at = now(), report = %(object_key)s,
        send_again = false
    from change
    where i.commitment = %(commitment)s and coalesce(i.named_uid, i.sop_instance_uid) = change.sop_instance_uid
      and i.state <> change.state
    returning i.sop_instance_uid, i.revision, i.study_instance_uid, i.state
),
newest as (
    select sop_instance_uid, max(revision) as revision
    from commitment.item where commitment = %(commitment)s group by sop_instance_uid
),
archived as (
    select distinct c.sop_instance_uid, c.revision, c.study_instance_uid
    from changed c join newest n on n.sop_instance_uid = c.sop_instance_uid and n.revision = c.revision
    where c.state = 'COMMITTED'
),
flagged as (
    insert into commitment.archived (sop_instance_uid, revision, server, study_instance_uid, commitment, transaction_uid)
    select sop_instance_uid, revision, %(server)s, study_instance_uid, %(commitment)s, %(transaction_uid)s
    from archived order by sop_instance_uid, revision
    on conflict do nothing
)
insert into commitment.archive_history (sop_instance_uid, revision, study_instance_uid, server, commitment,
    transaction_uid)
select sop_instance_uid, revision, study_instance_uid, %(server)s, %(commitment)s, %(transaction_uid)s
from archived where %(archive_history)s
order by sop_instance_uid, revision;

-- name: select_failures
select failure_reason, count(*) as count from commitment.item
where commitment = %(commitment)s and state = 'FAILED'
group by failure_reason order by count(*) desc, failure_reason;

-- name: update_commitment
update commitment.commitment c
set state = %(state)s,
    reason = case when %(state)s = 'SUCCESS' then '' else coalesce(nullif(%(reason)s, ''), c.reason) end,
    finished_at = case when %(state)s = c.state or %(state)s not in ('SUCCESS', 'FAILURE') then c.finished_at
                       else now() end,
    closed_at = case when exists (
                    select from commitment.item i where i.commitment = c.id and i.state = 'PENDING'
                ) then c.closed_at else coalesce(c.closed_at, now()) end
where c.id = %(commitment)s;

-- name: insert_unreadable
insert into commitment.report (received_at, object_key, calling_aet, peer_address, association, transaction_uid,
    event_type, digest, committed, failed, verdict, remark)
values (%(received_at)s, %(object_key)s, '', '', '', '', 0, '', 0, 0, 'UNREADABLE', %(remark)s)
on conflict do nothing
returning object_key;
