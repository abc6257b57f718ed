-- Services work under roles that own nothing (schemas/database/grants.sql): what needs the owner's rights, partitions
-- and audit entries, is done for them by functions of the owner, each of which does one thing.
-- oldest-code: 32

create or replace function runtime.ensure_partitions(in_schema text, in_table text, months_ahead int default 3) returns int
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    made int := 0;
    month date;
    since text;
    until text;
    parent text := format('%I.%I', in_schema, in_table);
    partition text;
    default_partition regclass;
    key text;
begin
    if not has_any_column_privilege(session_user, parent, 'insert') then
        raise insufficient_privilege using message = format('%s makes no partitions of %s', session_user, parent);
    end if;
    select p.partdefid::regclass, quote_ident(a.attname) into default_partition, key
    from pg_partitioned_table p join pg_attribute a on a.attrelid = p.partrelid and a.attnum = p.partattrs[0]
    where p.partrelid = parent::regclass;
    for month in
        select generate_series(date_trunc('month', now() at time zone 'UTC') - interval '1 month',
                               date_trunc('month', now() at time zone 'UTC') + make_interval(months => least(months_ahead, 24)),
                               interval '1 month')::date
    loop
        partition := format('%I.%I', in_schema, format('%s_%s', in_table, to_char(month, 'YYYYMM')));
        if to_regclass(partition) is null then
            since := month::text || ' 00:00:00+00';
            until := (month + interval '1 month')::date::text || ' 00:00:00+00';
            execute format('lock table only %s in access exclusive mode', parent);
            execute format('create table %s (like %s including defaults including constraints)', partition, parent);
            execute format('with moved as (delete from only %s where %s >= %L and %s < %L returning *) '
                           'insert into %s select * from moved', default_partition, key, since, key, until, partition);
            execute format('alter table %s attach partition %s for values from (%L) to (%L)',
                           parent, partition, since, until);
            made := made + 1;
        end if;
    end loop;
    return made;
end $$;

create function runtime.drop_partitions(in_schema text, in_table text, keep_months int) returns setof text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    parent text := format('%I.%I', in_schema, in_table);
    partition text;
begin
    if keep_months < 1 or not has_table_privilege(session_user, parent, 'delete') then
        raise insufficient_privilege using
            message = format('%s drops no partitions of %s that are %s months old', session_user, parent, keep_months);
    end if;
    for partition in
        select format('%I.%I', n.nspname, c.relname)
        from pg_inherits i
        join pg_class c on c.oid = i.inhrelid
        join pg_namespace n on n.oid = c.relnamespace
        where i.inhparent = parent::regclass and c.relname ~ ('^' || in_table || '_[0-9]{6}$')
          and to_date(right(c.relname, 6), 'YYYYMM')
              < date_trunc('month', now() at time zone 'UTC') - make_interval(months => keep_months)
        order by 1
    loop
        execute format('drop table %s', partition);
        return next partition;
    end loop;
end $$;
comment on function runtime.drop_partitions is
    'Drops month partitions older than so many whole months, for who may delete the table''s rows; their names.';

alter function audit.record security definer set search_path = pg_catalog, pg_temp;
alter function audit.put_into_outbox security definer set search_path = pg_catalog, pg_temp;
alter function routing.note_outage security definer set search_path = pg_catalog, pg_temp;

revoke execute on function audit.record, runtime.ensure_partitions, runtime.drop_partitions from public;
