-- name: lock_index
-- Two indexers at once would each miss what the other sees first (the latest revision, a study's demographics) and lock
-- rows in different orders; one transaction after the other is fast enough.
select pg_advisory_xact_lock(hashtextextended('index', 0))

-- name: select_receipts
-- The receipts of a batch that belong into the index, with their facts. A duplicate adds nothing; what is being
-- deleted is hidden.
select r.received_at, r.object_key, r.sop_instance_uid, r.revision, r.study_instance_uid, r.series_instance_uid,
       r.sop_class_uid, r.transfer_syntax_uid, r.flags, f.facts
from unnest(%(received_at)s::timestamptz[], %(object_key)s::text[]) as k(received_at, object_key)
join storage.receipt_view r on r.received_at = k.received_at and r.object_key = k.object_key
left join storage.fact_view f on f.received_at = k.received_at and f.object_key = k.object_key
where r.disposition <> 'DUPLICATE' and r.identity_state in ('STORED', 'DAMAGED')
order by r.received_at, r.object_key

-- name: upsert_patients
-- An element without a value leaves the known one.
insert into index.patient as p (patient_id, issuer, only_study, name, name_folded, birth_date, sex)
select * from unnest(%(patient_id)s::text[], %(issuer)s::text[], %(only_study)s::text[], %(name)s::text[],
                     %(name_folded)s::text[], %(birth_date)s::text[], %(sex)s::text[])
on conflict (patient_id, issuer, only_study) do update set
    name = coalesce(nullif(excluded.name, ''), p.name),
    name_folded = coalesce(nullif(excluded.name_folded, ''), p.name_folded),
    birth_date = coalesce(nullif(excluded.birth_date, ''), p.birth_date),
    sex = coalesce(nullif(excluded.sex, ''), p.sex),
    updated_at = now()
returning id, patient_id, issuer, only_study

-- name: select_studies
select study_instance_uid, patient, demographics, patient_conflict
from index.study where study_instance_uid = any(%(uids)s::text[])

-- name: upsert_studies
insert into index.study as s (study_instance_uid, patient, study_date, study_time, accession_number, study_id,
                              description, referring_physician, demographics, patient_conflict)
select * from unnest(%(study_instance_uid)s::text[], %(patient)s::bigint[], %(study_date)s::text[],
                     %(study_time)s::text[], %(accession_number)s::text[], %(study_id)s::text[],
                     %(description)s::text[], %(referring_physician)s::text[], %(demographics)s::jsonb[],
                     %(patient_conflict)s::boolean[])
on conflict (study_instance_uid) do update set
    study_date = coalesce(nullif(excluded.study_date, ''), s.study_date),
    study_time = coalesce(nullif(excluded.study_time, ''), s.study_time),
    accession_number = coalesce(nullif(excluded.accession_number, ''), s.accession_number),
    study_id = coalesce(nullif(excluded.study_id, ''), s.study_id),
    description = coalesce(nullif(excluded.description, ''), s.description),
    referring_physician = coalesce(nullif(excluded.referring_physician, ''), s.referring_physician),
    patient = excluded.patient,
    demographics = excluded.demographics,
    patient_conflict = s.patient_conflict or excluded.patient_conflict,
    updated_at = now()

-- name: upsert_series
insert into index.series as s (study_instance_uid, series_instance_uid, modality, series_number, series_date,
                               series_time, description)
select * from unnest(%(study_instance_uid)s::text[], %(series_instance_uid)s::text[], %(modality)s::text[],
                     %(series_number)s::text[], %(series_date)s::text[], %(series_time)s::text[],
                     %(description)s::text[])
on conflict (study_instance_uid, series_instance_uid) do update set
    modality = coalesce(nullif(excluded.modality, ''), s.modality),
    series_number = coalesce(nullif(excluded.series_number, ''), s.series_number),
    series_date = coalesce(nullif(excluded.series_date, ''), s.series_date),
    series_time = coalesce(nullif(excluded.series_time, ''), s.series_time),
    description = coalesce(nullif(excluded.description, ''), s.description)

-- name: insert_instances
-- Content that was deleted and sent again keeps its revision: the later receipt holds it.
insert into index.instance (sop_instance_uid, revision, received_at, object_key, study_instance_uid,
                            series_instance_uid, sop_class_uid, transfer_syntax_uid, instance_number, image_type,
                            image_id, row_count, column_count, frame_count)
select * from unnest(%(sop_instance_uid)s::text[], %(revision)s::int[], %(received_at)s::timestamptz[],
                     %(object_key)s::text[], %(study_instance_uid)s::text[], %(series_instance_uid)s::text[],
                     %(sop_class_uid)s::text[], %(transfer_syntax_uid)s::text[], %(instance_number)s::text[],
                     %(image_type)s::text[], %(image_id)s::text[], %(row_count)s::int[], %(column_count)s::int[], %(frame_count)s::int[])
on conflict (sop_instance_uid, revision) do update set
    received_at = excluded.received_at, object_key = excluded.object_key,
    study_instance_uid = excluded.study_instance_uid, series_instance_uid = excluded.series_instance_uid,
    sop_class_uid = excluded.sop_class_uid, transfer_syntax_uid = excluded.transfer_syntax_uid,
    instance_number = excluded.instance_number, image_type = excluded.image_type, image_id = excluded.image_id,
    row_count = excluded.row_count, column_count = excluded.column_count, frame_count = excluded.frame_count,
    indexed_at = now()
where index.instance.received_at < excluded.received_at

-- name: mark_latest
update index.instance i set latest = not i.latest
where i.sop_instance_uid = any(%(uids)s::text[])
  and i.latest <> (i.revision = (select max(n.revision) from index.instance n
                                 where n.sop_instance_uid = i.sop_instance_uid))

-- name: settle_corrected
-- Whether the patient still differs within a study that was corrected: the newest revisions say it.
update index.study s set patient_conflict = (
    select count(distinct f.facts #>> '{values,00100020,0}') > 1
           or count(distinct upper(f.facts #>> '{values,00100010,0}')) > 1
    from index.instance i
    join storage.fact_view f on f.received_at = i.received_at and f.object_key = i.object_key
    where i.study_instance_uid = s.study_instance_uid and i.latest)
where s.study_instance_uid = any(%(uids)s::text[])

-- name: begin_reconcile
-- The window to look through: from what was reconciled before, less an overlap for transactions that committed late.
select greatest(through - make_interval(secs => %(overlap)s), '2000-01-01 00:00+00') as lower,
       now() - make_interval(secs => %(age)s) as upper
from index.reconciled

-- name: select_unindexed
select r.received_at, r.object_key, r.recorded_at
from storage.receipt_view r
where r.recorded_at >= %(lower)s and r.recorded_at <= %(upper)s
  and (r.recorded_at, r.object_key) > (%(after_recorded_at)s::timestamptz, %(after_object_key)s::text)
  and r.disposition <> 'DUPLICATE' and r.identity_state in ('STORED', 'DAMAGED')
  and not exists (select from index.instance i
                  where i.sop_instance_uid = r.sop_instance_uid and i.revision = r.revision
                    and i.received_at >= r.received_at)
order by r.recorded_at, r.object_key
limit %(most)s

-- name: remove_instances
-- Only what storage hides: content that was sent again meanwhile is live.
delete from index.instance i
using unnest(%(sop_instance_uid)s::text[], %(revision)s::int[]) as k(sop_instance_uid, revision)
where i.sop_instance_uid = k.sop_instance_uid and i.revision = k.revision
  and not exists (select from storage.identity_view s
                  where s.sop_instance_uid = i.sop_instance_uid and s.revision = i.revision
                    and s.state in ('STORED', 'DAMAGED'))
returning i.sop_instance_uid, i.study_instance_uid, i.series_instance_uid

-- name: remove_empty_series
delete from index.series s
using unnest(%(study_instance_uid)s::text[], %(series_instance_uid)s::text[]) as k(study_instance_uid, series_instance_uid)
where s.study_instance_uid = k.study_instance_uid and s.series_instance_uid = k.series_instance_uid
  and not exists (select from index.instance i
                  where i.study_instance_uid = s.study_instance_uid and i.series_instance_uid = s.series_instance_uid)

-- name: remove_empty_studies
delete from index.study s
where s.study_instance_uid = any(%(study_instance_uid)s::text[])
  and not exists (select from index.series e where e.study_instance_uid = s.study_instance_uid)
returning s.patient

-- name: remove_patients_without_study
delete from index.patient p
where p.id = any(%(patient)s::bigint[]) and not exists (select from index.study s where s.patient = p.id)

-- name: select_hidden
-- Rows of what storage has hidden within the window.
select s.sop_instance_uid, s.revision
from storage.identity_view s
join index.instance i on i.sop_instance_uid = s.sop_instance_uid and i.revision = s.revision
where s.state in ('DELETING', 'DELETED') and s.state_at >= %(lower)s and s.state_at <= %(upper)s
order by s.state_at, s.sop_instance_uid, s.revision
limit %(most)s

-- name: advance_reconciled
update index.reconciled set through = greatest(through, %(through)s)
