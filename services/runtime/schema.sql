-- name: version_table
select to_regclass('runtime.version') as version_table;

-- name: select_version
select coalesce(max(number), 0) as number, coalesce(max(oldest_code), 0) as oldest_code from runtime.version;

-- name: insert_version
insert into runtime.version (number, name, oldest_code) values (%(number)s, %(name)s, %(oldest_code)s);

-- name: lock
select pg_advisory_lock(hashtext('dicom-gateway migrate'));

-- name: ensure_partitions
select format('%%I.%%I', n.nspname, c.relname) as "table", runtime.ensure_partitions(n.nspname::text, c.relname::text) as made
from pg_partitioned_table p
join pg_class c on c.oid = p.partrelid
join pg_namespace n on n.oid = c.relnamespace
where p.partstrat = 'r' and (%(schema)s::text is null or n.nspname = %(schema)s)
order by 1;

-- name: drop_partitions
select runtime.drop_partitions(%(schema)s, %(table)s, %(months)s) as "partition";
