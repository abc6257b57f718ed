-- name: lock_jobs
-- A statement of its own, so that the next one sees what the former holder committed.
select id from routing.job where id = any(%(jobs)s::uuid[]) order by id for update

-- name: activate_jobs
-- Never waits for a job that someone else is working on: whoever that is sets its state.
update routing.job set state = 'ACTIVE', started_at = coalesce(started_at, now())
where id in (select id from routing.job where id = any(%(jobs)s::uuid[]) and state = 'QUEUED' for update skip locked)

-- name: tally_jobs
-- withdrawn: by whom so many were cancelled, or rerouted where.
select j.id, j.state, j.started_at is not null as started, w.waiting,
       coalesce(t.total, 0) as total, coalesce(t.failed, 0) as failed, coalesce(t.canceled, 0) as canceled,
       coalesce(t.reason, '') as reason, coalesce(c.withdrawn, '[]') as withdrawn
from routing.job j
cross join lateral (
    select exists (select from routing.delivery d
                   where d.job = j.id and d.state in ('PENDING', 'SENDING', 'UNKNOWN')) as waiting
) as w
left join lateral (
    select count(*) as total,
           count(*) filter (where d.state = 'FAILED') as failed,
           count(*) filter (where d.state = 'CANCELED') as canceled,
           min(d.reason) filter (where d.state = 'FAILED') as reason
    from routing.delivery d where d.job = j.id
) as t on not w.waiting
left join lateral (
    select jsonb_agg(jsonb_build_array(g.why, g.count) order by g.count desc, g.why) as withdrawn
    from (select coalesce(d.withdrawn, nullif(d.reason, ''), 'cancelled') as why, count(*) as count
          from routing.delivery d where d.job = j.id and d.state = 'CANCELED' and t.canceled > 0
          group by 1 order by 2 desc limit 5) as g
) as c on true
where j.id = any(%(jobs)s::uuid[])

-- name: update_jobs
-- reason null: leave what is there.
update routing.job j set
    state = u.state,
    reason = coalesce(u.reason, j.reason),
    finished_at = case when u.finished and j.state = u.state then coalesce(j.finished_at, now())
                       when u.finished then now() end
from unnest(%(id)s::uuid[], %(state)s::text[], %(reason)s::text[], %(finished)s::boolean[])
         as u(id, state, reason, finished)
where j.id = u.id and (j.state <> u.state or j.reason <> coalesce(u.reason, j.reason))

-- name: open_instance_jobs
-- Jobs of level instance that take in more: open ones, and those completed so recently that the study still arrives.
select id, rule_set, rule, destination, study_instance_uid
from routing.job
where (rule_set, rule, destination, study_instance_uid) in (
        select * from unnest(%(rule_set)s::int[], %(rule)s::text[], %(destination)s::text[], %(study)s::text[]))
  and level = 'instance' and request is null
  and (finished_at is null
       or (state = 'COMPLETED' and finished_at > now() - make_interval(secs => %(reopen_seconds)s)))
order by id
for update

-- name: reopen_jobs
update routing.job set state = 'ACTIVE', finished_at = null
where id = any(%(jobs)s::uuid[]) and state = 'COMPLETED'

-- name: insert_instance_jobs
insert into routing.job (id, kind, destination, study_instance_uid, group_uid, rule_set, rule, level, priority,
                         last_received_at, released_at)
select u.id, 'send', u.destination, u.study, u.study, u.rule_set, u.rule, 'instance', u.priority, now(), now()
from unnest(%(id)s::uuid[], %(rule_set)s::int[], %(rule)s::text[], %(destination)s::text[], %(study)s::text[],
            %(priority)s::int[]) as u(id, rule_set, rule, destination, study, priority)

-- name: collect_jobs
-- The collecting job of each group, made or extended. A released one no longer conflicts: late arrivals make a new job.
-- The newest rule set that has sent it something says what the job waits for.
insert into routing.job as j (id, kind, destination, study_instance_uid, group_uid, rule_set, rule, level, priority,
                              quiet, last_received_at, required, met, by_release, counted_at)
select u.id, 'send', u.destination, u.study, u.group_uid, u.rule_set, u.rule, u.level, u.priority,
       make_interval(secs => u.quiet), u.last_received_at,
       array(select jsonb_array_elements_text(u.required)), array(select jsonb_array_elements_text(u.met)),
       u.by_release, u.counted_at
