-- What C-FIND reads: names as a whole, the Image ID, indexes for its keys, one view for each level.
-- oldest-code: 1

-- The name's component groups, each without its component limits (R141): carets and blanks are one blank.
alter table index.patient
    add column name_whole text not null
        generated always as (btrim(regexp_replace(split_part(name_folded, '=', 1), '[\^ ]+', ' ', 'g'))) stored,
    add column name_ideographic text not null
        generated always as (btrim(regexp_replace(split_part(name_folded, '=', 2), '[\^ ]+', ' ', 'g'))) stored,
    add column name_phonetic text not null
        generated always as (btrim(regexp_replace(split_part(name_folded, '=', 3), '[\^ ]+', ' ', 'g'))) stored;
drop index index.patient_name;
create index patient_name_whole on index.patient (name_whole text_pattern_ops);
create index patient_name_ideographic on index.patient (name_ideographic text_pattern_ops);
create index patient_name_phonetic on index.patient (name_phonetic text_pattern_ops);
create index patient_id_pattern on index.patient (patient_id text_pattern_ops);
create index study_id_pattern on index.study (study_id text_pattern_ops);
create index study_description on index.study (description text_pattern_ops);
create index series_modality on index.series (modality text_pattern_ops, study_instance_uid);

alter table index.instance add column image_id text not null default '';
update index.instance i set image_id = left(f.facts -> 'values' -> '00540400' ->> 0, 256)
from storage.fact f
where f.received_at = i.received_at and f.object_key = i.object_key
  and f.facts -> 'values' -> '00540400' ->> 0 is not null;

create or replace view index.instance_view as select * from index.instance;

create view index.query_patient_view as
    select p.id as patient, p.patient_id, p.issuer, p.name as patient_name, p.name_whole, p.name_ideographic,
           p.name_phonetic, p.birth_date, p.sex,
           (select count(*) from index.study s where s.patient = p.id)::text as patient_studies,
           (select count(*) from index.study s join index.series e on e.study_instance_uid = s.study_instance_uid
            where s.patient = p.id)::text as patient_series,
           (select count(*) from index.study s join index.instance i on i.study_instance_uid = s.study_instance_uid
            where s.patient = p.id and i.latest)::text as patient_instances
    from index.patient p;

create view index.query_study_view as
    select p.*, s.study_instance_uid, s.study_date, s.study_time, s.accession_number, s.study_id,
           s.description as study_description, s.referring_physician, 'ONLINE'::text as availability,
           coalesce((select string_agg(distinct e.modality, '\' order by e.modality) from index.series e
                     where e.study_instance_uid = s.study_instance_uid and e.modality <> ''), '') as modalities,
           coalesce((select string_agg(distinct i.sop_class_uid, '\' order by i.sop_class_uid) from index.instance i
                     where i.study_instance_uid = s.study_instance_uid and i.latest), '') as sop_classes,
           (select count(*) from index.series e
            where e.study_instance_uid = s.study_instance_uid)::text as study_series,
           (select count(*) from index.instance i
            where i.study_instance_uid = s.study_instance_uid and i.latest)::text as study_instances
    from index.study s join index.query_patient_view p on p.patient = s.patient;

create view index.query_series_view as
    select s.*, e.series_instance_uid, e.modality, e.series_number, e.series_date, e.series_time,
           e.description as series_description,
           (select count(*) from index.instance i
            where i.study_instance_uid = e.study_instance_uid and i.series_instance_uid = e.series_instance_uid
              and i.latest)::text as series_instances
    from index.series e join index.query_study_view s on s.study_instance_uid = e.study_instance_uid;

create view index.query_instance_view as
    select e.*, i.sop_instance_uid, i.revision, i.received_at, i.object_key, i.sop_class_uid, i.transfer_syntax_uid,
           i.instance_number, i.image_type, i.image_id, coalesce(i.row_count::text, '') as row_count,
           coalesce(i.column_count::text, '') as column_count, coalesce(i.frame_count::text, '') as frame_count
    from index.instance i
    join index.query_series_view e
      on e.study_instance_uid = i.study_instance_uid and e.series_instance_uid = i.series_instance_uid
    where i.latest;
comment on view index.query_instance_view is 'The revisions that queries answer with, under everything above them.';
