-- name: entries
select at, actor, action, object, before, after from audit.entry_view
where (%(since)s::interval is null or at >= now() - %(since)s::interval)
  and (%(action)s::text is null or action = %(action)s or starts_with(action, %(below)s))
order by at desc, id desc limit %(limit)s
