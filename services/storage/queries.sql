-- name: select_recorded
-- Which of these objects have a row, tombstones included.
select r.object_key from unnest(%(object_key)s::text[]) as k(object_key)
join storage.receipt r on r.object_key = k.object_key

-- name: select_identities
-- All that is known of some UIDs, with the facts of each content.
select i.sop_instance_uid, i.revision, i.sha256, i.state, i.transfer_syntax_uid, f.facts, i.object_key,
       i.data_set_offset, i.size
from storage.identity i
left join storage.fact f on f.received_at = i.received_at and f.object_key = i.object_key
where i.sop_instance_uid = any(%(sop_instance_uid)s::text[])

-- name: select_delivered
-- Which of these pairs of instance and sending station we may have delivered ourselves, or retrieved from there. Only what
-- is still here, or went there under that UID and is, comes back: what was deleted meanwhile is new.
select d.sop_instance_uid, d.destination
from unnest(%(sop_instance_uid)s::text[], %(calling_aet)s::text[]) as k(sop_instance_uid, calling_aet)
join routing.delivered_view d on d.sop_instance_uid = k.sop_instance_uid and d.destination = k.calling_aet
where exists (select from storage.identity i
              where i.sop_instance_uid = k.sop_instance_uid and i.state not in ('DELETING', 'DELETED'))
   or exists (select from routing.delivery_view o
              join storage.identity i on i.sop_instance_uid = o.sop_instance_uid
              where o.sent_sop_instance_uid = k.sop_instance_uid and o.destination = k.calling_aet
                and i.state not in ('DELETING', 'DELETED'))
union
select k.sop_instance_uid, k.calling_aet
from unnest(%(sop_instance_uid)s::text[], %(calling_aet)s::text[]) as k(sop_instance_uid, calling_aet)
join storage.identity i on i.sop_instance_uid = k.sop_instance_uid and i.state not in ('DELETING', 'DELETED')
join routing.retrieved_view v on v.study_instance_uid = i.study_instance_uid and v.source = k.calling_aet and v.to_us
where v.series_instance_uid in ('', i.series_instance_uid) and v.sop_instance_uid in ('', k.sop_instance_uid)

-- name: count_receipts
-- How often these UIDs were received lately.
select sop_instance_uid, count(*) as receipts from storage.receipt
where sop_instance_uid = any(%(sop_instance_uid)s::text[]) and received_at > now() - make_interval(secs => %(seconds)s)
group by sop_instance_uid

-- name: select_policies
select title, revision_policy from config.station_view where title = any(%(title)s::text[])

-- name: insert_identities
insert into storage.identity (sop_instance_uid, revision, sha256, received_at, object_key, size, data_set_offset,
                              sop_class_uid, study_instance_uid, series_instance_uid, transfer_syntax_uid)
select * from unnest(%(sop_instance_uid)s::text[], %(revision)s::int[], %(sha256)s::text[],
                     %(received_at)s::timestamptz[], %(object_key)s::text[], %(size)s::bigint[],
                     %(data_set_offset)s::int[], %(sop_class_uid)s::text[], %(study_instance_uid)s::text[],
                     %(series_instance_uid)s::text[], %(transfer_syntax_uid)s::text[])

-- name: revive_identity
-- Content that was deleted has come again. Its row points to the new object; the deletion of the old one goes on.
update storage.identity set
    revision = %(revision)s, received_at = %(received_at)s, object_key = %(object_key)s, size = %(size)s,
    data_set_offset = %(data_set_offset)s, sop_class_uid = %(sop_class_uid)s,
    study_instance_uid = %(study_instance_uid)s, series_instance_uid = %(series_instance_uid)s,
    transfer_syntax_uid = %(transfer_syntax_uid)s, state = 'STORED', state_at = now()
where sop_instance_uid = %(sop_instance_uid)s and sha256 = %(sha256)s

