-- name: entries
select id, at, actor, address, action, object, before, after from audit.entry_view
where at >= coalesce(%(since_at)s::timestamptz, now() - make_interval(secs => %(since_seconds)s::double precision), '-infinity')
  and at < coalesce(%(until_at)s::timestamptz, now() - make_interval(secs => %(until_seconds)s::double precision), 'infinity')
  and (%(action)s::text is null or action = %(action)s or starts_with(action, %(below)s))
  and (%(actor)s::text is null or actor = %(actor)s)
  and (%(object)s::text is null or object = %(object)s)
  and (%(after_at)s::timestamptz is null or (at, id) < (%(after_at)s, %(after_key)s))
order by at desc, id desc limit %(limit)s

-- name: entries_forward
-- As above, the oldest first.
select id, at, actor, address, action, object, before, after from audit.entry_view
where at >= %(since_at)s::timestamptz and at < %(until_at)s::timestamptz
  and (%(action)s::text is null or action = %(action)s or starts_with(action, %(below)s))
  and (%(actor)s::text is null or actor = %(actor)s)
  and (%(object)s::text is null or object = %(object)s)
  and (%(after_at)s::timestamptz is null or (at, id) > (%(after_at)s, %(after_key)s))
order by at, id limit %(limit)s

-- name: span
-- What a person called a beginning and an end, as times; what is written from now on is not in it.
select coalesce(%(since_at)s::timestamptz, now() - make_interval(secs => %(since_seconds)s::double precision), '1970-01-01Z') as since_at,
       coalesce(%(until_at)s::timestamptz, now() - make_interval(secs => %(until_seconds)s::double precision), now()) as until_at

-- name: delete_oldest
-- Those of whole days that have passed, so many at a time and a few more: of one time all or none.
delete from audit.entry where at <= (
    select max(at) from (
        select at from audit.entry
        where at < (date_trunc('day', now() at time zone 'UTC') - make_interval(days => %(days)s)) at time zone 'UTC'
        order by at limit %(limit)s
    ) oldest
)
returning id, at, actor, address, action, object, before, after
