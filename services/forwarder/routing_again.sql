-- name: select_live
select rule_set from config.generation_view

-- name: select_latest
-- The latest stored revision of every instance of the given studies, series and instances, with its receipt and facts.
with wanted as (
    select i.sop_instance_uid from storage.identity_view i where i.study_instance_uid = any(%(uids)s::text[])
    union
    select i.sop_instance_uid from storage.identity_view i where i.sop_instance_uid = any(%(uids)s::text[])
    union
    select i.sop_instance_uid
    from index.series_view s
    join storage.identity_view i on i.study_instance_uid = s.study_instance_uid
                                and i.series_instance_uid = s.series_instance_uid
    where s.series_instance_uid = any(%(uids)s::text[])
), latest as (
    select distinct on (i.sop_instance_uid) i.sop_instance_uid, i.received_at, i.object_key
    from wanted w join storage.identity_view i using (sop_instance_uid)
    where i.state = 'STORED'
    order by i.sop_instance_uid, i.revision desc
)
select r.received_at, r.object_key, r.sop_instance_uid, r.revision, r.disposition, r.sha256, r.size,
       r.sop_class_uid, r.study_instance_uid, r.series_instance_uid, r.transfer_syntax_uid, r.peer_address,
       r.calling_aet, r.called_aet, r.association, r.rule_set, r.data_set_offset, r.identity_state, f.facts
from latest l
join storage.receipt_view r on r.received_at = l.received_at and r.object_key = l.object_key
left join storage.fact_view f on f.received_at = l.received_at and f.object_key = l.object_key
order by r.received_at, r.object_key

-- name: select_there
-- Also what another station got, or gets, instead.
select d.sop_instance_uid, d.revision, t.destination
from routing.delivery d cross join lateral (values (d.destination), (d.instead_of)) as t(destination)
where d.sop_instance_uid = any(%(uids)s::text[]) and d.request = '00000000-0000-0000-0000-000000000000'
  and t.destination is not null

-- name: replace_evaluations
insert into routing.evaluation as e (received_at, object_key, sop_instance_uid, revision, study_instance_uid, rule_set,
                                     matched, note)
select * from unnest(%(received_at)s::timestamptz[], %(object_key)s::text[], %(sop_instance_uid)s::text[],
                     %(revision)s::int[], %(study_instance_uid)s::text[], %(rule_set)s::int[], %(matched)s::jsonb[],
                     %(note)s::text[])
on conflict (received_at, object_key) do update set
    rule_set = excluded.rule_set, matched = excluded.matched, note = excluded.note, evaluated_at = now()
