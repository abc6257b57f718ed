-- name: select_contents
-- Of the newest revisions those that lie in what the UIDs name, or all revisions that do.
with named as (
    select i.sop_instance_uid, i.revision from storage.identity_view i
    where i.study_instance_uid = any(%(uids)s::text[]) and i.state in ('STORED', 'DAMAGED')
    union
    select i.sop_instance_uid, i.revision from storage.identity_view i
    where i.sop_instance_uid = any(%(uids)s::text[]) and i.state in ('STORED', 'DAMAGED')
    union
    select i.sop_instance_uid, i.revision
    from index.series_view s
    join storage.identity_view i on i.study_instance_uid = s.study_instance_uid
                                and i.series_instance_uid = s.series_instance_uid
    where s.series_instance_uid = any(%(uids)s::text[]) and i.state in ('STORED', 'DAMAGED')
)
select i.sop_instance_uid, i.revision, i.study_instance_uid, i.series_instance_uid, i.sop_class_uid,
       i.transfer_syntax_uid, i.object_key, i.data_set_offset, i.size, i.sha256, r.calling_aet as source,
       i.state = 'DAMAGED' as damaged
from named n
join storage.identity_view i on i.sop_instance_uid = n.sop_instance_uid and i.revision = n.revision
join storage.receipt_view r on r.received_at = i.received_at and r.object_key = i.object_key
where %(all_revisions)s or not exists (
    select from storage.identity_view newer
    where newer.sop_instance_uid = i.sop_instance_uid and newer.revision > i.revision
      and newer.state in ('STORED', 'DAMAGED'))
order by i.study_instance_uid, i.series_instance_uid, i.sop_instance_uid, i.revision
limit %(limit)s
