-- name: lock_destination
-- Claims and results of one destination follow one another, whichever process they come from.
select pg_advisory_xact_lock(hashtextextended('routing.delivery:' || %(destination)s, 0))

-- name: due_destinations
-- Those of the given destinations that have something due and whose circuit and pace let it go. echoes: while a circuit
-- is open nothing but a C-ECHO goes there.
select titles.title
from unnest(%(titles)s::text[]) as titles(title)
where exists (
    select from (values (4), (3), (2), (1), (0)) as p(priority)
    cross join lateral (
        select from routing.delivery w
        where w.destination = titles.title and w.state in ('PENDING', 'UNKNOWN') and w.priority = p.priority
          and w.next_attempt_at <= now()
        order by w.next_attempt_at, w.id
        limit 1
    ) as due
) and not exists (
    select from routing.destination d
    where d.title = titles.title
      and (d.circuit <> 'CLOSED' and d.retry_at > now() or d.circuit = 'OPEN' and %(echoes)s or d.paced_until > now())
)

-- name: claim
-- The next deliveries by priority and time, each instance at most once and never while it is being sent. What a newer
-- revision overtook ends SUPERSEDED instead, what the profile never sends FAILED, and what is kept no more. Where the
-- object is, storage knows: it may have moved to a duplicate's.
-- What is held, or beyond its schedule, is passed over until it is parked. newest: of one priority the last in line first, by the same index.
with held as materialized (
    select kind, name from config.hold_view where in_force
), open as materialized (
    select schedule from routing.opening where opens_at <= now() and now() < closes_at
), shut as materialized (
    select from config.station_view s
    where s.title = %(destination)s and s.schedule <> '{}' and s.schedule not in (select schedule from open)
), busy as materialized (
    select sop_instance_uid from routing.delivery where destination = %(destination)s and state = 'SENDING'
), due as materialized (
    select d.*
    from (values (4), (3), (2), (1), (0)) as p(priority)
    cross join lateral (
        select * from (
            select w.received_at, w.id, w.sop_instance_uid, w.revision, w.state as state_before
            from routing.delivery w
            where not %(newest)s and not exists (select from shut)
              and w.destination = %(destination)s and w.state in ('PENDING', 'UNKNOWN') and w.priority = p.priority
              and w.next_attempt_at <= now()
              and w.sop_instance_uid not in (select sop_instance_uid from busy)
              and (w.schedule is null or w.schedule in (select schedule from open))
              and not exists (
                  select from held h
                  where h.name = case h.kind when 'station' then w.destination when 'rule' then w.rule else w.source end)
            order by w.next_attempt_at, w.id
            limit %(most)s
            for update skip locked
        ) as oldest
        union all
        select * from (
            select w.received_at, w.id, w.sop_instance_uid, w.revision, w.state as state_before
            from routing.delivery w
            where %(newest)s and not exists (select from shut)
              and w.destination = %(destination)s and w.state in ('PENDING', 'UNKNOWN') and w.priority = p.priority
              and w.next_attempt_at <= now()
              and w.sop_instance_uid not in (select sop_instance_uid from busy)
              and (w.schedule is null or w.schedule in (select schedule from open))
              and not exists (
                  select from held h
                  where h.name = case h.kind when 'station' then w.destination when 'rule' then w.rule else w.source end)
            order by w.next_attempt_at desc, w.id desc
            limit %(most)s
            for update skip locked
        ) as newest
    ) as d
    limit %(most)s
), chosen as (
    select distinct on (sop_instance_uid) received_at, id, sop_instance_uid, revision, state_before,
           exists (select from routing.delivery n
                   where n.sop_instance_uid = due.sop_instance_uid and n.destination = %(destination)s
                     and n.revision > due.revision and n.state <> 'CANCELED'
                     and exists (select from storage.identity_view k  -- else forgotten: its number was given anew
                                 where k.sop_instance_uid = n.sop_instance_uid and k.revision = n.revision)) as overtaken
    from due order by sop_instance_uid, revision, id
), known as (
    select c.*, i.object_key, i.data_set_offset, i.series_instance_uid,
           coalesce(i.state in ('STORED', 'DAMAGED'), false) as kept
    from chosen c
    left join storage.identity_view i on i.sop_instance_uid = c.sop_instance_uid and i.revision = c.revision
)
update routing.delivery d set
    state = case when c.overtaken then 'SUPERSEDED'
                 when not c.kept or d.sop_class_uid = any(%(unsendable)s::text[]) then 'FAILED'
                 else 'SENDING' end,
    reason = case when c.overtaken then 'a newer revision goes to the same destination'
                  when not c.kept then %(gone_reason)s
                  when d.sop_class_uid = any(%(unsendable)s::text[]) then %(unsendable_reason)s
                  else d.reason end,
    finished_at = case when c.overtaken or not c.kept or d.sop_class_uid = any(%(unsendable)s::text[]) then now() end,
    lease_holder = %(holder)s,
    lease_until = now() + make_interval(secs => %(lease)s)
