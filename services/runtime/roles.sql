-- name: owner
-- Whose the schema is; nobody before it was made.
select r.rolname as name from pg_namespace n join pg_roles r on r.oid = n.nspowner where n.nspname = 'runtime'

-- name: existing
select rolname as name, rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls as powerful
from pg_roles where rolname = any(%(names)s::text[])

-- name: memberships
select m.rolname as login, g.rolname as role
from pg_auth_members a join pg_roles g on g.oid = a.roleid join pg_roles m on m.oid = a.member
where m.rolname = any(%(logins)s::text[])

-- name: rights
-- What takes from these roles all they were ever given here.
with role as (
    select oid, quote_ident(rolname) as name from pg_roles where rolname = any(%(names)s::text[])
), right_of as (
    select 'schema ' || quote_ident(n.nspname) as object, a.grantee
    from pg_namespace n cross join lateral aclexplode(n.nspacl) a
    union
    select case when c.relkind = 'S' then 'sequence ' else 'table ' end || c.oid::regclass::text, a.grantee
    from pg_class c cross join lateral aclexplode(c.relacl) a
    union
    select 'table ' || c.attrelid::regclass::text, a.grantee
    from pg_attribute c cross join lateral aclexplode(c.attacl) a
    union
    select 'function ' || p.oid::regprocedure::text, a.grantee
    from pg_proc p cross join lateral aclexplode(p.proacl) a
)
select format('revoke all on %%s from %%s', object, name) as taken
from right_of join role on role.oid = right_of.grantee
order by 1
