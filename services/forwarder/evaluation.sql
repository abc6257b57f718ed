-- name: select_receipts
-- The receipts of a batch that have no evaluation yet, with their facts.
select r.received_at, r.object_key, r.sop_instance_uid, r.revision, r.disposition, r.sha256, r.size,
       r.sop_class_uid, r.study_instance_uid, r.series_instance_uid, r.transfer_syntax_uid, r.peer_address,
       r.calling_aet, r.called_aet, r.association, r.rule_set, r.data_set_offset, r.identity_state, f.facts,
       q.body ->> 'to' as corrected_for, 'corrected' = any(r.flags) as corrected
from unnest(%(received_at)s::timestamptz[], %(object_key)s::text[]) as k(received_at, object_key)
join storage.receipt_view r on r.received_at = k.received_at and r.object_key = k.object_key
left join storage.fact_view f on f.received_at = k.received_at and f.object_key = k.object_key
left join config.request_view q on 'corrected' = any(r.flags) and q.kind = 'correct'
                               and q.id = case when 'corrected' = any(r.flags) then r.association::uuid end
where not exists (select from routing.evaluation e
                  where e.received_at = k.received_at and e.object_key = k.object_key)
order by r.received_at, r.object_key

-- name: insert_evaluations
insert into routing.evaluation (received_at, object_key, sop_instance_uid, revision, study_instance_uid, rule_set,
                                matched, note)
select * from unnest(%(received_at)s::timestamptz[], %(object_key)s::text[], %(sop_instance_uid)s::text[],
                     %(revision)s::int[], %(study_instance_uid)s::text[], %(rule_set)s::int[], %(matched)s::jsonb[],
                     %(note)s::text[])
on conflict (received_at, object_key) do nothing
returning received_at, object_key

-- name: tell_withheld
update routing.evaluation e set matched = u.matched
from unnest(%(received_at)s::timestamptz[], %(object_key)s::text[], %(matched)s::jsonb[])
         as u(received_at, object_key, matched)
where e.received_at = u.received_at and e.object_key = u.object_key

-- name: lock_ledger
-- Whoever makes something wait has it until that can be seen. An erasure waits for all of them before it looks whether
-- anything waits; what is decided by a later statement than this sees what was erased.
select pg_advisory_xact_lock_shared(hashtextextended('routing.delivery', 0))

-- name: lock_studies
-- Two evaluators of one study would each open a job of their own. The ledger as above.
select pg_advisory_xact_lock_shared(hashtextextended('routing.delivery', 0))
union all
select pg_advisory_xact_lock(hashtextextended('routing.study:' || uid, 0))
from (select unnest(%(studies)s::text[]) as uid order by 1) as studies

-- name: insert_deliveries
-- collecting: it may go when its job is released; awaits: when these stations have committed the instance. What joins a
-- job that a person put first goes first too: whoever puts it there has its row locked, as who adds to it. What was
-- deleted or erased since it was decided does not wait.
insert into routing.delivery (received_at, sop_instance_uid, revision, destination, request, job, study_instance_uid,
                              object_key, data_set_offset, size, sha256, sop_class_uid, transfer_syntax_uid, priority,
                              state, reason, next_attempt_at, finished_at, commit, awaits, rule, source, back,
                              schedule, transformation, sent_sop_instance_uid)
select u.received_at, u.sop_instance_uid, u.revision, u.destination,
       coalesce(u.request, '00000000-0000-0000-0000-000000000000'), u.job, u.study_instance_uid, u.object_key,
       u.data_set_offset, u.size, u.sha256, u.sop_class_uid, u.transfer_syntax_uid,
       case when exists (select from routing.job j where j.id = u.job and j.first_at is not null) then %(first)s
            else u.priority end,
       case when k.kept then u.state else 'FAILED' end, case when k.kept then u.reason else %(gone_reason)s end,
       case when u.collecting or u.awaits is not null then 'infinity'::timestamptz else now() end,
       case when u.state = 'FAILED' or not k.kept then now() end, u.commit,
       (select array_agg(title) from jsonb_array_elements_text(u.awaits) as title), u.rule, u.source, u.back,
       (select array_agg(each) from jsonb_array_elements_text(u.schedule) as each),
       u.transformation, u.sent_sop_instance_uid
from unnest(%(received_at)s::timestamptz[], %(sop_instance_uid)s::text[], %(revision)s::int[],
            %(destination)s::text[], %(request)s::uuid[], %(job)s::uuid[], %(study_instance_uid)s::text[],
            %(object_key)s::text[], %(data_set_offset)s::int[], %(size)s::bigint[], %(sha256)s::text[],
            %(sop_class_uid)s::text[], %(transfer_syntax_uid)s::text[], %(priority)s::int[], %(state)s::text[],
            %(reason)s::text[], %(collecting)s::boolean[], %(commit)s::boolean[], %(awaits)s::jsonb[],
            %(rule)s::text[], %(source)s::text[], %(back)s::boolean[], %(schedule)s::jsonb[], %(transformation)s::text[],
            %(sent_sop_instance_uid)s::text[])
         as u(received_at, sop_instance_uid, revision, destination, request, job, study_instance_uid, object_key,
              data_set_offset, size, sha256, sop_class_uid, transfer_syntax_uid, priority, state, reason, collecting,
              commit, awaits, rule, source, back, schedule, transformation, sent_sop_instance_uid)
cross join lateral (select exists (select from storage.identity_view i
                                   where i.sop_instance_uid = u.sop_instance_uid and i.revision = u.revision
                                     and i.state in ('STORED', 'DAMAGED')) as kept) as k