from unnest(%(id)s::uuid[], %(rule_set)s::int[], %(rule)s::text[], %(destination)s::text[], %(study)s::text[],
            %(group_uid)s::text[], %(level)s::text[], %(priority)s::int[], %(quiet)s::double precision[],
            %(last_received_at)s::timestamptz[], %(required)s::jsonb[], %(met)s::jsonb[],
            %(by_release)s::boolean[], %(counted_at)s::text[])
         as u(id, rule_set, rule, destination, study, group_uid, level, priority, quiet, last_received_at, required,
              met, by_release, counted_at)
on conflict (rule, level, destination, group_uid) where released_at is null and request is null and level <> 'instance'
do update set rule_set = greatest(j.rule_set, excluded.rule_set),
              quiet = case when excluded.rule_set > j.rule_set then excluded.quiet else j.quiet end,
              priority = case when excluded.rule_set > j.rule_set then excluded.priority else j.priority end,
              required = case when excluded.rule_set > j.rule_set then excluded.required else j.required end,
              last_received_at = greatest(j.last_received_at, excluded.last_received_at),
              met = array(select distinct unnest(j.met || excluded.met)),
              by_release = j.by_release and excluded.by_release,
              counted_at = case when j.counted_at = excluded.counted_at then j.counted_at else '' end
returning id, rule, level, destination, group_uid

-- name: insert_associations
insert into routing.job_association (job, association)
select * from unnest(%(job)s::uuid[], %(association)s::text[])
on conflict do nothing

-- name: delete_associations
delete from routing.job_association where job = any(%(jobs)s::uuid[])

-- name: delete_questions
-- What its source said of how many there are, unless another job still collects them: what comes late is asked anew.
delete from routing.count_question q using routing.job j
where j.id = any(%(jobs)s::uuid[]) and q.source = j.counted_at and q.level = j.level and q.group_uid = j.group_uid
  and not exists (select from routing.job o
                  where o.released_at is null and o.counted_at = q.source and o.level = q.level
                    and o.group_uid = q.group_uid)

-- name: select_releasable
-- Collecting jobs that are complete: below storage's watermark (P7), and with nothing of the study that is recorded and
-- not evaluated yet, all that is required is there, or all associations by which it came were released, or as many
-- instances have come from the source as it said there are, or the quiet time has passed.
select j.id, j.destination, s.completed_by
from routing.job j
cross join storage.watermark_view w
left join routing.count_question q on q.source = j.counted_at and q.level = j.level and q.group_uid = j.group_uid
cross join lateral (
    select case when j.required <> '{}' and j.required <@ j.met then 'required content'
                when j.by_release and not exists (
                    select from routing.job_association a
                    left join routing.ended_association e on e.association = a.association
                    where a.job = j.id and (e.ended_at is null or e.ended_at > w.recorded_through)
                ) then 'association release'
                when q.received >= q.expected then 'expected counts: ' || q.expected
                when j.last_received_at + j.quiet <= w.recorded_through
                then 'quiet time' || coalesce('; ' || nullif(q.fault, ''), '') end as completed_by
) as s
where j.released_at is null and j.last_received_at <= w.recorded_through
  and s.completed_by is not null
  and not exists (
      select from storage.receipt_view r
      where r.study_instance_uid = j.study_instance_uid and r.disposition in ('NEW', 'REVISION')
        and not exists (select from routing.evaluation e
                        where e.received_at = r.received_at and e.object_key = r.object_key))
order by j.last_received_at
limit 100
for update of j skip locked

-- name: release_jobs
update routing.job j set released_at = now(), completed_by = u.completed_by
from unnest(%(jobs)s::uuid[], %(completed_by)s::text[]) as u(id, completed_by) where j.id = u.id

-- name: release_deliveries
-- What waits for a commitment is let go by that.
update routing.delivery set next_attempt_at = now(), waiting_since = now()
where job = any(%(jobs)s::uuid[]) and state = 'PENDING' and next_attempt_at = 'infinity'
  and awaits is null and hold is null and shut is null

-- name: notify
select pg_notify('routing_work', title) from unnest(%(titles)s::text[]) as titles(title)

-- name: notify_canceled
select pg_notify('routing_canceled', '')