-- name: insert_receipts
insert into storage.receipt (received_at, object_key, sop_instance_uid, revision, disposition, flags, sha256, size,
                             sop_class_uid, study_instance_uid, series_instance_uid, transfer_syntax_uid,
                             peer_address, calling_aet, called_aet, association, configuration, rule_set, status,
                             findings, object_state)
select k.received_at, k.object_key, k.sop_instance_uid, k.revision, k.disposition,
       array_remove(string_to_array(k.flags, ' '), ''), k.sha256, k.size, k.sop_class_uid, k.study_instance_uid,
       k.series_instance_uid, k.transfer_syntax_uid, k.peer_address, k.calling_aet, k.called_aet, k.association,
       k.configuration, k.rule_set, k.status, k.findings, k.object_state
from unnest(%(received_at)s::timestamptz[], %(object_key)s::text[], %(sop_instance_uid)s::text[],
            %(revision)s::int[], %(disposition)s::text[], %(flags)s::text[], %(sha256)s::text[],
            %(size)s::bigint[], %(sop_class_uid)s::text[], %(study_instance_uid)s::text[],
            %(series_instance_uid)s::text[], %(transfer_syntax_uid)s::text[], %(peer_address)s::text[],
            %(calling_aet)s::text[], %(called_aet)s::text[], %(association)s::text[],
            %(configuration)s::bigint[], %(rule_set)s::int[], %(status)s::int[], %(findings)s::jsonb[],
            %(object_state)s::text[])
     as k(received_at, object_key, sop_instance_uid, revision, disposition, flags, sha256, size, sop_class_uid,
          study_instance_uid, series_instance_uid, transfer_syntax_uid, peer_address, calling_aet, called_aet,
          association, configuration, rule_set, status, findings, object_state)

-- name: insert_facts
insert into storage.fact (received_at, object_key, facts)
select * from unnest(%(received_at)s::timestamptz[], %(object_key)s::text[], %(facts)s::jsonb[])

-- name: database_time
select clock_timestamp() as at

-- name: take_lease
-- Ours already, free, or its holder was silent for longer than the lease (and the database was up long enough to say so).
insert into runtime.lease as l (name, holder, lease_until)
values (%(name)s, %(holder)s, now() + make_interval(secs => %(seconds)s))
on conflict (name) do update set holder = excluded.holder, lease_until = excluded.lease_until
where l.holder = excluded.holder or runtime.lease_expired(l.lease_until, make_interval(secs => %(seconds)s))
returning name

-- name: give_lease_back
delete from runtime.lease where name = %(name)s and holder = %(holder)s

-- name: lock_snapshot
-- One writer after the other, so that an older configuration never replaces a newer one.
select pg_advisory_xact_lock(hashtextextended('storage snapshot', 0))

-- name: select_generation
select number, rule_set, clock_timestamp() as written_at from config.generation_view

-- name: select_stations
select title, host, addresses, enabled, certificates, services, sop_classes, revision_policy, refuse_findings, pet_raw
from config.station_view
order by title

-- name: select_called_titles
select title, stations, associations from config.called_title_view order by title

-- name: select_closed_folders
select folder, modified_at, objects from storage.folder where folder = any(%(folder)s::text[])

-- name: close_folder
insert into storage.folder (folder, objects, modified_at)
values (%(folder)s, %(objects)s, %(modified_at)s)
on conflict (folder) do update set closed_at = now(), objects = excluded.objects, modified_at = excluded.modified_at

-- name: reopen_folder
delete from storage.folder where folder = %(folder)s

-- name: advance_watermark
-- The margin covers the instant between the stamp of a receipt and the appearance of its object, and small clock errors.
update storage.watermark set recorded_through = greatest(recorded_through, %(started)s::timestamptz - interval '2 seconds')
returning recorded_through

