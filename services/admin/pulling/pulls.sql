-- name: add_pulls
insert into config.pull (title)
select s.title from config.station s
where s.pull_minutes > 0 and not exists (select from config.pull p where p.title = s.title)
on conflict (title) do nothing

-- name: claim_pull
-- A station that it is time to ask and that nobody asks: never, long enough ago, or its worker was silent. A station
-- that could not be asked is asked more and more seldom, up to every hour.
with due as (
    select p.title, s.pull_days, s.pull_modalities
    from config.pull p join config.station s on s.title = p.title
    where s.pull_minutes > 0 and s.enabled and s.query_retrieve
      and case when p.asked_at is null then true
               when p.finished_at is null
                   then runtime.lease_expired(p.lease_until, make_interval(secs => %(lease)s))
               else p.asked_at + make_interval(mins => greatest(
                        s.pull_minutes,
                        case when p.failures > 0 then least(60, 2 ^ least(p.failures - 1, 6))::int else 0 end)) <= now()
          end
    order by p.asked_at nulls first, p.title
    limit 1
    for update of p skip locked
)
update config.pull p set asked_at = now(), finished_at = null, holder = %(holder)s,
    lease_until = now() + make_interval(secs => %(lease)s)
from due d where p.title = d.title
returning p.title, to_char(now() at time zone 'UTC' - make_interval(days => d.pull_days), 'YYYYMMDD') as since,
          d.pull_modalities as modalities

-- name: renew
update config.pull set lease_until = now() + make_interval(secs => %(lease)s)
where title = %(title)s and holder = %(holder)s and finished_at is null returning title

-- name: held
-- How many instances of each study were ever here, deleted ones too: what was deleted here is not pulled again.
select study_instance_uid as study, count(distinct sop_instance_uid) as held from storage.identity_view
where study_instance_uid = any(%(studies)s::text[]) group by study_instance_uid

-- name: pulled
-- What is known of the studies from the times before. A request that was not carried out within a week never is.
select p.study_instance_uid as study, p.told, p.complete, p.attempts,
       coalesce(p.next_at <= now(), true) as due,
       p.request is not null and p.pulled_at > now() - interval '7 days'
           and case when d.request is null then true
                    else exists (select from routing.job_view j
                                 where j.id = (d.result ->> 'job')::uuid and j.finished_at is null) end as under_way
from config.pulled p
left join routing.request_done_view d on d.request = p.request
where p.title = %(title)s and p.study_instance_uid = any(%(studies)s::text[])

-- name: record_complete
-- Written when something is new, and else once a day.
insert into config.pulled as p (title, study_instance_uid, told, complete)
select %(title)s, u.study, u.told, u.complete
from unnest(%(study)s::text[], %(told)s::int[], %(complete)s::int[]) as u(study, told, complete)
on conflict (title, study_instance_uid) do update set
    told = excluded.told, complete = greatest(p.complete, excluded.complete), attempts = 0, next_at = null,
    request = null, seen_at = now()
where p.attempts > 0 or p.complete is null or p.complete < excluded.complete or p.seen_at < now() - interval '1 day'

-- name: record_pulls
insert into config.pulled as p (title, study_instance_uid, told, attempts, next_at, request, pulled_at)
select %(title)s, u.study, u.told, u.attempts, now() + make_interval(secs => u.wait), u.request, now()
from unnest(%(study)s::text[], %(told)s::int[], %(attempts)s::int[], %(wait)s::double precision[], %(request)s::uuid[])
         as u(study, told, attempts, wait, request)
on conflict (title, study_instance_uid) do update set
    told = excluded.told, attempts = excluded.attempts, next_at = excluded.next_at, request = excluded.request,
    pulled_at = now(), seen_at = now()

-- name: record_seen
update config.pulled set seen_at = now()
where title = %(title)s and study_instance_uid = any(%(study)s::text[]) and seen_at < now() - interval '1 day'

-- name: forget
-- Out of the days that the station is asked about: what is within them is seen every day.
delete from config.pulled where title = %(title)s and seen_at < now() - interval '30 days'

-- name: finish
-- In the transaction of what is asked for, and only by who still holds it: so that is asked for once.
update config.pull set finished_at = now(), failures = 0, fault = '', studies = %(studies)s, pulled = %(pulled)s,
    under_way = %(under_way)s, missing = %(missing)s
where title = %(title)s and holder = %(holder)s and finished_at is null returning title

-- name: break_off
update config.pull set finished_at = now(), failures = failures + %(failed)s::boolean::int, fault = %(fault)s
where title = %(title)s and holder = %(holder)s and finished_at is null

-- name: measures
select p.title, p.missing, p.failures > 0 as failing
from config.pull p join config.station s on s.title = p.title and s.pull_minutes > 0
