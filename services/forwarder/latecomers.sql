-- name: lock_collecting
-- None of these groups is released while it is decided about what came late.
select j.id
from unnest(%(rule)s::text[], %(destination)s::text[], %(study_instance_uid)s::text[], %(group_uid)s::text[])
         as u(rule, destination, study, group_uid)
join routing.job j on j.study_instance_uid = u.study and j.destination = u.destination and j.rule = u.rule
                  and j.group_uid = u.group_uid
where j.released_at is null and j.request is null
order by j.id
for update of j

-- name: select_released
-- When each group was released last, whichever the rule set.
select j.rule, j.destination, j.group_uid, max(j.released_at) as released_at
from unnest(%(rule)s::text[], %(destination)s::text[], %(study_instance_uid)s::text[], %(group_uid)s::text[])
         as u(rule, destination, study, group_uid)
join routing.job j on j.study_instance_uid = u.study and j.destination = u.destination and j.rule = u.rule
                  and j.group_uid = u.group_uid
where j.completed_by <> '' and j.request is null
group by j.rule, j.destination, j.group_uid

-- name: insert_again
-- What a group was sent before goes again with what came late: of each instance the newest revision that nobody gave
-- up, as it was sent. A delivery is one of a request or of a job that sends again; of the latter it bears the id.
with before as (
    select distinct on (n.id, d.sop_instance_uid)
           n.id as again, n.destination as destination_again,
           case when n.first_at is null then n.priority else %(first)s end as priority_again, d.*
    from unnest(%(rule)s::text[], %(destination)s::text[], %(study_instance_uid)s::text[], %(group_uid)s::text[])
             as u(rule, destination, study, group_uid)
    join routing.job n on n.rule = u.rule and n.destination = u.destination and n.group_uid = u.group_uid
                      and n.released_at is null and n.request is null
    join routing.job j on j.study_instance_uid = u.study and j.destination = u.destination and j.rule = u.rule
                      and j.group_uid = u.group_uid and j.request is null
    join routing.delivery d on d.job = j.id
    order by n.id, d.sop_instance_uid, d.revision desc, d.job = n.id desc, d.id desc
)
insert into routing.delivery (received_at, sop_instance_uid, revision, destination, request, job, study_instance_uid,
                              object_key, data_set_offset, size, sha256, sop_class_uid, transfer_syntax_uid, priority,
                              state, next_attempt_at, commit, awaits, rule, source, back, schedule, transformation,
                              sent_sop_instance_uid)
select b.received_at, b.sop_instance_uid, b.revision, b.destination_again, b.again, b.again, b.study_instance_uid,
       b.object_key, b.data_set_offset, b.size, b.sha256, b.sop_class_uid, b.transfer_syntax_uid, b.priority_again,
       'PENDING', 'infinity', b.commit, b.awaits, b.rule, b.source, b.back, b.schedule, b.transformation,
       b.sent_sop_instance_uid
from before b
where b.job <> b.again and b.state not in ('CANCELED', 'SUPERSEDED')
  and exists (select from storage.identity_view i
              where i.sop_instance_uid = b.sop_instance_uid and i.revision = b.revision and i.state = 'STORED')
on conflict (received_at, sop_instance_uid, revision, destination, request) do nothing

-- name: carry_met
-- What a job sends again it holds: what of it met the nodes that the rule requires, meets them still.
update routing.job n set met = array(
    select distinct unnest(n.met || j.met) from routing.job j
    where j.study_instance_uid = n.study_instance_uid and j.destination = n.destination and j.rule = n.rule
      and j.group_uid = n.group_uid and j.request is null and j.state <> 'CANCELED')
from unnest(%(rule)s::text[], %(destination)s::text[], %(study_instance_uid)s::text[], %(group_uid)s::text[])
         as u(rule, destination, study, group_uid)
where n.rule = u.rule and n.destination = u.destination and n.group_uid = u.group_uid
  and n.released_at is null and n.request is null