-- name: select_full_sweep
select full_sweep_cursor as cursor, full_sweep_started_at as started_at, full_sweep_finished_at as finished_at,
       full_sweep_started_at is null or (full_sweep_finished_at is not null
           and full_sweep_started_at < now() - make_interval(secs => %(every)s)) as due
from storage.watermark

-- name: begin_full_sweep
update storage.watermark set full_sweep_cursor = '', full_sweep_started_at = now(), full_sweep_finished_at = null

-- name: advance_full_sweep
update storage.watermark set full_sweep_cursor = %(cursor)s

-- name: finish_full_sweep
update storage.watermark set full_sweep_finished_at = now() returning full_sweep_finished_at as finished_at

-- name: select_folder_receipts
-- Receipts whose object belongs into a folder. The key is made when an instance begins to arrive, the receipt when it
-- is complete: the span limits the search to some partitions.
select received_at, object_key, object_state from storage.receipt
where received_at >= %(since)s and received_at < %(until)s and starts_with(object_key, %(prefix)s)

-- name: delete_again
-- A restored copy of the store has brought back what was deleted.
update storage.receipt set object_state = 'DELETING', absent_sweeps = 0
where object_key = any(%(object_key)s::text[]) and object_state = 'DELETED'

-- name: count_absent
update storage.receipt set absent_sweeps = absent_sweeps + 1
where object_key = any(%(object_key)s::text[]) and object_state = 'DELETED'

-- name: forget_tombstones
-- Two full sweeps found the object absent and the content is deleted: nothing can bring it back. Its revision stays taken
-- while a commitment speaks of it: what is sent again under the UID must not inherit that.
with gone as (
    delete from storage.receipt r
    where r.object_key = any(%(object_key)s::text[]) and r.object_state = 'DELETED' and r.absent_sweeps >= 2
      and not exists (select from storage.identity i
                      where i.sop_instance_uid = r.sop_instance_uid and i.revision = r.revision
                        and i.state <> 'DELETED')
    returning r.received_at, r.object_key, r.sop_instance_uid, r.revision
), facts as (
    delete from storage.fact f using gone g where f.received_at = g.received_at and f.object_key = g.object_key
)
delete from storage.identity i using gone g
where i.sop_instance_uid = g.sop_instance_uid and i.revision = g.revision and i.state = 'DELETED'
  and not exists (select from commitment.archived_view a
                  where a.sop_instance_uid = i.sop_instance_uid and a.revision = i.revision)
  and not exists (select from commitment.inbound_item_view n
                  where n.sop_instance_uid = i.sop_instance_uid and n.revision = i.revision and n.state = 'COMMITTED')

-- name: mark_damaged
-- The object a content lives in is gone or has another hash.
update storage.identity set state = 'DAMAGED', state_at = now()
where object_key = %(object_key)s and sop_instance_uid = %(sop_instance_uid)s and state = 'STORED'
returning sop_instance_uid

-- name: mark_mended
-- What was gone or damaged is what it was: restored to its place.
update storage.identity set state = 'STORED', state_at = now()
where object_key = %(object_key)s and sop_instance_uid = %(sop_instance_uid)s and state = 'DAMAGED'
returning sop_instance_uid

-- name: select_identity_of
select i.sop_instance_uid, i.revision, i.object_key, i.sha256, i.size, i.data_set_offset
from storage.receipt r
join storage.identity i on i.sop_instance_uid = r.sop_instance_uid and i.object_key = r.object_key
where r.object_key = any(%(object_key)s::text[]) and i.state = 'STORED'

-- name: hide_contents
-- First step of a deletion: these contents are hidden, and none that came meanwhile.
update storage.identity i set state = 'DELETING', state_at = now()
from unnest(%(sop_instance_uid)s::text[], %(revision)s::int[]) as k(sop_instance_uid, revision)
where i.sop_instance_uid = k.sop_instance_uid and i.revision = k.revision and i.state in ('STORED', 'DAMAGED')
returning i.sop_instance_uid, i.revision, i.study_instance_uid

