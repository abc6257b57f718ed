-- name: select_policies
-- What stations say of what they send; config.generation tells no more of a change than this does.
select title, retention_days from config.station_view where retention_days is not null

-- name: lock_progress
select recorded_at, object_key, policy, adopting from storage.retention_progress for update

-- name: adopt_policy
update storage.retention_progress set policy = %(policy)s::jsonb, adopting = ''

-- name: adopt_next
-- The next studies are looked at again when the shortest of the new policies may let them go; none: never.
with page as (
    select study_instance_uid from storage.retention where study_instance_uid > %(adopting)s
    order by study_instance_uid limit %(most)s
), changed as (
    update storage.retention t set kept = '',
        look_at = case when %(days)s::int is null then 'infinity'
                       else t.last_received_at + make_interval(days => %(days)s) end
    from page p where t.study_instance_uid = p.study_instance_uid
)
update storage.retention_progress set adopting = (select max(study_instance_uid) from page)
returning adopting is null as done

-- name: track_studies
-- The next receipts in the order in which they were recorded. The newest minutes are left for later: a transaction may
-- become visible after others that began later (ADR 0008), and retention counts in days.
with page as (
    select r.recorded_at, r.object_key, r.study_instance_uid, r.received_at
    from storage.receipt r
    where r.recorded_at >= %(recorded_at)s and (r.recorded_at, r.object_key) > (%(recorded_at)s, %(object_key)s)
      and r.recorded_at < now() - make_interval(secs => %(settle)s)
    order by r.recorded_at, r.object_key
    limit %(most)s
), tracked as (
    insert into storage.retention as t (study_instance_uid, last_received_at, look_at)
    select study_instance_uid, max(received_at),
           case when %(days)s::int is null then 'infinity' else max(received_at) + make_interval(days => %(days)s) end
    from page group by study_instance_uid order by study_instance_uid
    on conflict (study_instance_uid)
    do update set last_received_at = greatest(t.last_received_at, excluded.last_received_at),
                  look_at = least(t.look_at, excluded.look_at)
)
select recorded_at, object_key, (select count(*) from page) as receipts from page
order by recorded_at desc, object_key desc limit 1

-- name: advance_progress
update storage.retention_progress set recorded_at = %(recorded_at)s, object_key = %(object_key)s

-- name: select_due
select study_instance_uid from storage.retention where look_at <= now() order by look_at limit %(most)s

-- name: lock_study
-- Two processes that both lead for a moment take one study once.
select study_instance_uid, last_received_at, clock_timestamp() as at from storage.retention
where study_instance_uid = %(study)s and look_at <= now() for update skip locked

-- name: select_oldest
-- What a person previews: the studies that were received longest ago.
select study_instance_uid, last_received_at, clock_timestamp() as at from storage.retention
where last_received_at <= now() - make_interval(days => %(days)s)
order by last_received_at limit %(most)s

-- name: select_contents
-- All live contents of the instances that the study has, also those that were sent again into another study: they go
-- together. "offset 0" keeps the planner from reading all instances for the sake of some hundreds. waiting: deliveries that are neither done nor given up; one that failed counts no more once its destination
-- has got that revision or a newer one.
-- taken: it was sent with success, or is said to be there (no status) and has to be committed.
with instance as materialized (
    select distinct i.sop_instance_uid from storage.identity i
    where i.study_instance_uid = %(study)s and i.state in ('STORED', 'DAMAGED')
), content as materialized (
    select i.* from instance n
    cross join lateral (select * from storage.identity i where i.sop_instance_uid = n.sop_instance_uid offset 0) as i
    where i.state in ('STORED', 'DAMAGED')
), delivery as materialized (
    select d.sop_instance_uid, d.revision, d.destination, d.state,
           d.state in ('DELIVERED', 'WARNED') and (d.status is not null or d.commit_on is not null) as taken
    from routing.delivery_view d
    where d.study_instance_uid in (select c.study_instance_uid from content c)
      and d.sop_instance_uid in (select n.sop_instance_uid from instance n)
), got as materialized (
    select d.sop_instance_uid, d.destination, max(d.revision) as revision from delivery d
    where d.state in ('DELIVERED', 'WARNED') group by d.sop_instance_uid, d.destination
), ledger as materialized (
    select d.sop_instance_uid,
           array_agg(distinct d.state || ' to ' || d.destination) filter (
               where d.state not in ('DELIVERED', 'WARNED', 'SUPERSEDED', 'CANCELED')
                 and (d.state <> 'FAILED' or g.revision is null or g.revision < d.revision)) as waiting,
           bool_or(d.taken) as delivered, array_agg(d.revision) filter (where d.taken) as revisions
    from delivery d
    left join got g on g.sop_instance_uid = d.sop_instance_uid and g.destination = d.destination
    group by d.sop_instance_uid
)
select c.sop_instance_uid, c.revision, c.size, c.state, r.disposition, coalesce(l.waiting, '{}') as waiting,
       l.sop_instance_uid is not null as sent, coalesce(l.delivered, false) as delivered,
       coalesce(c.revision = any(l.revisions), false) as itself
from content c
join storage.receipt r on r.received_at = c.received_at and r.object_key = c.object_key
left join ledger l on l.sop_instance_uid = c.sop_instance_uid
order by c.sop_instance_uid, c.revision

-- name: select_sources
-- Who sent those contents, and when last; duplicates too: what is sent again counts anew.
select r.calling_aet as title, max(r.received_at) as received_at
from unnest(%(sop_instance_uid)s::text[], %(revision)s::int[]) as k(sop_instance_uid, revision)
cross join lateral (
    select r.calling_aet, r.received_at from storage.receipt r
    where r.sop_instance_uid = k.sop_instance_uid and r.revision = k.revision offset 0
) as r
group by r.calling_aet order by r.calling_aet

-- name: look_later
update storage.retention set kept = %(kept)s, look_at = coalesce(%(look_at)s::timestamptz, 'infinity'), looked_at = now()
where study_instance_uid = %(study)s

-- name: forget_study
delete from storage.retention where study_instance_uid = %(study)s

-- name: record_deletion
select audit.record(%(actor)s, 'studies.delete', %(study)s, null, %(after)s::jsonb)

-- name: count_kept
select count(*) as studies, count(*) filter (where look_at <= now()) as due,
       count(*) filter (where kept <> '' and look_at > now() and looked_at is not null) as kept
from storage.retention
