-- Configuration: each change is made by one transaction that begins with lock_generation, so that changes are serial.

-- name: lock_generation
select number, rule_set from config.generation for update

-- name: change_generation
update config.generation set number = number + 1, rule_set = coalesce(%(rule_set)s, rule_set), changed_at = now()
returning number

-- name: notify_config_changed
select pg_notify('config_changed', %(number)s)

-- name: insert_audit_entry
insert into audit.entry (actor, action, object, before, after, address)
values (%(actor)s, %(action)s, %(object)s, %(before)s, %(after)s, %(address)s)

-- name: list_stations
select * from config.station order by title

-- name: get_station
select * from config.station where title = %(title)s

-- name: insert_station
insert into config.station (
    title, host, port, description, enabled, store, query_retrieve, prefilter, pet_raw, commit_server, commit_on,
    addresses, revision_policy, associations, unknown_policy, retry_hours, refuse_findings, reduce_level_1,
    move_destinations, store_seconds, find_seconds, move_seconds, action_seconds, commit_limit_seconds,
    commit_quiet_seconds, commit_retry_hours, commit_size, report_titles, commit_downstream,
    retry_statuses, retry_errors, retry_first_seconds, retry_factor, retry_most_seconds, retry_attempts,
    instances_per_second, megabytes_per_second, idle_seconds, association_instances,
    failover, failover_seconds, balance_with, "order", schedule,
    retention_days, reconcile, complete_on_release, skip_present,
    pull_minutes, pull_days, pull_modalities, silent_hours,
    tls, certificates, services, sop_classes
) values (
    %(title)s, %(host)s, %(port)s, %(description)s, %(enabled)s, %(store)s, %(query_retrieve)s, %(prefilter)s,
    %(pet_raw)s, %(commit_server)s, %(commit_on)s, %(addresses)s, %(revision_policy)s, %(associations)s,
    %(unknown_policy)s, %(retry_hours)s, %(refuse_findings)s, %(reduce_level_1)s, %(move_destinations)s,
    %(store_seconds)s, %(find_seconds)s, %(move_seconds)s, %(action_seconds)s,
    %(commit_limit_seconds)s, %(commit_quiet_seconds)s, %(commit_retry_hours)s, %(commit_size)s, %(report_titles)s,
    %(commit_downstream)s,
    %(retry_statuses)s, %(retry_errors)s, %(retry_first_seconds)s, %(retry_factor)s, %(retry_most_seconds)s,
    %(retry_attempts)s, %(instances_per_second)s, %(megabytes_per_second)s, %(idle_seconds)s, %(association_instances)s,
    %(failover)s, %(failover_seconds)s, %(balance_with)s, %(order)s, %(schedule)s,
    %(retention_days)s, %(reconcile)s, %(complete_on_release)s, %(skip_present)s,
    %(pull_minutes)s, %(pull_days)s, %(pull_modalities)s, %(silent_hours)s,
    %(tls)s, %(certificates)s, %(services)s, %(sop_classes)s
) returning *

-- name: update_station
update config.station set
    host = %(host)s, port = %(port)s, description = %(description)s, enabled = %(enabled)s, store = %(store)s,
    query_retrieve = %(query_retrieve)s, prefilter = %(prefilter)s, pet_raw = %(pet_raw)s,
    commit_server = %(commit_server)s, commit_on = %(commit_on)s, addresses = %(addresses)s,
    revision_policy = %(revision_policy)s, associations = %(associations)s, unknown_policy = %(unknown_policy)s,
    retry_hours = %(retry_hours)s, refuse_findings = %(refuse_findings)s, reduce_level_1 = %(reduce_level_1)s,
    move_destinations = %(move_destinations)s, store_seconds = %(store_seconds)s, find_seconds = %(find_seconds)s,
    move_seconds = %(move_seconds)s, action_seconds = %(action_seconds)s,
    commit_limit_seconds = %(commit_limit_seconds)s, commit_quiet_seconds = %(commit_quiet_seconds)s,
    commit_retry_hours = %(commit_retry_hours)s, commit_size = %(commit_size)s, report_titles = %(report_titles)s,
    commit_downstream = %(commit_downstream)s,
    retry_statuses = %(retry_statuses)s, retry_errors = %(retry_errors)s,
    retry_first_seconds = %(retry_first_seconds)s, retry_factor = %(retry_factor)s,
    retry_most_seconds = %(retry_most_seconds)s, retry_attempts = %(retry_attempts)s,
    instances_per_second = %(instances_per_second)s, megabytes_per_second = %(megabytes_per_second)s,
    idle_seconds = %(idle_seconds)s, association_instances = %(association_instances)s,
    failover = %(failover)s, failover_seconds = %(failover_seconds)s, balance_with = %(balance_with)s,
    "order" = %(order)s, schedule = %(schedule)s,
    retention_days = %(retention_days)s, reconcile = %(reconcile)s, complete_on_release = %(complete_on_release)s,
    skip_present = %(skip_present)s,
    pull_minutes = %(pull_minutes)s, pull_days = %(pull_days)s, pull_modalities = %(pull_modalities)s,
    silent_hours = %(silent_hours)s,
    tls = %(tls)s, certificates = %(certificates)s, services = %(services)s, sop_classes = %(sop_classes)s,
    updated_at = now()
where title = %(title)s returning *

-- name: delete_station
delete from config.station where title = %(title)s

-- name: list_titles
select title, stations, associations from config.called_title order by title

-- name: put_title
insert into config.called_title (title, stations, associations) values (%(title)s, %(stations)s, %(associations)s)
on conflict (title) do update set stations = excluded.stations, associations = excluded.associations