from known c
where d.received_at = c.received_at and d.id = c.id
returning d.received_at, d.id, d.sop_instance_uid, d.revision, d.destination, d.job, d.study_instance_uid,
          coalesce(c.object_key, d.object_key) as object_key, d.object_key as receipt_key,
          coalesce(c.data_set_offset, d.data_set_offset) as data_set_offset, d.size, d.sha256, d.sop_class_uid, d.transfer_syntax_uid, d.priority,
          d.state, d.attempts, d.reason, d.next_attempt_at, d.waiting_since, c.state_before, now() as claimed_at, d.rule,
          d.source, d.schedule, d.transformation, coalesce(c.series_instance_uid, '') as series_instance_uid,
          (select j.skip_present from routing.job j where j.id = d.job) as skip_present

-- name: select_withdrawn
-- Those of the given deliveries that a person cancelled, one by one or with their job.
select d.id
from unnest(%(received_at)s::timestamptz[], %(id)s::bigint[]) as k(received_at, id)
join routing.delivery d on d.received_at = k.received_at and d.id = k.id
join routing.job j on j.id = d.job
where d.withdrawn is not null or j.state = 'CANCELED'

-- name: renew_leases
update routing.delivery set lease_until = now() + make_interval(secs => %(lease)s)
where destination = %(destination)s and state = 'SENDING' and lease_holder = %(holder)s and id = any(%(ids)s::bigint[])

-- name: record_results
-- keep: the delivery stays where it was in the order; delay null: it waits for a person.
-- commit_on is who is to be asked now that the instance is there (R71): as the stations are at this moment.
-- Only the holder of the lease writes, and after it ran out (UNKNOWN, or CANCELED by a person since) only that the
-- receiver has the instance.
update routing.delivery d set
    state = case when r.state in ('PENDING', 'UNKNOWN') and (d.withdrawn is not null or j.state = 'CANCELED')
                 then 'CANCELED' else r.state end,
    status = r.status,
    reason = case when r.state in ('PENDING', 'UNKNOWN') and (d.withdrawn is not null or j.state = 'CANCELED')
                  then left(concat_ws('; ', coalesce(d.withdrawn, j.reason), nullif(r.reason, '')), 500)
                  else r.reason end,
    attempts = d.attempts + r.tried,
    next_attempt_at = case when r.keep then d.next_attempt_at
                           when r.delay is null then 'infinity'
                           else now() + make_interval(secs => r.delay) end,
    lease_until = null,
    sent = coalesce(r.sent, d.sent),
    finished_at = case when r.state in ('PENDING', 'UNKNOWN') and d.withdrawn is null and j.state <> 'CANCELED'
                       then null else now() end,
    commit_on = case when %(commitment)s and r.state in ('DELIVERED', 'WARNED') and d.commit is distinct from false
                     then (select c.server from config.commitment_server_view c where c.destination = d.destination)
                end
from unnest(%(received_at)s::timestamptz[], %(id)s::bigint[], %(state)s::text[], %(status)s::int[], %(reason)s::text[],
            %(tried)s::int[], %(keep)s::boolean[], %(delay)s::double precision[], %(sent)s::jsonb[])
         as r(received_at, id, state, status, reason, tried, keep, delay, sent), routing.job j
where d.received_at = r.received_at and d.id = r.id and j.id = d.job and d.lease_holder = %(holder)s
  and (d.state = 'SENDING' or (d.state in ('UNKNOWN', 'CANCELED') and r.state in ('DELIVERED', 'WARNED')))
returning d.id, d.job, d.state, d.destination, d.sop_instance_uid, d.revision, d.study_instance_uid, d.commit_on

-- name: insert_attempts
-- What was recorded in a COMMIT whose answer was lost comes again: of one claim an outcome is inserted once.
insert into routing.attempt (delivery, association, status, outcome, reason, milliseconds, sent_sha256)
select u.delivery, u.association, u.status, u.outcome, u.reason, u.milliseconds, u.sent_sha256
from unnest(%(delivery)s::bigint[], %(association)s::text[], %(status)s::int[], %(outcome)s::text[],
            %(reason)s::text[], %(milliseconds)s::int[], %(sent_sha256)s::text[], %(claimed_at)s::timestamptz[])
         as u(delivery, association, status, outcome, reason, milliseconds, sent_sha256, claimed_at)
