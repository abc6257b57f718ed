-- What the index and the forwarder know of many studies, by one statement a table: five studies to two patients, the
-- newest now, two series of two instances each, a job of every study to one of four stations with a delivery of each
-- instance; one in eighty failed, the newest thousand wait or are under way.

create temporary table word as
select * from (values
    (array['müller', 'schmidt', 'schneider', 'fischer', 'weber', 'meyer', 'wagner', 'becker', 'schulz', 'hoffmann', 'koch',
           'bauer', 'richter', 'klein', 'wolf', 'schröder', 'neumann', 'schwarz', 'zimmermann', 'braun', 'krüger',
           'hofmann', 'hartmann', 'lange', 'smith', 'johnson', 'nguyen', 'garcía', 'kowalski', 'öztürk'],
     array['', 'berg', 'mann', 'ski', 'feld', 's', 'er', 'hausen', 'lein', 'thal', 'wald', 'stein'],
     array['anna', 'peter', 'maria', 'thomas', 'ursula', 'michael', 'petra', 'andreas', 'sabine', 'wolfgang', 'renate',
           'klaus', 'monika', 'jürgen', 'helga', 'dieter', 'karin', 'manfred', 'brigitte', 'uwe', 'änne', 'günter'],
     array['Bone Scan', 'Myocardial Perfusion Rest', 'Myocardial Perfusion Stress', 'Thyroid', 'Lung Ventilation',
           'Renal MAG3', 'Whole Body PET/CT', 'CT Thorax', 'CT Abdomen with contrast', 'MR Brain', 'MR Knee left',
           'Sentinel Node', 'Parathyroid SPECT', 'Gallbladder', 'Chest pa and lateral'],
     array['', ', control', ' 99mTc', ' F-18 FDG', ' (delayed)', ', day 2'],
     array['NM', 'NM', 'NM', 'NM', 'NM', 'NM', 'PT', 'CT', 'CT', 'MR', 'MR', 'NM', 'NM', 'NM', 'DX'])
) as w (family, ending, given, examination, addition, modality);

insert into index.patient (patient_id, issuer, name, name_folded, birth_date, sex)
select 'P' || lpad((n * 7919 %% 1000000)::text, 6, '0') || n, 'HOSPITAL', initcap(said), translate(said, 'äöüí', 'aoui'),
       to_char(date '1930-01-01' + (n * 131 %% 29000), 'YYYYMMDD'), (array['F', 'M'])[1 + n %% 2]
from generate_series(1, %(studies)s * 2 / 5) n, word
cross join lateral (
    select family[1 + n %% 30] || ending[1 + n / 30 %% 12] || '^' || given[1 + n / 7 %% 22]
           || case when n %% 3 = 0 then ' ' || given[1 + n / 11 %% 22] else '' end as said
) as made;

create temporary table made as
select n, '1.2.826.4.' || n as study, now() - make_interval(secs => (%(studies)s - n) * 60) as at, n * 31 %% 15 as kind
from generate_series(1, %(studies)s) n;

insert into index.study (study_instance_uid, patient, study_date, study_time, accession_number, study_id, description,
                         referring_physician, updated_at)
select study, 1 + (n::bigint * 13007) %% (%(studies)s * 2 / 5), to_char(at, 'YYYYMMDD'), to_char(at, 'HH24MISS'), 'A' || 5000000 + n,
       'S' || n, examination[1 + kind] || addition[1 + n %% 6] || case when n %% 50 = 0 then ' ref. ' || n else '' end,
       initcap(family[1 + n %% 30]) || '^' || initcap(given[1 + n %% 22]), at
from made, word;

insert into index.series (series_instance_uid, study_instance_uid, modality, series_number, description)
select study || '.' || s, study, modality[1 + kind], s, 'Series ' || s from made, word, generate_series(1, 2) s;

insert into index.instance (sop_instance_uid, revision, received_at, object_key, study_instance_uid, series_instance_uid,
                            sop_class_uid, transfer_syntax_uid, instance_number)
select study || '.' || s || '.' || i, 1, at, 'objects/bench/' || n || '/' || s || i, study, study || '.' || s,
       '1.2.840.10008.5.1.4.1.1.20', '1.2.840.10008.1.2.1', i
from made, generate_series(1, 2) s, generate_series(1, 2) i order by n;

insert into storage.identity (sop_instance_uid, revision, sha256, received_at, object_key, size, data_set_offset,
                              sop_class_uid, study_instance_uid, series_instance_uid, transfer_syntax_uid)
select sop_instance_uid, 1, md5(sop_instance_uid) || md5(study_instance_uid), received_at, object_key, 10000, 512,
       sop_class_uid, study_instance_uid, series_instance_uid, transfer_syntax_uid
from index.instance;

insert into commitment.archived (sop_instance_uid, revision, server, study_instance_uid, archived_at, commitment,
                                 transaction_uid)
select sop_instance_uid, 1, 'ARCHIVE1', study_instance_uid, received_at, gen_random_uuid(), '2.25.1'
from index.instance where right(study_instance_uid, 1) in ('1', '3', '5', '7');

insert into config.station (title, host, port, store)
select 'ARCHIVE' || n, '127.0.0.1', 104, true from generate_series(1, 4) n;

create temporary table job_made as
select n, study, at, md5(study)::uuid as job, 'ARCHIVE' || 1 + n %% 4 as destination,
       case when n > %(studies)s - 500 then 'QUEUED' when n > %(studies)s - 1000 then 'ACTIVE' when n %% 80 = 0 then 'FAILED'
            when n %% 400 = 1 then 'CANCELED' else 'COMPLETED' end as state
from made;

insert into routing.job (id, kind, state, destination, study_instance_uid, rule_set, rule, reason, created_at, released_at,
                         started_at, finished_at)
select job, 'send', state, destination, study, 1, 'to-the-archives', case when state = 'FAILED' then 'status A700' else '' end,
       at, at, at, case when state in ('QUEUED', 'ACTIVE') then null else at + interval '40 s' end
from job_made;

insert into routing.delivery (received_at, sop_instance_uid, revision, destination, job, study_instance_uid, object_key,
                              data_set_offset, size, sha256, sop_class_uid, transfer_syntax_uid, state, attempts, rule,
                              created_at, finished_at, next_attempt_at)
select i.received_at, i.sop_instance_uid, 1, j.destination, j.job, j.study, i.object_key, 512, 10000, 'ab', i.sop_class_uid,
       i.transfer_syntax_uid, case j.state when 'COMPLETED' then 'DELIVERED' when 'QUEUED' then 'PENDING'
                                           when 'ACTIVE' then 'PENDING' else j.state end, 1, 'to-the-archives', j.at,
       case when j.state in ('QUEUED', 'ACTIVE') then null else j.at + interval '40 s' end, j.at
from job_made j join index.instance i on i.study_instance_uid = j.study order by j.n;

drop table made, job_made, word;
