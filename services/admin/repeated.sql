-- name: begin_action
-- One that is older than it is kept is another's.
insert into config.action (actor, key, request_sha256) values (%(actor)s, %(key)s, %(request_sha256)s)
on conflict (actor, key) do update
    set request_sha256 = excluded.request_sha256, begun_at = now(), status = null, headers = null, body = null
    where action.begun_at < now() - make_interval(hours => %(hours)s)
returning key

-- name: get_action
select request_sha256, begun_at, status, headers, body from config.action where actor = %(actor)s and key = %(key)s

-- name: keep_answer
update config.action set status = %(status)s, headers = %(headers)s, body = %(body)s
where actor = %(actor)s and key = %(key)s and request_sha256 = %(request_sha256)s

-- name: delete_action
delete from config.action
where actor = %(actor)s and key = %(key)s and request_sha256 = %(request_sha256)s and status is null

-- name: delete_old_actions
delete from config.action where begun_at < now() - make_interval(hours => %(hours)s)
