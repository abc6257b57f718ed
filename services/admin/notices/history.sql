-- name: list_notices
select n.event as id, e.kind, e.at, e.stations, e.rule, e.facts, n.contact, n.channel, n.state, n.made_at, n.ended_at,
       n.fault
from config.notice n join config.notice_event e on e.id = n.event
where (%(contact)s::text is null or n.contact = %(contact)s)
  and (%(state)s::text is null or n.state = %(state)s)
  and (%(kind)s::text is null or e.kind = %(kind)s)
  and (%(after_at)s::timestamptz is null
       or (n.made_at, n.event || ' ' || n.contact || ' ' || n.channel) < (%(after_at)s, %(after_key)s::text))
order by n.made_at desc, n.event || ' ' || n.contact || ' ' || n.channel desc limit %(limit)s

-- name: failing_lines
-- Channels by which nothing arrives now.
select contact, channel, failing_since, failures, next_attempt_at, fault from config.notice_line
where failing_since is not null order by failing_since

-- name: given_up
select count(*) as given_up from config.notice
where state = 'GIVEN UP' and tried_at is not null and ended_at > now() - interval '1 day'
  and made_at > now() - interval '30 days'
