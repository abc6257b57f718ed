-- name: lock_attempts
select pg_advisory_xact_lock(hashtextextended('config.oidc_attempt', 0))

-- name: count_attempts
select count(*) filter (where address = %(address)s) as from_address, count(*) as everywhere from config.oidc_attempt

-- name: insert_attempt
insert into config.oidc_attempt (state_sha256, browser_sha256, nonce, code_verifier, redirect_uri, next, address)
values (%(state_sha256)s, %(browser_sha256)s, %(nonce)s, %(code_verifier)s, %(redirect_uri)s, %(next)s, %(address)s)

-- name: take_attempt
-- Good once: whoever deletes it has it.
delete from config.oidc_attempt
where state_sha256 = %(state_sha256)s and browser_sha256 = %(browser_sha256)s
  and begun_at > now() - make_interval(secs => %(seconds)s)
returning nonce, code_verifier, redirect_uri, next

-- name: delete_old_attempts
delete from config.oidc_attempt where begun_at <= now() - make_interval(secs => %(seconds)s)

-- name: get_account
-- By who it is, or by a name that another has already.
select name, role, origin, issuer, subject from config.account
where (issuer = %(issuer)s and subject = %(subject)s) or name = %(name)s
order by (issuer = %(issuer)s and subject = %(subject)s) is true desc limit 1

-- name: insert_account
insert into config.account (name, role, origin, issuer, subject)
values (%(name)s, %(role)s, 'oidc', %(issuer)s, %(subject)s)
