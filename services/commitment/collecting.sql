-- name: begin_reconcile
-- The window to look through: from what was reconciled before, less an overlap for transactions that committed late.
select greatest(through - make_interval(secs => %(overlap)s), '2000-01-01 00:00+00') as lower,
       now() - make_interval(secs => %(age)s) as upper
from commitment.reconciled

-- name: advance_reconciled
update commitment.reconciled set through = greatest(through, %(through)s)

-- name: select_named
-- Deliveries that messages name, as far as they are to be committed and have no item.
select d.received_at, d.id, d.job, d.destination, d.commit_on as server, d.study_instance_uid, d.sop_instance_uid,
       d.sent_sop_instance_uid as named_uid, d.revision, d.sop_class_uid, d.finished_at
from unnest(%(job)s::uuid[], %(delivery)s::bigint[]) as named(job, delivery)
join routing.delivery_view d on d.job = named.job and d.id = named.delivery
where d.commit_on is not null and d.state in ('DELIVERED', 'WARNED')
  and not exists (select from commitment.item i
                  where i.received_at = d.received_at and i.delivery = d.id and i.round = 0)

-- name: select_missed
-- The same of a window of time, in the order of their ends.
select d.received_at, d.id, d.job, d.destination, d.commit_on as server, d.study_instance_uid, d.sop_instance_uid,
       d.sent_sop_instance_uid as named_uid, d.revision, d.sop_class_uid, d.finished_at
from routing.delivery_view d
where d.commit_on is not null and d.finished_at >= %(lower)s and d.finished_at <= %(upper)s
  and (d.finished_at, d.id) > (%(after_finished_at)s::timestamptz, %(after_id)s::bigint)
  and d.state in ('DELIVERED', 'WARNED')
  and not exists (select from commitment.item i
                  where i.received_at = d.received_at and i.delivery = d.id and i.round = 0)
order by d.finished_at, d.id
limit %(most)s

-- name: collect
-- The collecting commitment of each destination, server and study, made or extended. One that was released no longer
-- conflicts: what is delivered later makes another.
insert into commitment.commitment as c (id, destination, server, study_instance_uid, last_delivered_at)
select * from unnest(%(id)s::uuid[], %(destination)s::text[], %(server)s::text[], %(study)s::text[],
                     %(last_delivered_at)s::timestamptz[])
on conflict (destination, server, study_instance_uid) where state = 'COLLECTING'
do update set last_delivered_at = greatest(c.last_delivered_at, excluded.last_delivered_at)
returning id, destination, server, study_instance_uid

-- name: insert_items
insert into commitment.item (received_at, delivery, commitment, job, sop_instance_uid, named_uid, revision,
                             sop_class_uid, study_instance_uid)
select * from unnest(%(received_at)s::timestamptz[], %(delivery)s::bigint[], %(commitment)s::uuid[], %(job)s::uuid[],
                     %(sop_instance_uid)s::text[], %(named_uid)s::text[], %(revision)s::int[],
                     %(sop_class_uid)s::text[], %(study)s::text[])
on conflict (received_at, delivery, round) do nothing
returning delivery

-- name: remove_empty
-- Another replica was faster with all that this one would have collected, and released it already.
delete from commitment.commitment c
where c.id = any(%(commitments)s::uuid[]) and c.state = 'COLLECTING'
  and not exists (select from commitment.item i where i.commitment = c.id)

-- name: select_releasable
-- Quiet for as long as their server wants, no job under way that may deliver more of the study, and nothing delivered
-- that is not collected yet: after an outage that takes a while.
select c.id, c.server
from commitment.commitment c
left join unnest(%(servers)s::text[], %(quiet)s::double precision[]) as s(server, quiet) on s.server = c.server
where c.state = 'COLLECTING'
  and c.last_delivered_at + make_interval(secs => coalesce(s.quiet, %(default_quiet)s)) <= now()
  and not exists (select from commitment.item i join routing.job_view j on j.id = i.job
                  where i.commitment = c.id and j.finished_at is null)
  and not exists (
      select from (select distinct job from commitment.item where commitment = c.id) as j
      join routing.delivery_view d on d.job = j.job
      where d.commit_on = c.server and d.study_instance_uid = c.study_instance_uid
        and d.state in ('DELIVERED', 'WARNED')
        and not exists (select from commitment.item i
                        where i.received_at = d.received_at and i.delivery = d.id and i.round = 0))
order by c.last_delivered_at
limit %(most)s
for update of c skip locked

-- name: release
update commitment.commitment set state = 'QUEUED', next_attempt_at = now(), waiting_since = now()
where id = any(%(commitments)s::uuid[]) and state = 'COLLECTING'

-- name: count_instances
select commitment, count(distinct coalesce(named_uid, sop_instance_uid)) as instances
from commitment.item where commitment = any(%(commitments)s::uuid[]) group by commitment

-- name: insert_parts
-- QUEUED from the beginning: only one commitment of a study may be COLLECTING.
insert into commitment.commitment (id, study_instance_uid, destination, server, state, next_attempt_at, created_at,
                                   last_delivered_at)
select part, c.study_instance_uid, c.destination, c.server, 'QUEUED', now(), c.created_at, c.last_delivered_at
from unnest(%(parts)s::uuid[]) as part, commitment.commitment c
where c.id = %(commitment)s

-- name: move_items
-- What was delivered twice stays together: a request names an instance once.
update commitment.item i set commitment = (%(parts)s::uuid[])[n.part]
from (select received_at, delivery, round, (dense_rank() over (order by coalesce(named_uid, sop_instance_uid)) - 1) / %(size)s as part
      from commitment.item where commitment = %(commitment)s) as n
where i.received_at = n.received_at and i.delivery = n.delivery and i.round = n.round and n.part >= 1

-- name: notify
select pg_notify('commitment_work', '')