-- name: delete_title
delete from config.called_title where title = %(title)s

-- name: unfinished_jobs_of
select id, state, total - done - failed as waiting from routing.job_view
where %(title)s in (destination, source) and finished_at is null order by created_at limit %(limit)s

-- name: live_rule_set
select number, document from config.rule_set_view where live

-- name: get_rule_set
select number, source, document, comment, created_by, created_at, copied_from, live from config.rule_set_view
where number = %(number)s

-- name: get_live_rule_set
select number, source, document, comment, created_by, created_at, copied_from, live from config.rule_set_view where live

-- name: insert_rule_set
insert into config.rule_set (number, source, document, comment, copied_from, created_by)
select coalesce(max(number), 0) + 1, %(source)s, %(document)s, %(comment)s, %(copied_from)s, %(actor)s
from config.rule_set
returning number

-- name: insert_rule_set_activation
insert into config.rule_set_activation (rule_set, activated_by) values (%(rule_set)s, %(actor)s)

-- name: rule_set_history
select r.number, r.comment, r.created_by, r.created_at, r.copied_from, r.live, jsonb_array_length(r.document -> 'rules') as rules,
       array(select a.activated_at from config.rule_set_activation a where a.rule_set = r.number order by a.id)
           as activated_at
from config.rule_set_view r order by r.number desc

-- name: configuration_taken
-- Under what each process receives. Not live: its lease is over, so it is dead, or cut off from the database.
select process, configuration, rule_set, heard_at, not runtime.lease_expired(heard_at + lease, lease) as live
from runtime.configuration_taken order by process

-- name: list_drafts
select name, comment, saved_by, saved_at, base, length(source) as characters from config.rule_draft order by name

-- name: get_draft
select name, source, comment, saved_by, saved_at, base from config.rule_draft where name = %(name)s for update

-- name: put_draft
-- Without a base, a new one is begun from what is live; that of one that is there stays.
insert into config.rule_draft as d (name, source, comment, saved_by, base)
select %(name)s, %(source)s, %(comment)s, %(actor)s, coalesce(%(base)s::int, g.rule_set) from config.generation_view g
on conflict (name) do update set
    source = excluded.source, comment = excluded.comment, saved_by = excluded.saved_by, saved_at = now(),
    base = coalesce(%(base)s::int, d.base)

-- name: put_draft_base
update config.rule_draft set base = %(base)s where name = %(name)s

-- name: live_number
-- Of the live rule set; 0: none is.
select rule_set as number from config.generation_view

-- name: delete_draft
delete from config.rule_draft where name = %(name)s

-- name: list_rule_tests
select name, subject, expected, comment, saved_by, saved_at from config.rule_test order by name

-- name: get_rule_test
select name, subject, expected, comment, saved_by, saved_at from config.rule_test where name = %(name)s

-- name: put_rule_test
insert into config.rule_test (name, subject, expected, comment, saved_by)
values (%(name)s, %(subject)s, %(expected)s, %(comment)s, %(actor)s)
on conflict (name) do update set
    subject = excluded.subject, expected = excluded.expected, comment = excluded.comment,
    saved_by = excluded.saved_by, saved_at = now()

-- name: delete_rule_test
delete from config.rule_test where name = %(name)s

-- name: unmatched_rules
-- Of the given rules (name and condition) those that were in every rule set that was live since then and that no
-- instance matched, with how many instances could have. Nothing where no rule set was live at the beginning.
with since as (select now() - make_interval(days => %(days)s) as at),
lived as (
    select a.rule_set from config.rule_set_activation a, since where a.activated_at >= since.at
    union
    (select a.rule_set from config.rule_set_activation a, since where a.activated_at < since.at order by a.id desc limit 1)
),
stored as (
    select r.number, rule ->> 'name' as name, rule -> 'when' as condition
    from config.rule_set r cross join jsonb_array_elements(r.document -> 'rules') as rule
    where r.number in (select rule_set from lived) and coalesce((rule ->> 'enabled')::boolean, true)
),
evaluated as (
    select e.matched, count(*) as instances from routing.evaluation_view e, since
    where e.received_at >= since.at and e.rule_set in (select rule_set from lived) group by e.matched
),
matched as (select distinct each ->> 'rule' as name from evaluated cross join jsonb_array_elements(matched) as each)
select asked.name, (select coalesce(sum(instances), 0)::bigint from evaluated) as instances
from unnest(%(names)s::text[], %(conditions)s::jsonb[]) as asked (name, condition)
where exists (select from config.rule_set_activation a, since where a.activated_at < since.at)
  and (select count(*) from stored s where s.name = asked.name and s.condition = asked.condition)
      = (select count(*) from lived)
  and asked.name not in (select name from matched)
  and exists (select from evaluated)

-- Requests: config.request is the truth, the message wakes who carries it out, its own request_done_view is the answer.

-- name: insert_request
insert into config.request (id, kind, body, requested_by) values (%(id)s, %(kind)s, %(body)s, %(actor)s)
on conflict (id) do nothing

-- name: request_result
-- Whichever service it was for.
select result from routing.request_done_view where request = %(id)s
union all select result from storage.request_done_view where request = %(id)s
union all select result from commitment.request_done_view where request = %(id)s

-- name: unknown_of
-- Those of the given UIDs that name no stored instance, series or study.
select uid from unnest(%(uids)s::text[]) as asked (uid)
where not exists (select from storage.identity_view i
                  where i.sop_instance_uid = uid and i.state = any(%(states)s::text[]))
  and not exists (select from storage.identity_view i
                  where i.study_instance_uid = uid and i.state = any(%(states)s::text[]))
  and not exists (select from index.series_view s where s.series_instance_uid = uid)

