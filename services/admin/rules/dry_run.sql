-- Reading what was received, page by page, beside running traffic.

-- name: begin_page
-- Nothing is written; each row is looked up by its keys, so that a page costs the same however much is stored.
select set_config('transaction_read_only', 'on', true), set_config('work_mem', '4MB', true),
       set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
       set_config('max_parallel_workers_per_gather', '0', true)

-- name: window_of_time
select now() - make_interval(secs => %(seconds)s) as since, now() as until

-- name: page_of_receipts
-- The newest receipts before a place that the forwarder routes. seen is what the facts hold of each key, in the order of
-- the keys, with a letter where the value is undecodable (U) or not whole (C, see services/dicom/facts.py); none where
-- the facts are deleted. Facts are large: || reads them once, and offset 0 keeps it so.
select r.sop_instance_uid, r.study_instance_uid, r.size, r.calling_aet, r.called_aet, r.peer_address,
       r.transfer_syntax_uid, r.sop_class_uid, r.received_at, r.object_key, r.data_set_offset,
       case when d.facts is not null then array_to_string(array(
           select concat(e.elements -> key, case when e.undecodable ? key then 'U' end,
                         case when e.cut ? key or (e.cut ? '*' and not e.elements ? key) then 'C' end)
           from unnest(%(keys)s::text[]) as key), E'\x1f') end as seen
from storage.receipt_view r
left join lateral (
    select f.facts || '{}' as facts from storage.fact_view f
    where f.received_at = r.received_at and f.object_key = r.object_key offset 0
) d on true
left join lateral (
    select d.facts -> 'values' as elements, d.facts -> 'cut' as cut, d.facts -> 'undecodable' as undecodable offset 0
) e on true
where r.received_at >= %(since)s and r.received_at <= %(received_at)s
  and (r.received_at, r.object_key) < (%(received_at)s, %(object_key)s) and r.disposition in ('NEW', 'REVISION')
order by r.received_at desc, r.object_key desc limit %(limit)s
