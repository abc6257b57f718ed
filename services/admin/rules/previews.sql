-- name: select_instance
-- The newest stored content of an instance, or of the first one of a study or series, with who sent it.
select i.sop_instance_uid, i.revision, i.object_key, i.data_set_offset, i.size, i.sha256, i.sop_class_uid,
       i.transfer_syntax_uid, r.calling_aet, r.called_aet
from storage.identity_view i
join storage.receipt_view r on r.received_at = i.received_at and r.object_key = i.object_key
where i.state = 'STORED'
  and (i.sop_instance_uid = %(uid)s or i.study_instance_uid = %(uid)s
       or i.study_instance_uid in (select s.study_instance_uid from index.series_view s
                                   where s.series_instance_uid = %(uid)s) and i.series_instance_uid = %(uid)s)
order by i.sop_instance_uid, i.revision desc limit 1

-- name: select_reduced
-- Whether the station is sent of level 1 classes what R92 keeps.
select coalesce((select reduce_level_1 from config.station_view where title = %(title)s), false) as reduced

-- name: select_key
select key from routing.transformation_key_view
