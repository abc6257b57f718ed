-- name: select_committed
-- Deliveries whose wait is over: every station they await has committed this revision.
select d.received_at, d.id, d.job, d.destination
from routing.delivery d
where d.awaits is not null and d.state = 'PENDING'
  and (%(study)s::text is null or d.study_instance_uid = %(study)s)
  and not exists (
      select from unnest(d.awaits) as t(server)
      where not exists (select from commitment.archived_view a
                        where a.sop_instance_uid = d.sop_instance_uid and a.revision = d.revision
                          and a.server = t.server))
limit %(most)s

-- name: select_hopeless
-- Deliveries that await a station which nothing brings to commit the instance any more: what was or is sent to be
-- committed there has failed, or its commitment is closed without it and nobody repeats it.
select d.received_at, d.id, d.job, t.server, coalesce(c.id::text, '') as commitment, coalesce(c.reason, '') as refusal
from routing.delivery d
cross join lateral unnest(d.awaits) as t(server)
left join lateral (
    select c.id, c.reason
    from commitment.item_view i join commitment.commitment_view c on c.id = i.commitment
    where i.sop_instance_uid = d.sop_instance_uid and i.revision = d.revision and c.server = t.server
    order by c.created_at desc limit 1
) as c on true
where d.awaits is not null and d.state = 'PENDING'
  and (%(study)s::text is null or d.study_instance_uid = %(study)s)
  and not exists (select from commitment.archived_view a
                  where a.sop_instance_uid = d.sop_instance_uid and a.revision = d.revision and a.server = t.server)
  and not exists (
      select from routing.delivery w
      left join config.commitment_server_view s on s.destination = w.destination
      where w.sop_instance_uid = d.sop_instance_uid and w.revision = d.revision
        and (w.received_at, w.id) <> (d.received_at, d.id)
        and ((w.state in ('PENDING', 'SENDING', 'UNKNOWN') and w.commit is distinct from false and s.server = t.server)
          or (w.state in ('DELIVERED', 'WARNED') and w.commit_on = t.server and (
              not exists (select from commitment.item_view i
                          where i.received_at = w.received_at and i.delivery = w.id)
              or exists (
                  select from commitment.item_view i join commitment.commitment_view c on c.id = i.commitment
                  where i.received_at = w.received_at and i.delivery = w.id
                    and (i.state = 'COMMITTED' or c.closed_at is null
                      or (i.send_again and not exists (
                          select from routing.delivery n
                          where n.sop_instance_uid = i.sop_instance_uid and n.destination = w.destination
                            and n.request = md5('send again: ' || i.commitment::text)::uuid)))))))
  )
limit %(most)s

-- name: let_go
-- waiting_since is now: its retry hours do not count what it waited for. A job that still collects keeps it.
update routing.delivery d set
    awaits = null, reason = '', waiting_since = now(),
    next_attempt_at = case when j.released_at is null then 'infinity'::timestamptz else now() end
from unnest(%(received_at)s::timestamptz[], %(id)s::bigint[]) as k(received_at, id), routing.job j
where d.received_at = k.received_at and d.id = k.id and j.id = d.job and d.awaits is not null and d.state = 'PENDING'
returning d.destination

-- name: fail
update routing.delivery d set state = 'FAILED', finished_at = now(), reason = left(k.reason, 500)
from unnest(%(received_at)s::timestamptz[], %(id)s::bigint[], %(reason)s::text[]) as k(received_at, id, reason)
where d.received_at = k.received_at and d.id = k.id and d.awaits is not null and d.state = 'PENDING'
returning d.job

-- name: select_send_again
-- Instances refused with 0112 whose commitment says that they be sent again, once each: what was sent because of that
-- is not sent a third time. They are changed as they were, never the original in their place, go when they might have gone,
-- and are held, given over and kept from where they came as they were.
select i.commitment, md5('send again: ' || i.commitment::text)::uuid as request, o.destination, o.commit,
       o.schedule, o.transformation, o.sent_sop_instance_uid, o.rule, o.source, o.back,
       s.received_at, s.object_key, s.sop_instance_uid, s.revision, s.study_instance_uid, s.series_instance_uid,
       s.sop_class_uid, s.transfer_syntax_uid, s.data_set_offset, s.size, s.sha256
from commitment.item_view i
join routing.delivery o on o.received_at = i.received_at and o.id = i.delivery
join routing.job j on j.id = o.job
join storage.identity_view s on s.sop_instance_uid = i.sop_instance_uid and s.revision = i.revision
where i.send_again and s.state = 'STORED' and j.rule <> %(rule)s
  and not exists (select from routing.delivery n
                  where n.sop_instance_uid = i.sop_instance_uid and n.destination = o.destination
                    and n.request = md5('send again: ' || i.commitment::text)::uuid)
order by i.commitment, i.sop_instance_uid
limit %(most)s

-- name: lock_commitment
select pg_advisory_xact_lock(hashtextextended('routing.send_again', 0))

-- name: insert_job
insert into routing.job (id, kind, destination, study_instance_uid, group_uid, rule, level, priority, request,
                         last_received_at, released_at)
values (%(request)s, 'send', %(destination)s, %(study)s, %(study)s, %(rule)s, 'instance', %(priority)s, %(request)s,
        now(), now())
on conflict (id) do nothing
