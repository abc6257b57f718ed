-- What the admin's desk searches: studies with their patients, by all index keys, with when each changed.
-- oldest-code: 13

create index study_updated on index.study (updated_at, study_instance_uid);

create view index.search_view as
    select s.study_instance_uid, p.patient_id, p.issuer, p.name as patient_name, p.name_whole, p.name_ideographic,
           p.name_phonetic, p.birth_date, p.sex, s.study_date, s.study_time, s.accession_number, s.study_id,
           s.description as study_description, s.referring_physician, s.patient_conflict, s.updated_at
    from index.study s join index.patient p on p.id = s.patient;
comment on view index.search_view is 'For searching studies by people: the columns that conditions of queries name.';
