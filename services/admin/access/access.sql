-- name: list_accounts
select a.name, a.role, a.origin, a.created_at, a.password_set_at, a.logged_in_at, count(s.*)::int as sessions
from config.account a left join config.session s on s.account = a.name
group by a.name order by a.name

-- name: get_account
select name, role, origin, password_hash from config.account where name = %(name)s

-- name: any_account
select from config.account limit 1

-- name: lock_accounts
lock table config.account in share row exclusive mode

-- name: count_admins
-- Those that no provider has to be there for.
select count(*) as admins from config.account where role = 'admin' and origin = 'local'

-- name: insert_account
insert into config.account (name, role, password_hash, password_set_at)
values (%(name)s, %(role)s, %(password_hash)s, now())
on conflict do nothing returning name

-- name: insert_first_account
insert into config.account (name, role, password_hash, password_set_at)
select %(name)s, 'admin', %(password_hash)s, now()
where not exists (select from config.account)
returning name

-- name: set_role
update config.account set role = %(role)s where name = %(name)s

-- name: set_password
update config.account set password_hash = %(password_hash)s, password_set_at = now() where name = %(name)s

-- name: renew_password_hash
-- Not where somebody has set another password meanwhile.
update config.account set password_hash = %(renewed)s where name = %(name)s and password_hash = %(kept)s

-- name: delete_account
delete from config.account where name = %(name)s

-- name: end_sessions
delete from config.session where account = %(name)s

-- name: recent_failures
-- Of a name, and of an address; the last one's age in seconds.
select greatest(n.failures, a.failures)::int as failures,
       coalesce(extract(epoch from clock_timestamp() - greatest(n.last_at, a.last_at)), 1e9)::double precision as since_last
from (select count(*) as failures, max(at) as last_at from config.failed_login
      where name = %(name)s and at > now() - make_interval(secs => %(window)s)) as n,
     (select count(*) as failures, max(at) as last_at from config.failed_login
      where address = %(address)s and at > now() - make_interval(secs => %(window)s)) as a

-- name: lock_attempts
-- Of the same name, and from the same address, one after the other; each process in the same order.
select pg_advisory_xact_lock(number) from (
    select distinct hashtextextended(text, 0) as number
    from unnest(array['config.failed_login:name:' || %(name)s, 'config.failed_login:address:' || %(address)s]) as text
    order by number
) as numbers

-- name: insert_failure
insert into config.failed_login (at, name, address) values (clock_timestamp(), %(name)s, %(address)s) returning at

-- name: delete_failure
delete from config.failed_login where at = %(at)s and name = %(name)s and address = %(address)s

-- name: delete_failures
delete from config.failed_login where name = %(name)s or at < now() - make_interval(secs => %(window)s)

-- name: delete_old_failures
delete from config.failed_login where at < now() - make_interval(secs => %(window)s)

-- name: insert_session
insert into config.session (token_sha256, account, csrf_token, address)
values (%(token_sha256)s, %(name)s, %(csrf_token)s, %(address)s)

-- name: note_login
update config.account set logged_in_at = now() where name = %(name)s

-- name: find_session
-- Seen at most once a minute: not every click writes.
with found as (
    select s.token_sha256, s.account, s.csrf_token, s.seen_at, a.role,
           a.password_hash is not null as by_password
    from config.session s join config.account a on a.name = s.account
    where s.token_sha256 = %(token_sha256)s
      and s.seen_at > now() - make_interval(mins => %(idle_minutes)s)
      and s.created_at > now() - make_interval(hours => %(hours)s)
), seen as (
    update config.session s set seen_at = now() from found f
    where s.token_sha256 = f.token_sha256 and f.seen_at < now() - interval '1 minute'
)
select account, csrf_token, role, by_password from found

-- name: delete_session
delete from config.session where token_sha256 = %(token_sha256)s returning account

-- name: delete_old_sessions
delete from config.session
where seen_at < now() - make_interval(mins => %(idle_minutes)s) or created_at < now() - make_interval(hours => %(hours)s)

-- name: list_api_keys
select id, name, role, created_by, created_at, expires_at, revoked_at, used_at from config.api_key order by created_at, id

-- name: insert_api_key
-- Nothing where a key that is not revoked has the name.
insert into config.api_key (id, secret_sha256, name, role, created_by, expires_at)
values (%(id)s, %(secret_sha256)s, %(name)s, %(role)s, %(actor)s, now() + make_interval(days => %(days)s))
on conflict (name) where revoked_at is null do nothing
returning id, name, role, created_by, created_at, expires_at, revoked_at, used_at

-- name: api_key_of_name
select id from config.api_key where name = %(name)s and revoked_at is null

-- name: revoke_api_key
update config.api_key set revoked_at = now() where id = %(id)s and revoked_at is null
returning id, name, role, created_by, created_at, expires_at, revoked_at, used_at

-- name: find_api_key
with found as (
    select id, secret_sha256, name, role, used_at from config.api_key
    where id = %(id)s and revoked_at is null and (expires_at is null or expires_at > now())
), used as (
    update config.api_key k set used_at = now() from found f
    where k.id = f.id and f.secret_sha256 = %(secret_sha256)s
      and (f.used_at is null or f.used_at < now() - interval '1 minute')
)
select name, role from found where secret_sha256 = %(secret_sha256)s