on conflict (received_at, sop_instance_uid, revision, destination, request) do nothing
returning job, state, destination, state = 'PENDING' and next_attempt_at < 'infinity' as due

-- name: supersede
update routing.delivery d set
    state = 'SUPERSEDED', finished_at = now(), reason = 'a newer revision goes to the same destination'
where d.sop_instance_uid = any(%(uids)s::text[]) and d.state in ('PENDING', 'UNKNOWN')
  and exists (select from routing.delivery n
              where n.sop_instance_uid = d.sop_instance_uid and n.destination = d.destination
                and n.revision > d.revision and n.state <> 'CANCELED'
                and exists (select from storage.identity_view k
                            where k.sop_instance_uid = n.sop_instance_uid and k.revision = n.revision))
returning d.job

-- name: wake_duplicates
-- The same instance came again: what waits or failed is tried at once (P5); a collecting job goes on collecting, and
-- what waits for a commitment goes on waiting. What is held, or beyond its schedule, is parked again. A warning (Bxxx and
-- others) says that the station has it: in profile xeleris it has FAILED, and is tried again by people only. What a person
-- cancelled stays so, with all of its job, and what was told to end while it was being sent; so does what was given up
-- because the instance was deleted (gone): what came after that is new, and has deliveries of its own.
update routing.delivery d set
    state = case when d.state = 'FAILED' then 'PENDING' else d.state end,
    next_attempt_at = case when d.awaits is null then now() else 'infinity' end, waiting_since = now(),
    finished_at = null, hold = null, shut = null, held_since = null,
    attempts = case when d.state = 'FAILED' then 0 else d.attempts end
from unnest(%(uids)s::text[], %(revisions)s::int[]) as u(uid, revision)
where d.sop_instance_uid = u.uid and d.revision = u.revision and d.destination = any(%(destinations)s::text[])
  and (d.state in ('FAILED', 'UNKNOWN') or (d.state = 'PENDING' and d.next_attempt_at < 'infinity'))
  and not (d.state = 'FAILED' and coalesce(d.status between 45056 and 49151 or d.status = any(%(warnings)s::int[]), false))
  and d.withdrawn is null and not (d.state = 'FAILED' and d.reason = %(gone)s)
  and not exists (select from routing.job j where j.id = d.job and j.state = 'CANCELED')
  and exists (select from storage.identity_view i
              where i.sop_instance_uid = u.uid and i.revision = u.revision and i.state in ('STORED', 'DAMAGED'))
returning d.job, d.destination

-- name: end_former
-- What waits for an instance that was deleted before it came anew: it was given up, and the new one has deliveries of its
-- own. A receipt that is routed found nothing stored under its UID and revision: what is older was of what is gone.
update routing.delivery d set state = 'FAILED', finished_at = now(), lease_until = null, reason = %(gone)s
from unnest(%(uids)s::text[], %(revisions)s::int[], %(received_at)s::timestamptz[]) as n(uid, revision, received_at)
where d.sop_instance_uid = n.uid and d.revision = n.revision and d.received_at < n.received_at
  and d.state in ('PENDING', 'UNKNOWN')
returning d.job

-- name: begin_reconcile
select greatest(through - make_interval(secs => %(overlap)s), '2000-01-01 00:00+00') as lower,
       now() - make_interval(secs => %(age)s) as upper
from routing.reconciled

-- name: select_unevaluated
select r.received_at, r.object_key, r.recorded_at
from storage.receipt_view r
where r.recorded_at >= %(lower)s and r.recorded_at <= %(upper)s
  and (r.recorded_at, r.object_key) > (%(after_recorded_at)s::timestamptz, %(after_object_key)s::text)
  and not exists (select from routing.evaluation e
                  where e.received_at = r.received_at and e.object_key = r.object_key)
order by r.recorded_at, r.object_key
limit %(most)s

-- name: select_left
-- Those of a batch that still have no evaluation: nothing may be forgotten because it could not be evaluated today.
select r.recorded_at
from unnest(%(received_at)s::timestamptz[], %(object_key)s::text[]) as k(received_at, object_key)
join storage.receipt_view r on r.received_at = k.received_at and r.object_key = k.object_key
where not exists (select from routing.evaluation e
                  where e.received_at = k.received_at and e.object_key = k.object_key)

-- name: advance_reconciled
update routing.reconciled set through = greatest(through, %(through)s)

-- name: select_rule_set
select document from config.rule_set_view where number = %(number)s

-- name: select_generation
select number, array(select h.id from config.hold_view h where h.in_force order by h.id) as holds,
       (select coalesce(jsonb_agg(o.schedule order by o.schedule), '[]') from routing.opening o
        where o.opens_at <= now() and now() < o.closes_at) as open
from config.generation_view

-- name: select_holds
select kind, name from config.hold_view where in_force

-- name: select_shut
select schedule from routing.opening where not (opens_at <= now() and now() < closes_at)

-- name: select_stations
select title, host, port, enabled, store, associations, unknown_policy, retry_hours, store_seconds, reduce_level_1,
       pet_raw, retry_statuses, retry_errors, retry_first_seconds, retry_factor, retry_most_seconds, retry_attempts,
       instances_per_second, megabytes_per_second, idle_seconds, association_instances,
       failover, failover_seconds, balance_with, "order",
       query_retrieve, skip_present, find_seconds, move_seconds, complete_on_release, tls, certificates,
       exists (select from config.commitment_server_view c where c.destination = title) as commits,
       exists (select from config.hold_view h where h.in_force and h.kind = 'station' and h.name = title)
       or schedule <> '{}' and schedule not in (
           select o.schedule from routing.opening o where o.opens_at <= now() and now() < o.closes_at) as held
from config.station_view
