-- name: wait_briefly
set lock_timeout = '3s'

-- name: hold_off_deletions
-- For the session: while it is held storage deletes no object (its nothing_is_backed_up), and nobody else backs up.
select pg_advisory_lock(hashtextextended('dicom-gateway backup', 0))

-- name: snapshot_time
select now() as at

-- name: backup_age
select coalesce(extract(epoch from now() - coalesce(
    (select max(at) from audit.entry where action = 'backup.made'),
    (select min(applied_at) from runtime.version where %(expected)s::boolean)
)), 0) as seconds

-- name: tables
-- Generated columns are left out: they are made again.
select n.nspname || '.' || c.relname as name, array_agg(a.attname::text order by a.attnum) as columns
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
where c.relkind in ('r', 'p') and not c.relispartition and n.nspname = any(%(schemas)s)
group by 1
order by 1

-- name: month_partitions
select n.nspname || '.' || p.relname as name, right(c.relname, 6) as month
from pg_inherits i
join pg_class c on c.oid = i.inhrelid
join pg_class p on p.oid = i.inhparent
join pg_namespace n on n.oid = p.relnamespace
where p.relkind = 'p' and n.nspname = any(%(schemas)s) and c.relname ~ ('^' || p.relname || '_[0-9]{6}$')
order by 1, 2

-- name: sequences
select schemaname || '.' || sequencename as name, coalesce(last_value, start_value) as value,
       last_value is not null as called
from pg_sequences where schemaname = any(%(schemas)s)
order by 1

-- name: set_sequence
select setval(%(name)s::regclass, %(value)s, %(called)s)

-- name: references
-- Which table has to be loaded after which.
select distinct k.conrelid::regclass::text as name, k.confrelid::regclass::text as after
from pg_constraint k
join pg_namespace n on n.oid = k.connamespace
where k.contype = 'f' and k.conrelid <> k.confrelid and n.nspname = any(%(schemas)s)

-- name: stored_objects
-- What has to be in the object store, in the order of its keys.
select object_key from storage.identity_view
where state = 'STORED' and received_at < coalesce(%(before)s, 'infinity'::timestamptz)
order by object_key collate "C"

-- name: present_schemas
select nspname as name from pg_namespace where nspname = any(%(schemas)s) order by 1

-- name: has_versions
-- A restore writes the versions last: a table without one is what a restore left that was broken off.
select exists (select from runtime.version) as yes

-- name: is_used
select exists (select from audit.entry_view) or exists (select from storage.receipt_view) as yes

-- name: connected
-- Processes of a gateway that work with this database.
select distinct application_name as name from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and application_name ~ '^gateway-'
  and application_name <> 'gateway-cli'
order by 1
