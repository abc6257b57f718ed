-- name: claim
-- One request that is to be looked at, whose worker, if it had one, is gone.
with due as (
    select received_at, id from commitment.inbound
    where state = 'CHECKING' and next_attempt_at <= now()
      and (lease_until is null or runtime.lease_expired(lease_until, make_interval(secs => %(lease)s)))
    order by next_attempt_at
    limit 1
    for update skip locked
)
update commitment.inbound i set lease_holder = %(holder)s, lease_until = now() + make_interval(secs => %(lease)s)
from due where i.received_at = due.received_at and i.id = due.id
returning i.received_at, i.id, i.calling_aet, i.transaction_uid, i.total, i.duplicate, i.next_attempt_at,
          (select recorded_through >= i.recorded_at from storage.watermark_view) as complete,
          now() >= i.recorded_at + make_interval(hours => %(downstream_hours)s) as expired

-- name: renew
update commitment.inbound set lease_until = now() + make_interval(secs => %(lease)s)
where received_at = %(received_at)s and id = %(id)s and state = 'CHECKING' and lease_holder = %(holder)s
returning id

-- name: fail_all
update commitment.inbound_item set state = 'FAILED', failure_reason = %(reason)s
where received_at = %(received_at)s and inbound = %(id)s and state = 'PENDING'

-- name: select_pending
-- With the newest revision that is not deleted.
select i.position, i.sop_class_uid, i.sop_instance_uid, s.revision, s.sop_class_uid as stored_class,
       s.state = 'DAMAGED' as damaged, s.object_key, s.data_set_offset + s.size as object_bytes
from commitment.inbound_item i
left join lateral (
    select * from storage.identity_view v
    where v.sop_instance_uid = i.sop_instance_uid and v.state in ('STORED', 'DAMAGED')
    order by v.revision desc
    limit 1
) s on true
where i.received_at = %(received_at)s and i.inbound = %(id)s and i.state = 'PENDING' and i.position > %(after)s
order by i.position
limit %(most)s

-- name: select_archives
-- For each instance and archive: whether it is archived there, whether anything can still bring it there, and why the
-- archive refused it last. A delivery leads to the station that would be asked about it (R71).
select u.place, exists (
           select from commitment.archived a
           where a.sop_instance_uid = u.uid and a.revision = u.revision and a.server = t.archive) as archived,
       not exists (
           select from routing.evaluation_view e where e.sop_instance_uid = u.uid and e.revision = u.revision)
       or exists (
           select from commitment.item i join commitment.commitment c on c.id = i.commitment
           where i.sop_instance_uid = u.uid and i.revision = u.revision and c.server = t.archive
             and (c.closed_at is null or i.send_again and not exists (
                 select from routing.delivery_view n
                 where n.sop_instance_uid = i.sop_instance_uid and n.destination = c.destination
                   and n.request = md5('send again: ' || i.commitment::text)::uuid)))
       or exists (
           select from routing.delivery_view d left join config.station_view s on s.title = d.destination
           where d.sop_instance_uid = u.uid and d.revision = u.revision and d.commit is distinct from false
             and (d.state in ('PENDING', 'SENDING', 'UNKNOWN')
                  and case when s.commit_server then d.destination else s.commit_on end = t.archive
                  or d.state in ('DELIVERED', 'WARNED') and d.commit_on = t.archive
                  and not exists (select from commitment.item i
                                  where i.received_at = d.received_at and i.delivery = d.id))) as under_way,
       (select i.failure_reason from commitment.item i join commitment.commitment c on c.id = i.commitment
        where i.sop_instance_uid = u.uid and i.revision = u.revision and c.server = t.archive and i.state = 'FAILED'
        order by i.reported_at desc nulls last limit 1) as failure_reason
from unnest(%(uid)s::text[], %(revision)s::int[]) with ordinality as u(uid, revision, place),
     unnest(%(archives)s::text[]) as t(archive)
order by u.place

-- name: record_verdicts
-- What depends on an object counts only if storage still has that very object.
update commitment.inbound_item i set
    state = case when v.failure_reason is null then 'COMMITTED' else 'FAILED' end,
    failure_reason = v.failure_reason, revision = v.revision
from unnest(%(position)s::int[], %(failure_reason)s::int[], %(revision)s::int[], %(object_key)s::text[])
         as v(position, failure_reason, revision, object_key)
where i.received_at = %(received_at)s and i.inbound = %(id)s and i.position = v.position and i.state = 'PENDING'
  and (v.object_key is null or exists (
      select from storage.identity_view s
      where s.sop_instance_uid = i.sop_instance_uid and s.revision = v.revision and s.state = 'STORED'
        and s.object_key = v.object_key))

-- name: end_look
-- Decided once no instance is open: then it is reported, after the time that ingest has for the association of the
-- request. Else it is looked at again after a tenth of its age, or at once if something changed since the look began.
with counted as (
    select count(*) filter (where state = 'COMMITTED') as committed, count(*) filter (where state = 'FAILED') as failed,
           count(*) filter (where state = 'PENDING') as pending
    from commitment.inbound_item where received_at = %(received_at)s and inbound = %(id)s
)
update commitment.inbound i set
    state = case when c.pending = 0 then 'READY' else 'CHECKING' end,
    committed = c.committed,
    failed = c.failed,
    decided_at = case when c.pending = 0 then now() end,
    give_up_at = case when c.pending = 0 then now() + make_interval(hours => %(report_hours)s) else 'infinity' end,
    next_attempt_at = case
        when c.pending = 0 then greatest(now(), i.reports_until + make_interval(secs => %(margin)s))
        when i.next_attempt_at <> %(due_at)s then i.next_attempt_at
        else now() + least(make_interval(secs => %(longest)s),
                           greatest(make_interval(secs => %(shortest)s), (now() - i.recorded_at) / 10)) end,
    lease_holder = null,
    lease_until = null
from counted c
where i.received_at = %(received_at)s and i.id = %(id)s and i.state = 'CHECKING' and i.lease_holder = %(holder)s
returning i.state, i.committed, i.failed

-- name: notify_ready
select pg_notify('commitment_ready', '')
