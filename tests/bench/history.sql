-- What storage has recorded of many instances, by one statement a table: series follow one another, each of one
-- modality, two to a study, the newest now, rows in the order in which instances came. templates are header facts of
-- real instances by modality, with what differs from instance to instance set anew.

create temporary table template as
select * from jsonb_to_recordset(%(templates)s) as t(place int, modality text, sop_class text, facts jsonb);

create temporary table made as
select e, n, 1 + (e - 1) / 2 as study, t.place, t.modality, t.sop_class,
       now() - make_interval(secs => ((%(series)s - e) * %(instances)s + (%(instances)s - n)) * %(gap)s) as received_at,
       'objects/bench/' || e || '/' || n || '.dcm' as object_key,
       '1.2.826.2.' || 1 + (e - 1) / 2 as study_uid, '1.2.826.2.' || 1 + (e - 1) / 2 || '.' || e as series_uid,
       '1.2.826.2.' || 1 + (e - 1) / 2 || '.' || e || '.' || n as uid
from generate_series(1, %(series)s) e
join template t on t.place = mod(e, %(modalities)s)
cross join generate_series(1, %(instances)s) n
order by e, n;

analyze template, made;

insert into storage.identity (sop_instance_uid, revision, sha256, received_at, object_key, size, data_set_offset,
                              sop_class_uid, study_instance_uid, series_instance_uid, transfer_syntax_uid)
select uid, 1, md5(uid) || md5(series_uid), received_at, object_key, 10000, 512, sop_class, study_uid, series_uid,
       '1.2.840.10008.1.2.1'
from made;

insert into storage.receipt (received_at, object_key, sop_instance_uid, revision, disposition, sha256, size,
                             sop_class_uid, study_instance_uid, series_instance_uid, transfer_syntax_uid, peer_address,
                             calling_aet, called_aet, association, configuration, rule_set, status)
select received_at, object_key, uid, 1, 'NEW', md5(uid) || md5(series_uid), 10000, sop_class, study_uid, series_uid,
       '1.2.840.10008.1.2.1', '10.1.' || mod(e, 4) || '.7', modality || mod(e, 4), 'GATEWAY', 'bench-' || e, 1, 1, 0
from made;

insert into storage.fact (received_at, object_key, facts)
select received_at, object_key, facts || jsonb_build_object('values', facts -> 'values' || jsonb_build_object(
    '00080018', jsonb_build_array(uid), '0020000D', jsonb_build_array(study_uid),
    '0020000E', jsonb_build_array(series_uid), '00200013', jsonb_build_array(n::text),
    '00200011', jsonb_build_array(e::text), '00201041', jsonb_build_array((n * 2.5)::text),
    '00080032', jsonb_build_array(to_char(received_at, 'HH24MISS')),
    '00080050', jsonb_build_array('ACC' || study), '00100020', jsonb_build_array('PAT' || study / 2),
    '00081030', jsonb_build_array((array['HEART', 'BONE', 'THYROID', 'LUNG', 'BRAIN'])[1 + mod(study, 5)] || ' SCAN')))
from made join template using (place);

drop table made, template;

analyze storage.identity, storage.receipt, storage.fact;
