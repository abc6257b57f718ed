-- name: set_destination
insert into audit.destination (name) values (%(name)s)
on conflict (alone) do update set name = excluded.name, since = now()
where audit.destination.name <> excluded.name

-- name: delete_destination
delete from audit.destination

-- name: waiting
select exists (select from audit.outbox) as any

-- name: hold_destination
-- One process sends at a time, so that what follows one another arrives so.
select name from audit.destination for update skip locked

-- name: next_entries
select id, at, actor, action, object, address, after from audit.outbox order by id limit %(limit)s

-- name: studies_of
-- Of studies, series and instances, those that were deleted too; a study that is not here is what it is called.
select distinct u.entry, coalesce(f.study, u.uid) as study, coalesce(s.patient_id, '') as patient, f.study is not null as known
from unnest(%(entries)s::bigint[], %(uids)s::text[]) as u (entry, uid)
left join lateral (
    select study_instance_uid as study from index.study_view where study_instance_uid = u.uid
    union all select study_instance_uid from index.series_view where series_instance_uid = u.uid
    union all select study_instance_uid from index.instance_view where sop_instance_uid = u.uid
    union all select study_instance_uid from storage.identity_view where sop_instance_uid = u.uid
    union all select study_instance_uid from storage.identity_view where study_instance_uid = u.uid
    limit 1
) f on true
left join index.study_view s on s.study_instance_uid = f.study
order by u.entry, study

-- name: delete_entries
delete from audit.outbox where id = any(%(ids)s::bigint[])

-- name: unsent
select (select count(*) from (select from audit.outbox limit 100000) o)::int as waiting,
       (select at from audit.outbox order by id limit 1) as oldest_at,
       coalesce((select extract(epoch from now() - at) from audit.outbox order by id limit 1), 0)::double precision as oldest_seconds
