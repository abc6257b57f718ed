-- What is the patient's.

-- name: known_contents
-- Contents of every instance of which one content says this Patient ID, or that lies in a study of the patient, with
-- what their headers say; received until then, or corrected from that since. Of what is deleted and has no header any more
-- nothing is left to erase.
with concerned as (
    select r.sop_instance_uid
    from storage.fact_view f
    join storage.receipt_view r on r.received_at = f.received_at and r.object_key = f.object_key
    where left(f.facts #>> '{values,00100020,0}', 256) = left(split_part(%(patient_id)s, '\', 1), 256)
      and (r.received_at <= coalesce(%(until)s::timestamptz, now()) or r.flags @> '{corrected}')
    union
    select i.sop_instance_uid
    from index.study_view s join index.instance_view i on i.study_instance_uid = s.study_instance_uid
    where s.patient_id = %(patient_id)s
)
select distinct on (r.sop_instance_uid, r.revision)
       r.sop_instance_uid, r.revision, r.study_instance_uid, r.series_instance_uid, r.sha256, r.size,
       r.flags @> '{corrected}' as corrected,
       (select jsonb_object_agg(v.key, v.value) from jsonb_each(f.facts -> 'values') v
        where v.key = any(%(elements)s::text[])) as values
from concerned c
join storage.receipt_view r on r.sop_instance_uid = c.sop_instance_uid
left join storage.fact_view f on f.received_at = r.received_at and f.object_key = r.object_key
where (r.received_at <= coalesce(%(until)s::timestamptz, now()) or r.flags @> '{corrected}')
  and (f.facts is not null or r.object_state <> 'DELETED')
order by r.sop_instance_uid, r.revision, f.facts is null, r.received_at

-- name: studies_of_patient
select study_instance_uid, issuer from index.study_view where patient_id = %(patient_id)s

-- name: open_work
-- What would still be done with these contents.
with content as materialized (
    select * from unnest(%(uids)s::text[], %(revisions)s::int[]) as t(sop_instance_uid, revision)
)
select (select count(*) from content t
        join routing.delivery_view d on d.sop_instance_uid = t.sop_instance_uid and d.revision = t.revision
        where d.state in ('PENDING', 'SENDING', 'UNKNOWN')) as deliveries,
       (select count(*) from content t
        join storage.receipt_view r on r.sop_instance_uid = t.sop_instance_uid and r.revision = t.revision
        where r.disposition in ('NEW', 'REVISION') and r.rule_set > 0 and r.identity_state in ('STORED', 'DAMAGED')
          and not exists (select from routing.evaluation_view e
                          where e.received_at = r.received_at and e.object_key = r.object_key)) as unrouted,
       (select count(distinct c.id) from content t
        join commitment.item_view i on i.sop_instance_uid = t.sop_instance_uid and i.revision = t.revision
        join commitment.commitment_view c on c.id = i.commitment
        where c.closed_at is null and c.finished_at is null) as commitments,
       (select count(distinct n.id) from content t
        join commitment.inbound_item_view i on i.sop_instance_uid = t.sop_instance_uid
        join commitment.inbound_view n on n.received_at = i.received_at and n.id = i.inbound
        where n.state in ('CHECKING', 'READY', 'SENDING')) as promises

-- Erasures.

-- name: hmac_key
select key from config.erasure_key

-- name: insert_erasure
insert into config.erasure (id, patient_id, issuer, patient_hmac, sought, why, forced, asked_by)
values (%(id)s, %(patient_id)s, %(issuer)s, %(hmac)s, '{}', %(why)s, %(forced)s, %(actor)s)
on conflict (patient_hmac) where state in ('ASKED', 'RUNNING') do nothing
returning id, state, asked_at

-- name: open_of_patient
select id from config.erasure where patient_hmac = %(hmac)s and state in ('ASKED', 'RUNNING')

-- name: list_erasures
select id, state, patient_hmac, why, forced, asked_by, asked_at, started_at, finished_at, removed, remaining, proof_sha256
from config.erasure
where (%(hmac)s::text is null or patient_hmac = %(hmac)s)
  and (select coalesce(bool_and(position(lower(word) in lower(concat_ws(' ', asked_by, why, state))) > 0), true)
       from unnest(%(words)s::text[]) as word)
  and (%(after_at)s::timestamptz is null or (asked_at, id::text) < (%(after_at)s, %(after_key)s))
order by asked_at desc, id::text desc limit %(limit)s

-- name: get_erasure
select id, state, patient_hmac, why, forced, asked_by, asked_at, started_at, finished_at, found, removed, remaining, proof,
       proof_sha256
from config.erasure where id = %(id)s

-- name: open_erasures
select id from config.erasure where state in ('ASKED', 'RUNNING') order by asked_at

-- name: lock_erasure
select id, state, patient_id, issuer, sought, patient_hmac, why, forced, asked_by, asked_at, started_at, found, removed,
       remaining, request, requested_at, now() as at,
       requested_at < now() - make_interval(secs => %(again)s) as due_again,
       asked_at < now() - make_interval(hours => %(hours)s) as overdue,
       coalesce((select w.recorded_through > asked_at from storage.watermark_view w), false) as recorded
from config.erasure where id = %(id)s and state in ('ASKED', 'RUNNING') for update

-- name: insert_items
insert into config.erasure_item (erasure, sop_instance_uid, revision, study_instance_uid, series_instance_uid, sha256, size)
select %(id)s, * from unnest(%(sop_instance_uid)s::text[], %(revision)s::int[], %(study_instance_uid)s::text[],
                             %(series_instance_uid)s::text[], %(sha256)s::text[], %(size)s::bigint[])
on conflict do nothing

-- name: begin
update config.erasure set state = %(state)s, started_at = now(), sought = %(sought)s, found = %(found)s where id = %(id)s

-- name: note_request
update config.erasure set request = %(request)s, requested_at = now() where id = %(id)s

-- name: note_sought
update config.erasure set sought = %(sought)s where id = %(id)s

-- name: note_removed
update config.erasure set removed = removed || jsonb_build_object(
    %(place)s::text, coalesce((removed ->> %(place)s::text)::bigint, 0) + %(count)s)
where id = %(id)s

-- name: note_remaining
update config.erasure set remaining = %(remaining)s where id = %(id)s

-- name: finish
update config.erasure set state = %(state)s, finished_at = now(), remaining = %(remaining)s, proof = %(proof)s,
    proof_sha256 = %(proof_sha256)s, patient_id = null, issuer = null, sought = null
where id = %(id)s

-- name: delete_items
delete from config.erasure_item where erasure = %(id)s

-- name: items
select sop_instance_uid, revision, study_instance_uid, series_instance_uid, sha256, size from config.erasure_item
where erasure = %(id)s order by study_instance_uid, series_instance_uid, sop_instance_uid, revision

-- What other services still have, counted before and after.

-- name: outlast_ledger
-- Waits for who makes deliveries wait and may not have seen yet that storage keeps these contents no more; who comes
-- later sees it, and makes none of them wait (services/forwarder/evaluation.sql). In a transaction of its own.
select pg_advisory_xact_lock(hashtextextended('routing.delivery', 0))

-- name: others_have
with content as materialized (
    select sop_instance_uid, revision, study_instance_uid from config.erasure_item where erasure = %(id)s
), receipt as materialized (
    select r.received_at, r.object_key, r.object_state
    from content t
    join storage.receipt_view r on r.sop_instance_uid = t.sop_instance_uid and r.revision = t.revision
    where r.received_at <= %(asked_at)s or r.flags @> '{corrected}'
), delivery as materialized (
    select d.id, d.state, d.reason, d.job from content t
    join routing.delivery_view d on d.sop_instance_uid = t.sop_instance_uid and d.revision = t.revision
)
select (select count(*) from receipt where object_state <> 'DELETED') as "object store",
       (select count(*) from (
            select f.received_at, f.object_key from receipt r
            join storage.fact_view f on f.received_at = r.received_at and f.object_key = r.object_key
            union
            select f.received_at, f.object_key from storage.fact_view f
            where left(f.facts #>> '{values,00100020,0}', 256) = left(split_part(%(patient_id)s, '\', 1), 256)
              and f.facts #> '{values,00100020}' = to_jsonb(string_to_array(%(patient_id)s, '\'))
              and coalesce(f.facts #>> '{values,00100021,0}', '') = %(issuer)s and f.received_at <= %(asked_at)s
        ) as fact) as "storage.fact",
       (select count(*) from receipt r
        join index.instance_view i on i.received_at = r.received_at and i.object_key = r.object_key) as "index.instance",
       (select count(*) from index.study_view s
        where s.patient_id = %(patient_id)s and s.issuer = %(issuer)s
          and not exists (select from index.instance_view i where i.study_instance_uid = s.study_instance_uid
                          and i.received_at > %(asked_at)s)) as "index.study, index.patient",
       (select count(*) from delivery where state in ('PENDING', 'SENDING', 'UNKNOWN')) as "routing.delivery, open",
       (select count(*) from delivery where reason ~ '(status|answered) [0-9A-F]{4}[^:]*: ')
       + (select count(*) from delivery d join routing.attempt_view a on a.delivery = d.id
          where a.reason ~ '(status|answered) [0-9A-F]{4}[^:]*: ')
       + (select count(*) from routing.job_view j
          where j.reason ~ '(status|answered) [0-9A-F]{4}[^:]*: '
            and (j.id in (select job from delivery) or j.study_instance_uid in (select study_instance_uid from content)))
       + (select count(*) from routing.retrieval_move_view m
          where m.reason ~ '(status|answered) [0-9A-F]{4}[^:]*: '
            and m.study_instance_uid in (select study_instance_uid from content)) as "routing, answers of stations"

-- name: told_of_stations
-- What stations answered last, whatever it was about.
select last_failure as told from routing.destination_view where last_failure <> ''
union all select reason from routing.outage_view

-- name: unanswered
-- Which services have not carried out a request yet.
select name from (values
    ('storage', exists (select from storage.request_done_view where request = %(request)s)),
    ('index', exists (select from index.request_done_view where request = %(request)s)),
    ('forwarder', exists (select from routing.request_done_view where request = %(request)s)),
    ('commitment', exists (select from commitment.request_done_view where request = %(request)s))
) as service (name, done) where not done

-- name: object_keys
select r.object_key from config.erasure_item t
join storage.receipt_view r on r.sop_instance_uid = t.sop_instance_uid and r.revision = t.revision
where t.erasure = %(id)s and (r.received_at <= %(asked_at)s or r.flags @> '{corrected}') order by r.object_key

-- name: insert_request
insert into config.request (id, kind, body, requested_by) values (%(id)s, 'erase', %(body)s, %(actor)s)

-- Places of admin, audit and runtime.

-- name: requests
-- Corrections of the patient's instances, and what has a text that names the patient.
select id, kind, body from config.request
where kind <> 'erase'
  and ((kind = 'correct' and body -> 'uids' ?| %(uids)s::text[]) or normalize(body::text) ~ any(%(patterns)s::text[]))

-- name: blank_request
update config.request set body = %(body)s where id = %(id)s

-- name: audit_days
select day::date as day from generate_series((select min(at) from audit.entry)::date, now()::date, interval '1 day') day

-- name: audit_entries
-- Of a day. Looks name UIDs alone.
select at, id, action, object, before, after from audit.entry
where at >= %(day)s::date and at < %(day)s::date + 1 and action <> all(%(looks)s::text[])
  and (object = any(%(corrections)s::text[])
       or normalize(before::text) ~ any(%(patterns)s::text[]) or normalize(after::text) ~ any(%(patterns)s::text[]))

-- name: blank_audit_entry
update audit.entry set before = %(before)s, after = %(after)s where at = %(at)s and id = %(id)s

-- name: audit_outbox
select id, object, after from audit.outbox
where object = any(%(corrections)s::text[]) or normalize(after::text) ~ any(%(patterns)s::text[])

-- name: blank_audit_outbox
update audit.outbox set after = %(after)s where id = %(id)s

-- name: corrections
select id::text as id from config.request where kind = 'correct' and body -> 'uids' ?| %(uids)s::text[]

-- name: answers
-- Of requests that bore a key: the answer is named, not read, as it may be anything.
select actor, key from config.action
where body <> %(body)s and encode(body, 'escape') ~ any(%(patterns)s::text[])

-- name: blank_answers
update config.action set status = 410, headers = %(headers)s, body = %(body)s where body <> %(body)s

-- name: blank_answer
update config.action set status = 410, headers = %(headers)s, body = %(body)s where actor = %(actor)s and key = %(key)s

-- name: holds
select id, why from config.hold

-- name: blank_hold
update config.hold set why = %(why)s where id = %(id)s

-- name: discarded_studies
select study_instance_uid, why from config.discarded_study

-- name: delete_discarded_study
delete from config.discarded_study where study_instance_uid = %(study)s

-- name: blank_discarded_study
update config.discarded_study set why = %(why)s where study_instance_uid = %(study)s

-- name: rule_tests
select name, subject, comment from config.rule_test

-- name: delete_rule_test
delete from config.rule_test where name = %(name)s

-- name: dead_letters
select id, reason, headers, body from runtime.dead_letter d
where encode(body, 'escape') ~ any(%(in_bytes)s::text[])
   or normalize(to_jsonb(reason)::text || headers::text) ~ any(%(patterns)s::text[])
   or exists (select from unnest(%(uids)s::bytea[]) as t(uid)
              where position(t.uid in d.body) > 0 or position(t.uid in convert_to(d.headers::text, 'UTF8')) > 0)

-- name: delete_dead_letter
delete from runtime.dead_letter where id = %(id)s

-- name: replayed
select created_at, id, body from runtime.outbox where exchange = ''

-- name: delete_replayed
delete from runtime.outbox where created_at = %(created_at)s and id = %(id)s