where not exists (
    select from routing.attempt a
    where a.delivery = u.delivery and a.association = u.association and a.outcome = u.outcome and a.at > u.claimed_at)

-- name: expire_leases
-- The worker died or could not renew: nobody knows whether its instances arrived. What a person cancelled meanwhile is
-- not sent again to find out.
with expired as (
    update routing.delivery d set
        state = case when d.withdrawn is not null or j.state = 'CANCELED' then 'CANCELED' else 'UNKNOWN' end,
        attempts = d.attempts + 1, lease_until = null,
        reason = case when d.withdrawn is not null or j.state = 'CANCELED'
                      then left(concat_ws('; ', coalesce(d.withdrawn, j.reason), %(reason)s::text), 500)
                      else %(reason)s::text end,
        next_attempt_at = case when d.destination = any(%(held)s::text[]) then 'infinity'::timestamptz else now() end,
        finished_at = case when d.withdrawn is not null or j.state = 'CANCELED' then now() end
    from routing.job j
    where j.id = d.job
      and d.state = 'SENDING' and runtime.lease_expired(d.lease_until, make_interval(secs => %(lease)s))
    returning d.id, d.destination, d.job, d.state
), attempts as (
    insert into routing.attempt (delivery, outcome, reason) select id, 'UNKNOWN', %(reason)s from expired
)
select destination, count(*) as deliveries,
       coalesce(array_agg(distinct job) filter (where state = 'CANCELED'), '{}') as canceled
from expired group by destination

-- name: give_up
-- What has waited in vain without being tried at the end: a disabled or unknown station, an open circuit.
with given_up as (
    select received_at, id from routing.delivery
    where destination = %(destination)s and state in ('PENDING', 'UNKNOWN') and next_attempt_at < 'infinity'
      and waiting_since <= now() - make_interval(hours => %(retry_hours)s)
    limit 1000
    for update skip locked
)
update routing.delivery d set
    state = 'FAILED', finished_at = now(), lease_until = null,
    reason = left('given up after ' || %(retry_hours)s::int || case %(retry_hours)s::int when 1 then ' hour: ' else ' hours: ' end || d.reason, 500)
from given_up g where d.received_at = g.received_at and d.id = g.id
returning d.job

-- name: give_up_due
-- The station's failures of this kind are not tried again: what is due has FAILED.
with given_up as (
    select received_at, id from routing.delivery
    where destination = %(destination)s and state in ('PENDING', 'UNKNOWN') and next_attempt_at <= now()
    limit %(most)s
    for update skip locked
)
update routing.delivery d set state = 'FAILED', finished_at = now(), lease_until = null, reason = %(reason)s
from given_up g where d.received_at = g.received_at and d.id = g.id
returning d.job

-- name: end_deleted
-- What waits for an instance that was deleted ends, also what no claim comes to because it is parked or collected: its
-- object stays until then. age: an erasure gives up by itself what it finds.
with gone as materialized (
    select i.sop_instance_uid, i.revision
    from storage.receipt_view r
    join storage.identity_view i on i.sop_instance_uid = r.sop_instance_uid and i.revision = r.revision
    where r.object_state = 'DELETING' and i.state = 'DELETING' and i.state_at < now() - make_interval(secs => %(age)s)
), waiting as (
    select d.received_at, d.id
    from gone g
    join routing.delivery d on d.sop_instance_uid = g.sop_instance_uid and d.revision = g.revision
    where d.state in ('PENDING', 'UNKNOWN')
    limit %(most)s
    for update of d skip locked
)
update routing.delivery d set state = 'FAILED', finished_at = now(), lease_until = null, reason = %(reason)s
from waiting w where d.received_at = w.received_at and d.id = w.id
returning d.job, d.destination

-- name: waiting_destinations
-- Every destination with something due or waiting, found by jumping from title to title in the index of work.
with recursive titles as (
    (select min(destination) as title from routing.delivery where state in ('PENDING', 'UNKNOWN'))
    union all
    select (select min(d.destination) from routing.delivery d
            where d.state in ('PENDING', 'UNKNOWN') and d.destination > titles.title)
    from titles where titles.title is not null
)
select title from titles where title is not null

-- name: oldest_pending
-- Age in seconds of the oldest delivery that may go, by what it has waited; 0 if nothing waits.
select coalesce(extract(epoch from now() - min(waiting_since)), 0)::double precision as age, count(*) as deliveries
from routing.delivery
where destination = %(destination)s and state in ('PENDING', 'UNKNOWN') and next_attempt_at < 'infinity'
