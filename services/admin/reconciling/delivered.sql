-- name: delivered_studies
-- What a station was sent within a time; asked for an hour at a time, so that the ledger's size does not matter.
-- It may have gone under other UIDs than it is stored under; study: the one it went under.
select distinct coalesce(sent -> 'uids' ->> study_instance_uid, study_instance_uid) as study,
       study_instance_uid as stored_study
from routing.delivery_view
where destination = %(title)s and state in ('DELIVERED', 'WARNED')
  and finished_at >= %(since)s and finished_at < %(until)s

-- name: delivered_instances
-- Everything the station was ever sent of a study under these UIDs: a count is compared with all of it.
select coalesce(d.sent_sop_instance_uid, d.sop_instance_uid) as sop_instance_uid, d.sop_instance_uid as stored_uid,
       coalesce(max(coalesce(d.sent -> 'uids' ->> i.series_instance_uid, i.series_instance_uid)), '')
           as series_instance_uid,
       coalesce(bool_or(i.state = 'STORED'), false) as stored
from routing.delivery_view d
left join storage.identity_view i on i.sop_instance_uid = d.sop_instance_uid and i.study_instance_uid = d.study_instance_uid
where d.study_instance_uid = %(stored_study)s and d.destination = %(title)s and d.state in ('DELIVERED', 'WARNED')
  and coalesce(d.sent -> 'uids' ->> d.study_instance_uid, d.study_instance_uid) = %(study)s
group by 1, 2 order by 1, 2

-- name: begin
insert into config.reconciliation (id, title, requested_by, since, until, holder, lease_until)
values (%(id)s, %(title)s, %(actor)s, now() - %(since)s::interval, now(), %(holder)s,
        now() + make_interval(secs => %(lease)s))
returning id, title, since, until

-- name: claim_night
-- One station whose night it is and that nobody works on: never begun, or its worker was silent. A night begins at its
-- hour and is caught up with for some hours; it reaches back to where the last one ended.
with night as (
    select (now() at time zone 'UTC' - %(at)s::interval)::date as date,
           now() at time zone 'UTC' - date_trunc('day', now() at time zone 'UTC' - %(at)s::interval) - %(at)s::interval
               < %(catch_up)s::interval as on
), due as (
    select s.title, n.date,
           greatest(coalesce(max(r.until) filter (where r.finished_at is not null), now() - %(first)s::interval),
                    now() - %(furthest)s::interval) as since
    from config.station s cross join night n
    left join config.reconciliation r on r.title = s.title and r.night is not null
    where s.reconcile and s.enabled and n.on
    group by s.title, n.date
    having count(*) filter (where r.night = n.date
                            and (r.finished_at is not null
                                 or not runtime.lease_expired(r.lease_until, make_interval(secs => %(lease)s)))) = 0
    order by s.title limit 1
)
insert into config.reconciliation as r (id, title, night, requested_by, since, until, holder, lease_until)
select gen_random_uuid(), d.title, d.date, %(actor)s, d.since, now() - %(settle)s::interval, %(holder)s,
       now() + make_interval(secs => %(lease)s)
from due d
on conflict (title, night) do update set holder = excluded.holder, lease_until = excluded.lease_until, started_at = now(),
    until = excluded.until
where r.finished_at is null and runtime.lease_expired(r.lease_until, make_interval(secs => %(lease)s))
returning id, title, since, until

-- name: renew
update config.reconciliation set lease_until = now() + make_interval(secs => %(lease)s)
where id = %(id)s and holder = %(holder)s and finished_at is null returning id

-- name: finish
-- In the transaction of what is sent again, and only by who still holds it: so that is asked for once.
update config.reconciliation set finished_at = now(), studies = %(studies)s, instances = %(instances)s,
    missing = %(missing)s, sent_again = %(sent_again)s, result = %(result)s, fault = ''
where id = %(id)s and holder = %(holder)s and finished_at is null returning id

-- name: fail
-- It is tried again when the lease ends.
update config.reconciliation set fault = %(fault)s where id = %(id)s and holder = %(holder)s and finished_at is null

-- name: history
select id, title, night, requested_by, since, until, started_at, finished_at, studies, instances, missing, sent_again, fault
from config.reconciliation where title = %(title)s order by started_at desc limit %(limit)s

-- name: last_nights
select distinct on (r.title) r.title, r.missing, r.fault <> '' and r.finished_at is null as failing
from config.reconciliation r join config.station s on s.title = r.title and s.reconcile
where r.night is not null order by r.title, r.night desc