-- name: hide_objects
update storage.receipt r set object_state = 'DELETING'
from unnest(%(sop_instance_uid)s::text[], %(revision)s::int[]) as k(sop_instance_uid, revision)
where r.sop_instance_uid = k.sop_instance_uid and r.revision = k.revision
  and r.object_state in ('PRESENT', 'REDUNDANT')
returning r.object_key

-- name: nothing_is_backed_up
-- "gateway backup" holds this lock while it copies what its snapshot of the database names.
select pg_try_advisory_xact_lock(hashtextextended('dicom-gateway backup', 0)) as free

-- name: select_deletable
-- Hidden for long enough, and no delivery wants the object any more. What was sent again meanwhile has another object, and
-- another revision where later ones exist.
select r.received_at, r.object_key, r.sop_instance_uid, r.revision
from storage.receipt r
left join storage.identity i on i.sop_instance_uid = r.sop_instance_uid and i.revision = r.revision
where r.object_state = 'DELETING'
  and (i.revision is null or i.state in ('DELETING', 'DELETED') or i.object_key <> r.object_key)
  and coalesce(i.state_at, (select max(s.state_at) from storage.identity s where s.sop_instance_uid = r.sop_instance_uid),
               '-infinity') < now() - make_interval(secs => %(wait)s)
  and not exists (select from routing.delivery_view d
                  where d.sop_instance_uid = r.sop_instance_uid and d.object_key = r.object_key
                    and d.state in ('PENDING', 'SENDING', 'UNKNOWN'))
order by r.received_at, r.object_key
limit %(most)s

-- name: mark_deleted
update storage.receipt set object_state = 'DELETED', absent_sweeps = 0
where received_at = %(received_at)s and object_key = %(object_key)s and object_state = 'DELETING'

-- name: mark_identity_deleted
-- Once no object of a hidden content is left.
update storage.identity i set state = 'DELETED', state_at = now()
where i.sop_instance_uid = %(sop_instance_uid)s and i.revision = %(revision)s and i.state = 'DELETING'
  and not exists (select from storage.receipt r
                  where r.sop_instance_uid = i.sop_instance_uid and r.revision = i.revision
                    and r.object_state in ('PRESENT', 'REDUNDANT', 'DELETING'))

-- name: select_redundant
-- Duplicates' objects beside the object their content lives in.
select r.received_at, r.object_key, r.sop_instance_uid, r.revision, r.sha256, r.size,
       i.object_key as first_key, i.received_at as first_received_at, i.data_set_offset as first_offset,
       i.size as first_size, i.state as first_state
from storage.receipt r
join storage.identity i on i.sop_instance_uid = r.sop_instance_uid and i.revision = r.revision
where r.object_state = 'REDUNDANT' and i.state in ('STORED', 'DAMAGED')
order by r.recorded_at
limit %(most)s

-- name: begin_redundant_deletion
update storage.receipt r set object_state = 'DELETING'
from storage.identity i
where r.received_at = %(received_at)s and r.object_key = %(object_key)s and r.object_state = 'REDUNDANT'
  and i.sop_instance_uid = r.sop_instance_uid and i.revision = r.revision and i.object_key = %(first_key)s
  and i.state = 'STORED'
  and not exists (select from routing.delivery_view d
                  where d.sop_instance_uid = r.sop_instance_uid and d.object_key = r.object_key
                    and d.state in ('PENDING', 'SENDING', 'UNKNOWN'))
returning r.object_key

-- name: take_over
-- The second object holds the content from here on.
update storage.identity set object_key = %(object_key)s, received_at = %(received_at)s,
    data_set_offset = %(data_set_offset)s, state = 'STORED', state_at = now()
where sop_instance_uid = %(sop_instance_uid)s and revision = %(revision)s and object_key = %(first_key)s
  and state in ('STORED', 'DAMAGED')
