-- name: entries
select id, at, actor, address, action, object, before, after from audit.entry_view
where at >= coalesce(%(since_at)s::timestamptz, now() - make_interval(secs => %(since_seconds)s::double precision), '-infinity')
  and (%(action)s::text is null or action = %(action)s or starts_with(action, %(below)s))
  and (%(actor)s::text is null or actor = %(actor)s)
  and (%(object)s::text is null or object = %(object)s)
  and (%(after_at)s::timestamptz is null or (at, id) < (%(after_at)s, %(after_key)s))
order by at desc, id desc limit %(limit)s
