-- name: lock_request
select pg_advisory_xact_lock(hashtextextended('commitment.request:' || %(request)s::text, 0))

-- name: select_request
select r.id, r.kind, r.body, r.requested_by
from config.request_view r
where r.id = %(request)s and r.kind = any(%(kinds)s::text[])
  and not exists (select from commitment.request_done d where d.request = r.id)

-- name: select_undone
select r.id from config.request_view r
where r.requested_at > now() - interval '7 days' and r.kind = any(%(kinds)s::text[])
  and not exists (select from commitment.request_done d where d.request = r.id)
order by r.requested_at
limit 100

-- name: insert_done
insert into commitment.request_done (request, result) values (%(request)s, %(result)s)

-- name: lock_commitment
select c.id, c.server, c.state, c.closed_at is not null as closed,
       (select r.id from commitment.commitment r where r.repeats = c.id order by r.created_at limit 1) as repeated_by
from commitment.commitment c
where c.id = %(commitment)s
for update of c

-- name: repeat
insert into commitment.commitment (id, study_instance_uid, destination, server, state, repeats, requested_by,
                                   next_attempt_at, last_delivered_at)
select %(new)s, study_instance_uid, destination, server, 'QUEUED', id, %(requested_by)s,
       now() + make_interval(secs => %(delay)s), last_delivered_at
from commitment.commitment c
where id = %(commitment)s
  and exists (select from commitment.item i where i.commitment = c.id and i.state <> 'COMMITTED'
                and (not i.send_again or %(with_sent_again)s))
returning id

-- name: repeat_items
insert into commitment.item (received_at, delivery, round, commitment, job, sop_instance_uid, named_uid, revision,
                             sop_class_uid, study_instance_uid)
select received_at, delivery, round + 1, %(new)s, job, sop_instance_uid, named_uid, revision, sop_class_uid, study_instance_uid
from commitment.item
where commitment = %(commitment)s and state <> 'COMMITTED' and (not send_again or %(with_sent_again)s)
returning delivery

-- name: close
update commitment.commitment set closed_at = now() where id = %(commitment)s and closed_at is null

-- name: cancel
update commitment.commitment set
    state = 'FAILURE', reason = %(reason)s, finished_at = coalesce(finished_at, now()), closed_at = now(),
    lease_until = null
where id = %(commitment)s and closed_at is null

-- name: lock_open_of_erasure
select c.id from commitment.commitment c
where c.closed_at is null and c.finished_at is null
  and exists (select from commitment.item i
              join config.erasure_item_view t on t.sop_instance_uid = i.sop_instance_uid and t.revision = i.revision
              where i.commitment = c.id and t.erasure = %(erasure)s::uuid)
order by c.id
for update of c