returning object_key

-- name: set_object_state
update storage.receipt set object_state = %(state)s
where received_at = %(received_at)s and object_key = %(object_key)s and object_state in ('PRESENT', 'REDUNDANT')

-- name: select_to_scrub
select sop_instance_uid, revision, object_key, sha256, size, data_set_offset, state from storage.identity
where (sop_instance_uid, revision) > (%(sop_instance_uid)s, %(revision)s) and state in ('STORED', 'DAMAGED')
order by sop_instance_uid, revision limit %(most)s

-- name: select_suspected
select sop_instance_uid, revision, object_key, sha256, size, data_set_offset, state from storage.identity
where sop_instance_uid = %(sop_instance_uid)s and revision = %(revision)s and object_key = %(object_key)s
  and state in ('STORED', 'DAMAGED')

-- name: select_scrub_start
-- Somewhere, so that a storage that restarts often comes to everything too.
select sop_instance_uid from storage.identity tablesample system (1) limit 1

-- name: lock_request
select pg_advisory_xact_lock(hashtextextended('storage.request:' || %(request)s::text, 0))

-- name: select_request
select r.id, r.kind, r.body, r.requested_by, r.requested_at
from config.request_view r
where r.id = %(request)s and r.kind = any(%(kinds)s::text[])
  and not exists (select from storage.request_done d where d.request = r.id)

-- name: select_undone
select r.id from config.request_view r
where r.requested_at > now() - interval '7 days' and r.kind = any(%(kinds)s::text[])
  and not exists (select from storage.request_done d where d.request = r.id)
order by r.requested_at
limit 100

-- name: insert_done
insert into storage.request_done (request, result) values (%(request)s, %(result)s)

-- name: record_deletion
select audit.record(%(actor)s, 'studies.delete', %(request)s, null, %(after)s::jsonb)

-- name: select_deletable_uids
-- Instances that the UIDs of studies, series and instances name.
select i.sop_instance_uid from storage.identity i
where i.study_instance_uid = any(%(uids)s::text[]) and i.state in ('STORED', 'DAMAGED')
union
select i.sop_instance_uid from storage.identity i
where i.sop_instance_uid = any(%(uids)s::text[]) and i.state in ('STORED', 'DAMAGED')
union
select i.sop_instance_uid
from index.series_view s
join storage.identity i on i.study_instance_uid = s.study_instance_uid and i.series_instance_uid = s.series_instance_uid
where s.series_instance_uid = any(%(uids)s::text[]) and i.state in ('STORED', 'DAMAGED')

-- name: select_correctable
-- The newest stored content of the instances that UIDs of studies, series and instances name, with who sent it.
with wanted as (
    select i.sop_instance_uid from storage.identity i where i.study_instance_uid = any(%(uids)s::text[])
    union
    select i.sop_instance_uid from storage.identity i where i.sop_instance_uid = any(%(uids)s::text[])
    union
    select i.sop_instance_uid
    from index.series_view s
    join storage.identity i on i.study_instance_uid = s.study_instance_uid
                           and i.series_instance_uid = s.series_instance_uid
    where s.series_instance_uid = any(%(uids)s::text[])
)
select distinct on (i.sop_instance_uid)
       i.sop_instance_uid, i.revision, i.sha256, i.object_key, i.size, i.data_set_offset, i.sop_class_uid,
       i.transfer_syntax_uid, r.peer_address, r.calling_aet, r.called_aet
from wanted w
join storage.identity i using (sop_instance_uid)
join storage.receipt r on r.received_at = i.received_at and r.object_key = i.object_key
where i.state = 'STORED'
order by i.sop_instance_uid, i.revision desc

-- name: count_corrected
-- What a correction has recorded, also what the sweep found of it.
select count(*) as instances from storage.receipt
where received_at >= %(requested_at)s::timestamptz - interval '1 minute' and association = %(request)s and disposition = 'REVISION'

