-- name: since
-- Nobody is told of what was before there was anybody to tell, nor of what is older than a week.
select greatest(min(created_at), now() - interval '7 days') as since from config.contact where enabled

-- name: find_failed_jobs
-- A job that is retried and fails again is told again.
insert into config.notice_event (kind, subject, at, stations, rule, facts)
select 'job-failed', s.subject, j.finished_at,
       array(select distinct title from unnest(array[j.destination, j.source] || array(
           select distinct d.source from routing.delivery_view d where d.job = j.id)) as title where title <> ''),
       j.rule,
       jsonb_build_object('job', j.id, 'kind', j.kind, 'study', j.study_instance_uid, 'destination', j.destination,
                          'source', j.source, 'rule', j.rule, 'failed', j.failed, 'total', j.total)
from routing.job_view j
cross join lateral (select j.id || ' ' || extract(epoch from j.finished_at) as subject) s
where j.state = 'FAILED' and j.finished_at >= %(since)s
  and not exists (select from config.notice_event e where e.kind = 'job-failed' and e.subject = s.subject)
on conflict (kind, subject) do nothing

-- name: find_dead_letters
insert into config.notice_event (kind, subject, at, facts)
select 'dead-letter', d.id::text, d.died_at,
       jsonb_build_object('number', d.id, 'queue', d.queue, 'type', d.message_type)
from runtime.dead_letter d
where d.state = 'PARKED' and d.died_at >= %(since)s
  and not exists (select from config.notice_event e where e.kind = 'dead-letter' and e.subject = d.id::text)
on conflict (kind, subject) do nothing

-- name: find_overdue_commitments
-- R80: those that failed because no report came by their deadline. Others that failed were answered, or never asked.
insert into config.notice_event (kind, subject, at, stations, facts)
select 'commitment-overdue', c.id::text, c.finished_at,
       array(select distinct title from unnest(array[c.destination, c.server]) as title),
       jsonb_build_object('commitment', c.id, 'server', c.server, 'destination', c.destination,
                          'study', c.study_instance_uid, 'total', c.total,
                          'deadline', to_char(c.deadline at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'))
from commitment.commitment_view c
where c.state = 'FAILURE' and c.finished_at >= %(since)s and c.finished_at >= c.deadline
  and not exists (select from config.notice_event e where e.kind = 'commitment-overdue' and e.subject = c.id::text)
on conflict (kind, subject) do nothing

-- name: insert_silences
-- Once for each silence: until something comes again.
insert into config.notice_event (kind, subject, stations, facts)
select 'modality-silent', t.subject, array[s.title],
       jsonb_build_object('station', s.title, 'hours', s.hours,
                          'heard', to_char(s.heard_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'))
from unnest(%(title)s::text[], %(hours)s::int[], %(heard_at)s::timestamptz[]) as s (title, hours, heard_at)
cross join lateral (select s.title || ' ' || coalesce(extract(epoch from s.heard_at)::text, 'never') as subject) t
where not exists (select from config.notice_event e where e.kind = 'modality-silent' and e.subject = t.subject)
on conflict (kind, subject) do nothing

-- name: take_new_events
select id, kind, at, stations, rule, facts from config.notice_event
where addressed_at is null order by id limit %(limit)s
for update skip locked

-- name: insert_notices
insert into config.notice (event, contact, channel)
select event, contact, channel
from unnest(%(events)s::bigint[], %(contacts)s::text[], %(channels)s::text[]) as n(event, contact, channel)
on conflict do nothing

-- name: mark_addressed
update config.notice_event set addressed_at = now() where id = any(%(events)s::bigint[])

-- name: forget_old_events
delete from config.notice_event where at < now() - make_interval(days => %(days)s)
