with ours as (
    select c.oid, n.nspname, c.relname, c.relkind, format('%I.%I', n.nspname, c.relname) as name, c.relpartbound
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname not like 'pg\_%' and n.nspname not in ('information_schema', 'public')
      and c.relname !~ '_[0-9]{6}(_|$)'
)
select 'schema', nspname from pg_namespace
    where nspname not like 'pg\_%' and nspname not in ('information_schema', 'public')
union all
select 'relation', concat_ws(' ', relkind, name, pg_get_expr(relpartbound, oid), pg_get_partkeydef(oid))
    from ours where relkind in ('r', 'p', 'v', 'S')
union all
select 'column', concat_ws(' ', name, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
                           a.attidentity, a.attgenerated, pg_get_expr(d.adbin, d.adrelid))
    from ours join pg_attribute a on a.attrelid = ours.oid and a.attnum > 0 and not a.attisdropped
    left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where relkind in ('r', 'p', 'v')
union all
select 'constraint', concat_ws(' ', name, conname, pg_get_constraintdef(k.oid))
    from ours join pg_constraint k on k.conrelid = ours.oid and k.contype <> 'n'
union all
select 'index', pg_get_indexdef(i.indexrelid) from ours join pg_index i on i.indrelid = ours.oid
union all
select 'view', concat_ws(' ', name, pg_get_viewdef(oid)) from ours where relkind = 'v'
union all
select 'function', pg_get_functiondef(p.oid)
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname not like 'pg\_%' and n.nspname not in ('information_schema', 'public')
union all
select 'trigger', pg_get_triggerdef(t.oid) from ours join pg_trigger t on t.tgrelid = ours.oid where not t.tgisinternal
union all
select 'comment', concat_ws(' ', name, d.objsubid, d.description)
    from ours join pg_description d on d.objoid = ours.oid and d.classoid = 'pg_class'::regclass;
