-- name: receipts_to_explain
-- One row for each revision: the receipt that holds it, its facts, and which rules took it then.
select i.sop_instance_uid, i.study_instance_uid, i.revision, i.size, i.data_set_offset, r.received_at, r.object_key,
       r.calling_aet, r.called_aet, r.peer_address, r.transfer_syntax_uid, r.sop_class_uid, r.disposition,
       coalesce(e.rule_set, r.rule_set) as rule_set, e.note, f.facts
from storage.identity_view i
join storage.receipt_view r on r.received_at = i.received_at and r.object_key = i.object_key
left join storage.fact_view f on f.received_at = r.received_at and f.object_key = r.object_key
left join routing.evaluation_view e on e.received_at = r.received_at and e.object_key = r.object_key
where i.study_instance_uid = any(%(studies)s)
  and %(uid)s in (i.study_instance_uid, i.series_instance_uid, i.sop_instance_uid)
order by r.received_at, i.sop_instance_uid, i.revision limit %(limit)s

-- name: rule_sets_by_number
select number, document from config.rule_set_view where number = any(%(numbers)s)
