-- What was received lately, for whoever writes rules.

-- name: values_of_element
-- Of the newest facts, at most so many, the values that an element had, the most frequent first.
with lately as (
    select facts from storage.fact_view where received_at >= now() - make_interval(days => %(days)s)
    order by received_at desc limit %(receipts)s
)
select value, count(*) as instances from lately
cross join jsonb_array_elements_text(facts -> 'values' -> %(key)s::text) as value
where value is not null and value <> '' and length(value) <= 64 group by value order by 2 desc, 1 limit %(limit)s

-- name: values_of_association
-- The same of what is known of how it came.
with lately as (
    select calling_aet, called_aet, peer_address, transfer_syntax_uid as transfer_syntax, sop_class_uid as sop_class
    from storage.receipt_view where received_at >= now() - make_interval(days => %(days)s)
    order by received_at desc limit %(receipts)s
)
select to_jsonb(lately) ->> %(key)s as value, count(*) as instances from lately group by 1 order by 2 desc, 1
limit %(limit)s