-- name: values_of
-- What the newest stored contents of studies, series or instances say in elements (GGGGEEEE): of each at most so many
-- different values, absent ones empty.
with named as (
    select distinct on (i.sop_instance_uid) i.received_at, i.object_key
    from storage.identity_view i
    where i.state = 'STORED'
      and (i.sop_instance_uid = any(%(uids)s::text[]) or i.study_instance_uid = any(%(uids)s::text[])
           or i.study_instance_uid in (select s.study_instance_uid from index.series_view s
                                       where s.series_instance_uid = any(%(uids)s::text[]))
              and i.series_instance_uid = any(%(uids)s::text[]))
    order by i.sop_instance_uid, i.revision desc
)
select element, (array_agg(distinct value))[:%(most)s] as values
from named
join storage.fact_view f using (received_at, object_key)
cross join unnest(%(elements)s::text[]) as element
cross join lateral (select coalesce(f.facts #>> array['values', element, '0'], '') as value) as said
group by element

-- name: list_jobs
-- held, shut: what keeps deliveries of it waiting. collecting: what completes what it collects.
select id, kind, state, destination, study_instance_uid, total, done, failed, created_at, finished_at, h.held, h.shut,
       coalesce(nullif(j.reason, ''), (
           select 'waits until ' || d.title || ' answers: ' || d.last_failure from routing.destination_view d
           where d.title = j.destination and d.circuit <> 'CLOSED' and j.kind = 'send'
             and j.finished_at is null and j.released_at is not null), '') as reason,
       completed_by, level,
       finished_at is null and first_at is not null as goes_first,
       (select to_jsonb(c) from routing.collecting_view c where c.job = j.id) as collecting
from routing.job_view j
cross join lateral (
    select case when j.finished_at is null then (
        select to_jsonb(w) from config.hold_view w where w.id = (
            select min(v.hold) from routing.delivery_view v
            where v.job = j.id and v.hold is not null and v.state in ('PENDING', 'UNKNOWN'))) end as held,
        case when j.finished_at is null then (
            select to_jsonb(s) from routing.shut_view s where s.job = j.id limit 1) end as shut
) as h
where (%(state)s::text is null or state = %(state)s)
  and (%(destination)s::text is null or destination = %(destination)s)
  and (%(kind)s::text is null or kind = %(kind)s)
  and (%(study)s::text is null or study_instance_uid = %(study)s)
  and (%(ended_at)s::timestamptz is null or finished_at >= %(ended_at)s)
  and (%(ended_seconds)s::int is null or finished_at >= now() - make_interval(secs => %(ended_seconds)s))
  and (%(after_at)s::timestamptz is null or (created_at, id) < (%(after_at)s, %(after_key)s::uuid))
order by created_at desc, id desc limit %(limit)s

-- name: get_job
-- sendable: something that is not delivered is still stored.
select id, kind, state, source, destination, total, done, failed, remaining, warned, created_at, finished_at, study_instance_uid,
       coalesce(nullif(job_view.reason, ''), (
           select 'waits until ' || d.title || ' answers: ' || d.last_failure from routing.destination_view d
           where d.title = job_view.destination and d.circuit <> 'CLOSED' and job_view.kind = 'send'
             and job_view.finished_at is null and job_view.released_at is not null), '') as reason,
       nullif(rule_set, 0) as rule_set, rule, level, priority, first_at, request, released_at, completed_by, started_at,
       finished_at is null and first_at is not null as goes_first,
       kind = 'retrieve' or exists (
           select from routing.delivery_view v
           join storage.identity_view i on i.sop_instance_uid = v.sop_instance_uid and i.revision = v.revision
           where v.job = job_view.id and v.state in ('PENDING', 'SENDING', 'UNKNOWN', 'FAILED', 'CANCELED')
             and i.state in ('STORED', 'DAMAGED')) as sendable,
       (select to_jsonb(c) from routing.collecting_view c where c.job = job_view.id) as collecting, (
           select to_jsonb(h) from config.hold_view h where h.id = (
               select min(v.hold) from routing.delivery_view v
               where v.job = %(id)s and v.hold is not null and v.state in ('PENDING', 'UNKNOWN'))) as held,
       (select to_jsonb(s) from routing.shut_view s where s.job = %(id)s limit 1) as shut
from routing.job_view where id = %(id)s

-- name: deliveries_of_job
-- What failed first, each by its receipt. While the circuit of the destination is open nothing goes there before the
-- circuit's own time. awaited, held, shut: as in deliveries_at.
select v.received_at, v.id, v.sop_instance_uid as instance, v.revision, v.destination, v.state, v.attempts, v.status,
       concat_ws('; ', 'instead of ' || v.instead_of, coalesce(nullif(v.reason, ''), case
           when v.state in ('PENDING', 'UNKNOWN') and d.circuit <> 'CLOSED'
           then 'waits until ' || d.title || ' answers: ' || d.last_failure end)) as reason, v.finished_at,
       case when v.state = 'PENDING' and v.awaits is not null then array(
           select title from unnest(v.awaits) as awaited (title) where not exists (
               select from commitment.archived_view a where a.sop_instance_uid = v.sop_instance_uid
               and a.revision = v.revision and a.server = title)
           order by title) end as awaited,
       case when v.state in ('PENDING', 'UNKNOWN') then (
           select to_jsonb(h) from config.hold_view h where h.id = v.hold) end as held,
       case when v.shut is not null then (
           select to_jsonb(s) from routing.shut_view s where s.received_at = v.received_at and s.id = v.id) end as shut,
       case when v.state in ('PENDING', 'UNKNOWN') and v.next_attempt_at < 'infinity'
            then greatest(v.next_attempt_at, case when d.circuit = 'OPEN' then d.retry_at end) end as next_attempt_at
from routing.delivery_view v left join routing.destination_view d on d.title = v.destination
where v.job = %(id)s and (%(state)s::text is null or v.state = %(state)s)
  and (%(after_at)s::timestamptz is null
       or (v.state <> 'FAILED', v.received_at, v.id) > (%(after_rest)s::boolean, %(after_at)s, %(after_id)s::bigint))
order by v.state <> 'FAILED', v.received_at, v.id limit %(limit)s

-- name: delivery_states_of_job
select state, count(*) as deliveries from routing.delivery_view where job = %(id)s
group by state order by state <> 'FAILED', state

-- name: states_of_jobs
select id, kind, state from routing.job_view where id = any(%(jobs)s::uuid[])

-- name: waiting_jobs_of_patient
select distinct d.job
from index.study_view s join routing.delivery_view d on d.study_instance_uid = s.study_instance_uid
where s.patient_id = %(patient_id)s and d.state in ('PENDING', 'SENDING', 'UNKNOWN')
order by d.job limit %(limit)s

-- name: moves_of_job
-- The C-MOVEs of a retrieve job, what failed first.
select level, coalesce(nullif(sop_instance_uid, ''), nullif(series_instance_uid, ''), study_instance_uid) as uid, state,
       remaining, completed, failed, warned, status, reason, asked_at, finished_at
from routing.retrieval_move_view where job = %(id)s order by state <> 'FAILED', position limit %(limit)s

-- name: commitments_of_job
-- What was asked about the job's deliveries (notes A14: the job keeps its own state).
select c.id, c.server, c.state, c.reason, c.created_at, c.finished_at
from commitment.commitment_view c
where c.id in (select i.commitment from routing.delivery_view d
               join commitment.item_view i on i.received_at = d.received_at and i.delivery = d.id
               where d.job = %(id)s)
order by c.created_at, c.id

-- Where: one study, series or instance, every delivery and every attempt.

-- name: studies_of
-- The studies that hold what the UID names, the newest revision's first: what was sent again may name another study.
select study_instance_uid from (
    select study_instance_uid, revision from storage.identity_view where sop_instance_uid = %(uid)s
    union all
    (select study_instance_uid, 0 from storage.identity_view where study_instance_uid = %(uid)s limit 1)
    union all
    select study_instance_uid, 0 from index.series_view where series_instance_uid = %(uid)s
) as held
group by study_instance_uid order by max(revision) desc, study_instance_uid

-- name: instances_at
-- One row for each revision: the receipt that holds it, who asked for it where it is a correction, and how the rules
-- took it.
select i.sop_instance_uid as uid, i.study_instance_uid as study, i.revision, i.sha256, r.calling_aet as source,
       r.peer_address, r.received_at, r.status, r.findings, r.flags, r.disposition,
       coalesce(e.rule_set, r.rule_set) as rule_set, e.matched, e.note, q.requested_by as corrected_by,
       q.body ->> 'why' as corrected_why, i.series_instance_uid as series,
       case when i.state in ('DELETING', 'DELETED') then i.state_at end as gone_at
from storage.identity_view i
join storage.receipt_view r on r.received_at = i.received_at and r.object_key = i.object_key
left join config.request_view q on q.id = case when 'corrected' = any(r.flags) then r.association::uuid end
left join routing.evaluation_view e on e.received_at = r.received_at and e.object_key = r.object_key
where i.study_instance_uid = any(%(studies)s)
  and %(uid)s in (i.study_instance_uid, i.series_instance_uid, i.sop_instance_uid)
order by r.received_at, i.sop_instance_uid, i.revision limit %(limit)s

-- name: removals_of
-- Deletions name studies, series or instances, those of retention their study, erasures their studies. Of deletions the
-- objects go up to hours later, while a backup is made; an erasure ends within a day.
select action, actor as by, at, object, after -> 'uids' as uids from audit.entry
where action = any(%(actions)s::text[]) and at between %(first)s::timestamptz - interval '1 day' and %(last)s::timestamptz + interval '1 day'
  and (object = any(%(named)s::text[]) or after -> 'uids' ?| %(named)s::text[])
order by at, id

-- name: gone_of_study
select i.sop_instance_uid as uid, i.study_instance_uid as study, i.series_instance_uid as series, i.received_at,
       i.state_at as gone_at
from storage.identity_view i
where i.study_instance_uid = %(study)s and i.state in ('DELETING', 'DELETED')
order by i.state_at desc limit 1

-- name: receipts_at
-- Every receipt of these instances, also of content that was there already. One content has one study. job: the
-- retrieve job that had the source send it; clocks of ingest and of the database may differ by seconds.
select r.sop_instance_uid as uid, r.study_instance_uid as study, r.series_instance_uid as series, r.revision,
       r.received_at, r.calling_aet as source, r.disposition, v.job
from storage.receipt_view r
left join lateral (
    select v.job from routing.retrieved_view v
    where v.to_us and v.source = r.calling_aet and v.study_instance_uid = r.study_instance_uid
      and v.series_instance_uid in ('', r.series_instance_uid) and v.sop_instance_uid in ('', r.sop_instance_uid)
      and v.asked_at < r.received_at + interval '2 seconds'
      and coalesce(v.finished_at, now()) > r.received_at - interval '2 seconds'
    order by v.asked_at desc limit 1
) v on true
where r.study_instance_uid = any(%(studies)s) and r.sop_instance_uid = any(%(instances)s)
order by r.received_at, r.object_key

-- name: deliveries_at
-- awaited: the stations whose commitment a delivery that waits still needs. held: what holds it. shut: for whose
-- schedule it waits. commitment: the newest that was asked for.
select v.id, v.sop_instance_uid as instance, v.revision, v.sha256, v.destination, v.job, v.state, v.status,
       v.finished_at, concat_ws('; ', 'instead of ' || v.instead_of, nullif(v.reason, '')) as reason,
       case when v.state = 'PENDING' and v.awaits is not null then array(
           select title from unnest(v.awaits) as awaited (title) where not exists (
               select from commitment.archived_view a where a.sop_instance_uid = v.sop_instance_uid
               and a.revision = v.revision and a.server = title)
           order by title) end as awaited,
       case when v.state in ('PENDING', 'UNKNOWN') then (
           select to_jsonb(h) from config.hold_view h where h.id = v.hold) end as held,
       case when v.shut is not null then (
           select to_jsonb(s) from routing.shut_view s where s.received_at = v.received_at and s.id = v.id) end as shut,
       i.commitment, i.failure_reason, v.transformation, v.sent, t.steps
from routing.delivery_view v
left join routing.transformation_view t on t.number = v.transformation
left join lateral (
    select each.commitment, each.failure_reason from commitment.item_view each
    where each.received_at = v.received_at and each.delivery = v.id order by each.round desc limit 1
) i on true
where v.study_instance_uid = any(%(studies)s) and v.sop_instance_uid = any(%(instances)s)
order by v.created_at, v.id

-- name: commitments_at
-- With the Transaction UID it was asked under last.
select c.id, c.server, c.state, c.deadline, c.status, t.transaction_uid as transaction
from unnest(%(commitments)s::uuid[]) as wanted (id)
join commitment.commitment_view c on c.id = wanted.id
left join lateral (
    select a.transaction_uid from commitment.attempt_view a where a.commitment = c.id
    order by a.started_at desc, a.transaction_uid limit 1
) t on true

-- name: archived_at
select sop_instance_uid as uid, revision, server as station, archived_at as at from commitment.archived_view
where study_instance_uid = any(%(studies)s) and sop_instance_uid = any(%(instances)s) order by archived_at, server

-- name: attempts_at
select delivery, at, status, outcome, reason from routing.attempt_view
where delivery = any(%(deliveries)s) order by at, id

-- name: retrievals_at
-- Each instance of a C-MOVE or C-GET; what was cancelled before its turn has no end of its own.
select o.sop_instance_uid as instance, r.operation, r.requester, r.destination, r.started_at, o.finished_at, o.result,
       o.status, coalesce(nullif(o.reason, ''), r.reason) as reason, r.status as answered,
       r.finished_at is not null as ended
from query.suboperation_view o
join query.retrieval_view r on r.started_at = o.started_at and r.id = o.retrieval
where o.study_instance_uid = any(%(studies)s) and o.sop_instance_uid = any(%(instances)s)
order by o.started_at, o.retrieval, o.position

-- Studies.

-- name: list_studies
-- Counts what is stored there, whatever its revision. superseded: those whose newest revision lies elsewhere, because
-- they were sent again with another study or series; queries answer with the newest only. archived: R111. No exists,
-- which the planner may answer by reading the flags of all studies.
select s.study_instance_uid, s.patient_id, s.patient_name, s.study_date, s.accession_number, s.description,
       s.patient_conflict, s.updated_at,
       array(select distinct e.modality from index.series_view e
             where e.study_instance_uid = s.study_instance_uid and e.modality <> '' order by 1) as modalities,
       (select count(*) from index.series_view e where e.study_instance_uid = s.study_instance_uid) as series,
       (select count(distinct i.sop_instance_uid) from index.instance_view i
        where i.study_instance_uid = s.study_instance_uid) as instances,
       (select count(distinct i.sop_instance_uid) - count(*) filter (where i.latest) from index.instance_view i
        where i.study_instance_uid = s.study_instance_uid) as superseded,
       coalesce((select true from commitment.archived_view a
                 join storage.identity_view h on h.sop_instance_uid = a.sop_instance_uid and h.revision = a.revision
                 where a.study_instance_uid = s.study_instance_uid and h.state in ('STORED', 'DAMAGED') limit 1), false)
           as archived
from index.study_view s
where (%(study)s::text is null or s.study_instance_uid = %(study)s)
  and (%(patient_id)s::text is null or s.patient_id = %(patient_id)s)
  and (%(accession)s::text is null or s.accession_number = %(accession)s)
  and (%(date_from)s::text is null or s.study_date >= %(date_from)s)
  and (%(date_to)s::text is null or s.study_date <= %(date_to)s)
  and (%(modality)s::text is null or exists (select from index.series_view e
       where e.study_instance_uid = s.study_instance_uid and e.modality = %(modality)s))
  and (%(after_at)s::timestamptz is null or (s.updated_at, s.study_instance_uid) < (%(after_at)s, %(after_key)s))
order by s.updated_at desc, s.study_instance_uid desc limit %(limit)s

-- name: series_of_study
select s.series_instance_uid, s.modality, s.series_number, s.description,
       (select count(distinct i.sop_instance_uid) from index.instance_view i
        where i.study_instance_uid = s.study_instance_uid
          and i.series_instance_uid = s.series_instance_uid) as instances,
       (select count(distinct i.sop_instance_uid) - count(*) filter (where i.latest) from index.instance_view i
        where i.study_instance_uid = s.study_instance_uid
          and i.series_instance_uid = s.series_instance_uid) as superseded,
       (select count(*) from index.instance_view i
        join storage.receipt_view r on r.received_at = i.received_at and r.object_key = i.object_key
        where i.study_instance_uid = s.study_instance_uid and i.series_instance_uid = s.series_instance_uid and i.latest
        and r.findings <> '[]') as with_findings
from index.series_view s where s.study_instance_uid = %(study)s order by s.series_number, s.series_instance_uid

-- Overview.

-- name: configuration
select g.number, g.rule_set, g.changed_at, (select count(*) from config.station) as stations
from config.generation_view g

-- name: received_lately
select count(*) as last_day, count(*) filter (where received_at > now() - interval '1 hour') as last_hour,
       max(received_at) as last_received_at
from storage.receipt_view where received_at > now() - interval '24 hours'

-- name: received_too_often
-- Instances that came too often within the last hour, and from whom: stations send them in a circle.
select count(distinct sop_instance_uid) as instances,
       coalesce(array_agg(distinct calling_aet), '{}') as stations
from storage.receipt_view where received_at > now() - interval '1 hour' and flags @> array['received-too-often']

-- name: recorded_through
select case when recorded_through > '-infinity' then recorded_through end as recorded_through
from storage.watermark_view

-- name: count_jobs
-- Those that have not ended, and those that ended within 24 hours: what is given up was made days before. Each part
-- is found by an index of its own.
select state, count(*) as jobs from (
    select state from routing.job_view where state in ('QUEUED', 'ACTIVE')
    union all
    select state from routing.job_view
    where state in ('COMPLETED', 'FAILED', 'CANCELED') and finished_at > now() - interval '24 hours'
) as lately group by state

-- name: destinations
-- failed: given up within 24 hours, whenever they came. What a process that died was sending is in doubt, and its
-- associations are taken, until its leases end: the first one does at lease_until. held: what waits for the end of a
-- hold; shut: for a schedule alone, and schedules says for which. unanswered: the last C-ECHO by hand was in vain, and
-- nothing was taken there since. failing_since: when its outage began, or the first such C-ECHO was. tried: it is known
-- how it is, by what was sent there or by a C-ECHO by hand of the last seven days. What waits and what is under way stand
-- apart, so that each is found by its index.
select s.title, s.enabled, coalesce(d.circuit, 'CLOSED') as circuit,
       case when d.circuit = 'OPEN' then d.retry_at end as retry_at, d.last_success_at,
       coalesce(e.at, d.last_failure_at) as last_failure_at, coalesce(e.text, d.last_failure, '') as last_failure,
       e.at is not null as unanswered, coalesce(u.began_at, e.since) as failing_since,
       h.at is not null or d.last_success_at is not null or d.last_failure_at is not null as tried,
       w.waiting, w.held, w.shut, w.oldest_waiting_at, w.sending, w.lease_until, f.failed, o.schedules
from config.station s
left join routing.destination_view d on d.title = s.title
left join lateral (
    select at, after, max(at) filter (where after -> 'ok' = 'true') over () as answered_at from audit.entry_view
    where action = 'station.echo' and object = s.title and at > now() - interval '7 days' order by at desc limit 1
) h on true
left join lateral (
    select h.at, h.after ->> 'text' as text, (
               select min(at) from audit.entry_view
               where action = 'station.echo' and object = s.title
                 and at > greatest(h.answered_at, d.last_success_at, d.answering_since, now() - interval '7 days')
           ) as since
    where h.after -> 'ok' = 'false' and h.at > greatest(d.last_success_at, d.answering_since, '-infinity')
) e on true
left join lateral (
    select began_at from routing.outage_view
    where destination = s.title and ended_at is null order by began_at desc limit 1
) u on true
cross join lateral (
    select count(*) as waiting, min(v.created_at) as oldest_waiting_at,
           count(*) filter (where v.hold is not null and v.state <> 'SENDING') as held,
           count(*) filter (where v.hold is null and v.shut is not null and v.state <> 'SENDING') as shut,
           count(*) filter (where v.state = 'SENDING') as sending,
           min(v.lease_until) filter (where v.state = 'SENDING') as lease_until
    from (
        select state, created_at, hold, shut, lease_until from routing.delivery_view
        where destination = s.title and state in ('PENDING', 'UNKNOWN')
        union all
        select state, created_at, hold, shut, lease_until from routing.delivery_view
        where destination = s.title and state = 'SENDING'
    ) v
) w
cross join lateral (
    select count(*) as failed from routing.delivery_view v
    where v.destination = s.title and v.state = 'FAILED' and v.finished_at > now() - interval '24 hours'
) f
cross join lateral (
    select coalesce(jsonb_agg(to_jsonb(each)), '[]') as schedules from (
        select distinct x.kind, x.name, x.rule_schedule, x.station_schedule, x.at
        from routing.delivery_view v join routing.shut_view x on x.received_at = v.received_at and x.id = v.id
        where w.shut > 0 and v.destination = s.title and v.shut is not null and v.hold is null
          and v.state in ('PENDING', 'UNKNOWN')
    ) as each
) o
where s.store or w.waiting > 0 order by s.title

-- name: outages
select began_at, ended_at, coalesce(ended_at, now()) - began_at as lasted, reason from routing.outage_view
where destination = %(station)s and (%(before)s::timestamptz is null or began_at < %(before)s)
order by began_at desc limit %(most)s

-- name: count_outbox
select count(*) as waiting, min(created_at) as oldest_at from runtime.outbox where published_at is null

-- name: count_dead_letters
select count(*) as parked from runtime.dead_letter where state = 'PARKED'

-- name: count_commitments
-- Those that have not ended, and those that ended within 24 hours.
select state, count(*) as commitments, min(created_at) as oldest_at from (
    select state, created_at from commitment.commitment_view where closed_at is null and finished_at is null
    union all
    select state, created_at from commitment.commitment_view
    where state = 'SUCCESS' and finished_at > now() - interval '24 hours'
    union all
    select state, created_at from commitment.commitment_view
    where state = 'FAILURE' and finished_at > now() - interval '24 hours'
) as lately group by state

-- name: count_reports
select verdict, count(*) as reports from commitment.report_view
where received_at > now() - interval '24 hours' group by verdict

-- name: count_received
select count(*) as open, min(received_at) as oldest_at from commitment.inbound_view
where state in ('CHECKING', 'READY', 'SENDING')

-- Holds: written within a change of the configuration.

-- name: end_hold
update config.hold set ended_at = now(), ended_by = %(actor)s
where kind = %(kind)s and name = %(name)s and ended_at is null
returning why, held_by, until, coalesce(until > now(), true) as was_in_force

-- name: insert_hold
insert into config.hold (kind, name, why, held_by, until)
values (%(kind)s, %(name)s, %(why)s, %(actor)s,
        coalesce(%(until_at)s::timestamptz, now() + make_interval(secs => %(until_seconds)s::int)))
returning kind, name, why, held_by, held_at, until, coalesce(until <= now(), false) as over

-- name: rules_to_hold
-- Rules of the live set, and those of sets before it that something still waits for.
select r ->> 'name' as rule from config.rule_set_view s, jsonb_array_elements(s.document -> 'rules') as r where s.live
union
select rule from routing.job_view where finished_at is null and request is null

-- name: list_holds
select h.kind, h.name, h.why, h.held_by, h.held_at, h.until, h.in_force, h.ends_at, h.ended_by,
       (select count(*) from routing.delivery_view d
        where d.hold = h.id and d.state in ('PENDING', 'UNKNOWN')) as deliveries
from config.hold_view h where h.in_force or %(ended)s
order by h.in_force desc, h.held_at desc, h.id limit %(limit)s

-- Many at once, and what nothing was sent of.

-- name: choose_deliveries
select d.received_at, d.id, d.destination, d.state, d.rule, d.reason
from routing.delivery_view d
where d.state = any(%(states)s::text[])
  and (%(job)s::uuid is null or d.job = %(job)s)
  and (%(destination)s::text is null or d.destination = %(destination)s)
  and (%(rule)s::text is null or d.rule = %(rule)s)
  and (%(study)s::text is null or d.study_instance_uid = %(study)s)
  and (%(reason)s::text is null or position(lower(%(reason)s) in lower(d.reason)) > 0)
  and coalesce(d.finished_at, d.created_at)
      >= coalesce(%(since_at)s::timestamptz, now() - make_interval(secs => %(since_seconds)s::int), '-infinity')
order by d.received_at, d.id limit %(limit)s

-- name: choose_jobs
-- Those named, or all that a filter finds, as far as an action can be done to jobs in their state.
select id, kind from routing.job_view
where state = any(%(states)s::text[]) and kind = any(%(kinds)s::text[])
  and (%(jobs)s::uuid[] is null or id = any(%(jobs)s))
  and (%(state)s::text is null or state = %(state)s)
  and (%(destination)s::text is null or destination = %(destination)s)
  and (%(kind)s::text is null or kind = %(kind)s)
  and (%(study)s::text is null or study_instance_uid = %(study)s)
  and (%(ended_at)s::timestamptz is null or finished_at >= %(ended_at)s)
  and (%(ended_seconds)s::int is null or finished_at >= now() - make_interval(secs => %(ended_seconds)s))
  and (%(until)s::timestamptz is null or created_at <= %(until)s)
order by created_at desc, id desc limit %(limit)s

-- name: choose_deliveries_of
select d.received_at, d.id, d.job, d.state from routing.delivery_view d
where d.job = any(%(jobs)s::uuid[]) and d.state = any(%(states)s::text[])
order by d.received_at, d.id limit %(limit)s

-- name: now
select now() as now

-- name: list_unmatched
-- Stored instances that were evaluated and of which nothing was ever to be sent, nor of a newer revision, or nothing
-- because they came late, or from where they would have gone: by study, from whom and why. The same content again is
-- spoken for by its first receipt; what was sent of it before it was deleted does not speak for what came anew. A row is
-- discarded if all of it is.
select r.study_instance_uid, r.calling_aet as source, count(distinct r.sop_instance_uid) as instances,
       min(r.received_at) as first_received_at, max(r.received_at) as last_received_at, nullif(e.rule_set, 0) as rule_set,
       coalesce(nullif(e.note, ''), l.reason, 'no rule matched') as why,
       case when bool_and(x.until is not null) then min(x.discarded_by) end as discarded_by,
       case when bool_and(x.until is not null) then min(x.discarded_at) end as discarded_at,
       case when bool_and(x.until is not null) then min(x.why) end as discarded_why
from routing.evaluation_view e
cross join lateral (
    select jsonb_path_query_first(e.matched, '$[*].not_sent.*') #>> '{}' as reason
) as l
join storage.receipt_view r on r.received_at = e.received_at and r.object_key = e.object_key
left join config.discarded_study x on x.study_instance_uid = r.study_instance_uid and e.evaluated_at <= x.until
where (e.matched = '[]' or e.matched @? '$[*].not_sent')
  and (%(discarded)s::boolean is null or (x.until is not null) = %(discarded)s)
  and e.received_at
      >= coalesce(%(since_at)s::timestamptz, now() - make_interval(secs => %(since_seconds)s::double precision),
                  '-infinity')
  and r.disposition <> 'DUPLICATE' and r.identity_state in ('STORED', 'DAMAGED')
  and not exists (select from routing.delivery_view d
                  where d.sop_instance_uid = r.sop_instance_uid and d.revision >= r.revision
                    and d.received_at >= r.received_at)
group by r.study_instance_uid, r.calling_aet, e.rule_set, e.note, l.reason
having %(after_at)s::timestamptz is null
    or (max(r.received_at), concat_ws(' ', r.study_instance_uid, r.calling_aet, nullif(e.rule_set, 0),
                                      coalesce(nullif(e.note, ''), l.reason, 'no rule matched')))
       < (%(after_at)s, %(after_key)s)
order by max(r.received_at) desc,
         concat_ws(' ', r.study_instance_uid, r.calling_aet, nullif(e.rule_set, 0),
                   coalesce(nullif(e.note, ''), l.reason, 'no rule matched')) desc
limit %(limit)s

-- name: discard_unmatched
-- What list_unmatched lists of a study until now: how many instances.
with found as (
    select count(distinct r.sop_instance_uid) as instances, max(e.evaluated_at) as until
    from routing.evaluation_view e
    join storage.receipt_view r on r.received_at = e.received_at and r.object_key = e.object_key
    left join config.discarded_study x on x.study_instance_uid = r.study_instance_uid and e.evaluated_at <= x.until
    where e.study_instance_uid = %(study)s and x.until is null
      and (e.matched = '[]' or e.matched @? '$[*].not_sent')
      and r.disposition <> 'DUPLICATE' and r.identity_state in ('STORED', 'DAMAGED')
      and not exists (select from routing.delivery_view d
                      where d.sop_instance_uid = r.sop_instance_uid and d.revision >= r.revision
                        and d.received_at >= r.received_at)
), kept as (
    insert into config.discarded_study (study_instance_uid, until, why, discarded_by)
    select %(study)s, until, %(why)s, %(actor)s from found where instances > 0
    on conflict (study_instance_uid) do update set
        until = excluded.until, why = excluded.why, discarded_by = excluded.discarded_by, discarded_at = now()
)
select instances from found

-- name: count_unmatched
-- The studies of 24 hours that list_unmatched lists: of the first so many of their receipts, which a partial index finds.
select count(distinct study_instance_uid) as studies from (
    select r.study_instance_uid
    from routing.evaluation_view e
    join storage.receipt_view r on r.received_at = e.received_at and r.object_key = e.object_key
    left join config.discarded_study x on x.study_instance_uid = r.study_instance_uid and e.evaluated_at <= x.until
    where (e.matched = '[]' or e.matched @? '$[*].not_sent') and x.until is null
      and e.received_at >= now() - interval '24 hours'
      and r.disposition <> 'DUPLICATE' and r.identity_state in ('STORED', 'DAMAGED')
      and not exists (select from routing.delivery_view d
                      where d.sop_instance_uid = r.sop_instance_uid and d.revision >= r.revision
                        and d.received_at >= r.received_at)
    limit 10000
) as unmatched

-- name: pulls
-- Stations that are pulled from, with what came of their last turn.
select s.title, s.pull_minutes as minutes, p.asked_at, coalesce(p.studies, 0) as studies, coalesce(p.pulled, 0) as pulled,
       coalesce(p.under_way, 0) as under_way, coalesce(p.missing, 0) as missing, coalesce(p.failures, 0) as failures,
       coalesce(p.fault, '') as fault
from config.station s left join config.pull p on p.title = s.title
where s.pull_minutes > 0 order by s.title

-- name: daily_counts
-- By day (UTC) and station: instances that came from it; that were sent to it, whatever came of it; that it has of those.
select day, station, sum(received)::bigint as received, sum(sent)::bigint as sent, sum(delivered)::bigint as delivered
from (
    select (received_at at time zone 'UTC')::date as day, calling_aet as station, count(*) as received, 0 as sent,
           0 as delivered
    from storage.receipt_view
    where received_at >= date_trunc('day', now(), 'UTC') - make_interval(days => %(before)s)
    group by 1, 2
    union all
    select (finished_at at time zone 'UTC')::date, destination, 0, count(*), count(*) filter (where state <> 'FAILED')
    from routing.delivery_view
    where finished_at >= date_trunc('day', now(), 'UTC') - make_interval(days => %(before)s)
      and state in ('DELIVERED', 'WARNED', 'FAILED') and attempts > 0
    group by 1, 2
) as counted
where %(station)s::text is null or station = %(station)s
group by day, station order by day desc, station

-- The live view.

-- name: written
-- How much was ever written to each schema, as the server counts it: what a browser shows may have changed. Of schema
-- runtime, where processes say all the time that they live, only dead letters are told.
select case schemaname when 'runtime' then relname else schemaname end as topic,
       sum(n_tup_ins + n_tup_upd + n_tup_del)::bigint as count
from pg_stat_user_tables where schemaname <> 'runtime' or relname = 'dead_letter' group by 1

-- name: senders
-- Who sent within 24 hours, and how much of it within the last hour.
select r.calling_aet as title, s.title is not null as known, max(r.received_at) as last_received_at, count(*) as last_day,
       count(*) filter (where r.received_at > now() - interval '1 hour') as last_hour,
       count(*) filter (where r.received_at > now() - interval '1 minute') as last_minute,
       sum(r.size) filter (where r.received_at > now() - interval '1 hour')::bigint as bytes_last_hour
from storage.receipt_view r left join config.station s on s.title = r.calling_aet
where r.received_at > now() - interval '24 hours'
group by r.calling_aet, s.title order by max(r.received_at) desc limit 200
