-- Studies of one series and one instance in Orthanc's own tables (SQLite, database version 6), with the values that
-- tests/integration/query/generated.py gives the gateway's: study n is of patient 1 + n % patients.
create temp table patient_number as
with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < :patients) select n from numbers;

create temp table study_number as
with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < :studies) select n from numbers;

insert into Resources (internalId, resourceType, publicId, parentId)
select n, 1, printf('patient-%d', n), null from patient_number;

insert into Resources (internalId, resourceType, publicId, parentId)
select :patients + n, 2, printf('study-%d', n), 1 + n % :patients from study_number;

insert into Resources (internalId, resourceType, publicId, parentId)
select :patients + :studies + n, 3, printf('series-%d', n), :patients + n from study_number;

insert into Resources (internalId, resourceType, publicId, parentId)
select :patients + 2 * :studies + n, 4, printf('instance-%d', n), :patients + :studies + n from study_number;

create temp table patient_tag as
select n as id, 0x0010 as tagGroup, 0x0020 as tagElement, printf('PAT%07d', n) as value from patient_number
union all select n, 0x0010, 0x0010, printf('NAME%07d^GIVEN%d', n, n % 7) from patient_number
union all select n, 0x0010, 0x0030, '19' || (10 + n % 90) || '0101' from patient_number
union all select n, 0x0010, 0x0040, iif(n % 2 = 0, 'F', 'M') from patient_number;

create temp table study_tag as
select :patients + n as id, tagGroup, tagElement, value
from study_number join patient_tag on patient_tag.id = 1 + n % :patients
union all select :patients + n, 0x0020, 0x000d, '1.2.826.1.' || n from study_number
union all select :patients + n, 0x0008, 0x0020, strftime('%Y%m%d', '2000-01-01', (n % 6000) || ' days') from study_number
union all select :patients + n, 0x0008, 0x0030, printf('%02d%02d00', n % 24, n % 60) from study_number
union all select :patients + n, 0x0008, 0x0050, printf('ACC%07d', n) from study_number
union all select :patients + n, 0x0020, 0x0010, 'ID' || n from study_number
union all select :patients + n, 0x0008, 0x1030, 'Study number ' || n from study_number;

create temp table series_tag as
select :patients + :studies + n as id, 0x0020 as tagGroup, 0x000e as tagElement, '1.2.826.1.' || n || '.1' as value
from study_number
union all select :patients + :studies + n, 0x0008, 0x0060, 'CT' from study_number;

create temp table instance_tag as
select :patients + 2 * :studies + n as id, 0x0008 as tagGroup, 0x0018 as tagElement,
       '1.2.826.1.' || n || '.1.1' as value from study_number;

insert into MainDicomTags
select * from patient_tag union all select * from study_tag union all select * from series_tag
union all select * from instance_tag;

-- What Orthanc looks up: identifiers in upper case.
insert into DicomIdentifiers
select id, tagGroup, tagElement, upper(value) from patient_tag where tagElement <> 0x0040
union all
select id, tagGroup, tagElement, upper(value) from study_tag
where (tagGroup, tagElement) in ((0x0010, 0x0020), (0x0010, 0x0010), (0x0010, 0x0030), (0x0020, 0x000d),
                                 (0x0008, 0x0020), (0x0008, 0x0050), (0x0008, 0x1030))
union all select id, tagGroup, tagElement, value from series_tag where tagElement = 0x000e
union all select id, tagGroup, tagElement, value from instance_tag;
