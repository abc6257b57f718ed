-- name: claim
-- A series or study that jobs collect, whose source may tell how much there is of it, and is not asked at the moment.
-- Two that choose the same one: the second finds the first one's lease.
with wanted as (
    select j.counted_at, j.level, j.group_uid, j.study_instance_uid
    from routing.job j
    left join routing.count_question q
           on q.source = j.counted_at and q.level = j.level and q.group_uid = j.group_uid
    where j.released_at is null and j.counted_at <> '' and j.counted_at <> all(%(busy)s::text[])
      and (q.source is null or q.next_at <= now()
           and (q.lease_until is null or runtime.lease_expired(q.lease_until, make_interval(secs => %(lease)s))))
    order by q.next_at nulls first, j.last_received_at
    limit 1
)
insert into routing.count_question as q (source, level, group_uid, lease_until)
select counted_at, level, group_uid, now() + make_interval(secs => %(lease)s) from wanted
on conflict (source, level, group_uid) do update set lease_until = excluded.lease_until
where q.next_at <= now()
  and (q.lease_until is null or runtime.lease_expired(q.lease_until, make_interval(secs => %(lease)s)))
returning q.source, q.level, q.group_uid, q.asked,
          (select study_instance_uid from wanted) as study_instance_uid

-- name: record
-- fault: why there is no number; the one of before still counts.
update routing.count_question set
    expected = coalesce(%(expected)s, expected), fault = %(fault)s, asked = asked + 1, lease_until = null,
    next_at = now() + make_interval(secs => %(wait)s)
where source = %(source)s and level = %(level)s and group_uid = %(group_uid)s

-- name: select_answered
-- What has a number to compare with; that of which something came last comes first.
select q.source, q.level, q.group_uid, j.study_instance_uid
from routing.count_question q
join routing.job j on j.counted_at = q.source and j.level = q.level and j.group_uid = q.group_uid
where j.released_at is null and j.counted_at <> '' and q.expected is not null
group by q.source, q.level, q.group_uid, j.study_instance_uid
order by max(j.last_received_at) desc
limit %(most)s

-- name: count_received
-- One at a time: within the statement that releases jobs the planner would take it for so much work that it compiles.
update routing.count_question q set received = c.received
from (
    select count(distinct r.sop_instance_uid)::int as received from storage.receipt_view r
    where r.study_instance_uid = %(study_instance_uid)s and r.calling_aet = %(source)s
      and (%(level)s = 'study' or r.series_instance_uid = %(group_uid)s) and r.identity_state in ('STORED', 'DAMAGED')
) as c
where q.source = %(source)s and q.level = %(level)s and q.group_uid = %(group_uid)s
  and q.received is distinct from c.received

-- name: delete_answered
-- Those of what is not collected any more: its jobs were cancelled.
delete from routing.count_question q
where not exists (select from routing.job j
                  where j.released_at is null and j.counted_at = q.source and j.level = q.level
                    and j.group_uid = q.group_uid)
