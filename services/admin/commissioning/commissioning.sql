-- name: lately_received_classes
select distinct sop_class_uid from (
    select sop_class_uid from storage.receipt_view where received_at > now() - interval '30 days'
    order by received_at desc limit 20000
) as lately order by 1

-- name: report_of
select calling_aet, peer_address, committed, failed from commitment.report_view
where transaction_uid = %(transaction_uid)s and received_at > now() - interval '10 minutes' limit 1

-- name: clock
select to_char(now(), 'YYYYMMDD') as date, to_char(now(), 'HH24MISS') as time
