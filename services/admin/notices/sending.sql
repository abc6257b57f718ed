-- name: drop_notices
-- Whose contact is gone, switched off, or told by that channel no longer.
update config.notice n set state = 'GIVEN UP', ended_at = now(), fault = 'the contact is not told by that channel any more'
where n.state = 'WAITING' and not exists (
    select from config.contact c where c.name = n.contact and c.enabled
    and case n.channel when 'mail' then cardinality(c.mails) > 0 else c.webhook is not null end)

-- name: waiting_lines
-- By line and kind, since when something waits; lines that nobody sends by and whose time has come.
select n.contact, n.channel, e.kind, min(n.made_at) as oldest, l.sent_at, now() as now
from config.notice n
join config.notice_event e on e.id = n.event
left join config.notice_line l on l.contact = n.contact and l.channel = n.channel
where n.state = 'WAITING' and coalesce(l.next_attempt_at <= now(), true)
  and (l.lease_until is null or runtime.lease_expired(l.lease_until, make_interval(secs => %(lease)s)))
group by n.contact, n.channel, e.kind, l.sent_at
order by min(n.made_at)

-- name: claim_line
-- One process at a time; only if nobody has sent by it since it was looked at.
insert into config.notice_line as l (contact, channel, holder, lease_until)
values (%(contact)s, %(channel)s, %(holder)s, now() + make_interval(secs => %(lease)s))
on conflict (contact, channel) do update set holder = excluded.holder, lease_until = excluded.lease_until
    where l.next_attempt_at <= now() and l.sent_at is not distinct from %(sent_at)s
      and (l.lease_until is null or runtime.lease_expired(l.lease_until, make_interval(secs => %(lease)s)))
returning contact

-- name: take_notices
with taken as (
    select n.event from config.notice n join config.notice_event e on e.id = n.event
    where n.contact = %(contact)s and n.channel = %(channel)s and n.state = 'WAITING' and e.kind = any(%(kinds)s::text[])
    order by n.made_at, n.event limit %(limit)s
), tried as (
    update config.notice n set tried_at = coalesce(n.tried_at, now()) from taken t
    where n.event = t.event and n.contact = %(contact)s and n.channel = %(channel)s
)
select e.id, e.kind, e.at, e.stations, e.rule, e.facts from config.notice_event e join taken t on t.event = e.id
order by e.id

-- name: release_line
update config.notice_line set holder = null, lease_until = null
where contact = %(contact)s and channel = %(channel)s and holder = %(holder)s

-- name: line_sent
update config.notice_line set holder = null, lease_until = null, failures = 0, failing_since = null,
    next_attempt_at = '-infinity', sent_at = now(), fault = ''
where contact = %(contact)s and channel = %(channel)s and holder = %(holder)s

-- name: notices_sent
update config.notice set state = 'SENT', ended_at = now(), fault = %(remark)s
where contact = %(contact)s and channel = %(channel)s and event = any(%(events)s::bigint[]) and state = 'WAITING'

-- name: line_failed
-- Tried again after 15 s, 30 s … 30 minutes.
update config.notice_line set holder = null, lease_until = null, failures = failures + 1,
    failing_since = coalesce(failing_since, now()), fault = %(fault)s,
    next_attempt_at = now() + make_interval(secs => least(1800, 15 * 2 ^ least(failures, 10)))
where contact = %(contact)s and channel = %(channel)s and holder = %(holder)s

-- name: notices_failed
update config.notice set fault = %(fault)s,
    state = case when tried_at <= now() - interval '1 day' then 'GIVEN UP' else state end,
    ended_at = case when tried_at <= now() - interval '1 day' then now() end
where contact = %(contact)s and channel = %(channel)s and event = any(%(events)s::bigint[]) and state = 'WAITING'
returning event, state

-- name: measure_waiting
select count(*) as waiting, coalesce(extract(epoch from now() - min(made_at)), 0)::double precision as seconds
from config.notice where state = 'WAITING'