-- name: lock_contents
-- In one order, so that two deletions never wait for one another.
select sop_instance_uid, revision from storage.identity
where sop_instance_uid = any(%(sop_instance_uid)s::text[]) and state in ('STORED', 'DAMAGED')
order by sop_instance_uid, revision
for update

-- name: select_waiting
-- Deliveries of the live contents of these UIDs that have not ended, by station.
select d.destination, count(*) as deliveries, count(*) filter (where d.state = 'SENDING') as sending
from storage.identity i
join routing.delivery_view d on d.sop_instance_uid = i.sop_instance_uid and d.revision = i.revision
where i.sop_instance_uid = any(%(sop_instance_uid)s::text[]) and i.state in ('STORED', 'DAMAGED')
  and d.state in ('PENDING', 'SENDING', 'UNKNOWN')
group by d.destination order by d.destination

-- name: select_held
-- Of the live contents of these UIDs those that a commitment or a rule not yet asked speaks for. Asked is who was when it
-- was delivered, and who would be of what is still to be delivered; what failed or was given up never arrived, and counts
-- only where we promised it to a peer. A newer revision that is committed stands for the older one it replaced there.
-- untold: peers that are still to be told that it is committed. Nothing here is a mere "exists": of many instances the
-- planner would answer that by reading the receipts, or the requests, of everything.
with content as materialized (
    select i.sop_instance_uid, i.revision,
           coalesce((select true from commitment.inbound_item_view n
                     where n.sop_instance_uid = i.sop_instance_uid and n.revision = i.revision
                       and n.state = 'COMMITTED' limit 1), false) as promised
    from storage.identity i
    where i.sop_instance_uid = any(%(sop_instance_uid)s::text[]) and i.state in ('STORED', 'DAMAGED')
), held as materialized (
    select i.sop_instance_uid, i.revision, i.promised,
           array(select distinct n.calling_aet
                 from commitment.inbound_item_view t
                 join commitment.inbound_view n on n.received_at = t.received_at and n.id = t.inbound
                 where t.sop_instance_uid = i.sop_instance_uid and t.revision = i.revision and t.state = 'COMMITTED'
                   and n.state in ('CHECKING', 'READY', 'SENDING')
                 order by 1) as untold,
           array(select distinct asked.server
                 from (select case when d.state in ('DELIVERED', 'WARNED') then d.commit_on else s.server end as server
                       from routing.delivery_view d
                       left join config.commitment_server_view s on s.destination = d.destination
                       where d.sop_instance_uid = i.sop_instance_uid and d.revision = i.revision
                         and (d.state in ('DELIVERED', 'WARNED')
                              or (%(commitment)s and d.commit is distinct from false
                                  and (d.state in ('PENDING', 'SENDING', 'UNKNOWN')
                                       or (i.promised and d.state in ('FAILED', 'CANCELED')))))) as asked
                 where asked.server is not null
                   and not exists (select from commitment.archived_view a
                                   where a.sop_instance_uid = i.sop_instance_uid and a.server = asked.server
                                     and (a.revision = i.revision or a.revision > i.revision and exists (
                                         select from storage.identity newer
                                         where newer.sop_instance_uid = a.sop_instance_uid
                                           and newer.revision = a.revision)))
                 order by 1) as missing,
           coalesce((select false from storage.receipt r
                     where r.sop_instance_uid = i.sop_instance_uid and r.revision = i.revision
                       and r.disposition in ('NEW', 'REVISION')
                       and r.rule_set > 0
                       and r.object_state <> 'DELETED'
                       and not exists (select from routing.evaluation_view e
                                       where e.received_at = r.received_at and e.object_key = r.object_key)
                     limit 1), true) as routed
    from content i
)
select sop_instance_uid, revision, missing, routed, promised, untold from held
where missing <> '{}' or not routed or untold <> '{}'
order by sop_instance_uid, revision
