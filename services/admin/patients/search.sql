-- name: search
-- The studies that changed last. It is planned each time, so it names no table of many partitions.
select v.study_instance_uid, v.patient_id, v.issuer, v.patient_name, v.birth_date, v.sex, v.study_date, v.study_time,
       v.accession_number, v.study_id, v.study_description as description, v.referring_physician, v.patient_conflict,
       v.updated_at
from index.search_view v
where {conditions}
  and (%(since)s::timestamptz is null or v.updated_at >= %(since)s)
  and (%(after_at)s::timestamptz is null or (v.updated_at, v.study_instance_uid) < (%(after_at)s, %(after_key)s))
order by v.updated_at desc, v.study_instance_uid desc limit %(limit)s

-- name: studies_of
-- The studies in which studies, series or instances lie now.
select v.study_instance_uid, v.patient_id, v.issuer, v.patient_name, v.birth_date, v.study_date, v.accession_number,
       v.study_description as description
from index.search_view v
where v.study_instance_uid in (
    select unnest(%(uids)s::text[])
    union all
    select s.study_instance_uid from index.series_view s where s.series_instance_uid = any(%(uids)s::text[])
    union all
    select i.study_instance_uid from index.instance_view i where i.latest and i.sop_instance_uid = any(%(uids)s::text[])
)
order by v.patient_name, v.study_instance_uid

-- name: what_was_done
-- In studies: when, by which modalities, and as what; nothing of whose they are.
select v.study_instance_uid, v.study_date, v.study_description as description,
       array(select distinct e.modality from index.series_view e
             where e.study_instance_uid = v.study_instance_uid and e.modality <> '' order by e.modality) as modalities
from index.search_view v where v.study_instance_uid = any(%(studies)s::text[])

-- name: contents
-- What studies hold. archived: R111.
select s.study_instance_uid, counted.modalities, counted.series, held.instances, held.superseded,
       coalesce((select true from commitment.archived_view a
                 join storage.identity_view h on h.sop_instance_uid = a.sop_instance_uid and h.revision = a.revision
                 where a.study_instance_uid = s.study_instance_uid and h.state in ('STORED', 'DAMAGED') limit 1), false)
           as archived
from unnest(%(studies)s::text[]) as s (study_instance_uid)
cross join lateral (
    select count(*) as series,
           coalesce(array_agg(distinct e.modality) filter (where e.modality <> ''), '{}') as modalities
    from index.series_view e where e.study_instance_uid = s.study_instance_uid
) counted
cross join lateral (
    select count(distinct i.sop_instance_uid) as instances,
           count(distinct i.sop_instance_uid) - count(*) filter (where i.latest) as superseded
    from index.instance_view i where i.study_instance_uid = s.study_instance_uid
) held

-- name: like_without_case
-- Of letters A to Z, which is many times faster than of all; the pattern has any character where it had another letter.
lower({column} collate "C") like lower({value} collate "C")

-- name: with_trigrams
index.trigrams(lower({column} collate "C")) @> {value}::text[]

-- name: changed_before_most
-- When the last of so many studies changed, counted from where the list goes on.
select v.updated_at from index.changed_view v
where %(after_at)s::timestamptz is null or v.updated_at <= %(after_at)s
order by v.updated_at desc offset %(newest)s limit 1

-- name: limit_statement
-- Workers would take longer to start than most searches last.
select set_config('statement_timeout', %(milliseconds)s, true), set_config('max_parallel_workers_per_gather', '0', true)

-- name: list_instances
-- In the order of their numbers; what was sent again under another study or series stays visible where it lies.
select i.sop_instance_uid, i.revision, i.series_instance_uid, i.sop_class_uid, i.transfer_syntax_uid,
       i.instance_number, i.image_type, i.row_count, i.column_count, i.frame_count, i.latest, h.received_at,
       h.size, h.sha256, h.state = 'DAMAGED' as damaged,
       exists (select from commitment.archived_view a
               where a.sop_instance_uid = i.sop_instance_uid and a.revision = i.revision) as archived
from index.instance_view i
join storage.identity_view h on h.sop_instance_uid = i.sop_instance_uid and h.revision = i.revision
where i.study_instance_uid = %(study)s and (%(series)s::text is null or i.series_instance_uid = %(series)s)
  and (%(after_key)s::text is null or (i.sop_instance_uid, i.revision) > (%(after_key)s, %(after_revision)s))
order by case when %(by_number)s then i.series_instance_uid end,
         case when %(by_number)s then lpad(ltrim(i.instance_number, '+0'), 12, '0') end,
         i.sop_instance_uid, i.revision
limit %(limit)s

-- name: get_instance
-- The newest stored revision, or the one that is named.
select i.sop_instance_uid, i.revision, i.study_instance_uid, i.series_instance_uid, i.sop_class_uid,
       i.transfer_syntax_uid, i.object_key, i.data_set_offset, i.size, i.sha256, i.received_at, i.state,
       n.instance_number, n.row_count, n.column_count, n.frame_count, coalesce(n.latest, false) as latest,
       r.calling_aet as source
from storage.identity_view i
join storage.receipt_view r on r.received_at = i.received_at and r.object_key = i.object_key
left join index.instance_view n on n.sop_instance_uid = i.sop_instance_uid and n.revision = i.revision
where i.sop_instance_uid = %(uid)s and i.state in ('STORED', 'DAMAGED')
  and (%(revision)s::int is null or i.revision = %(revision)s)
order by i.revision desc limit 1

