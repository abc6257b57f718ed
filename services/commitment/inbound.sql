-- name: lock_transaction
-- Requests of one peer with one Transaction UID are recorded one after the other.
select pg_advisory_xact_lock(hashtextextended('commitment.inbound:' || %(calling_aet)s || ' ' || %(transaction_uid)s, 0))

-- name: is_recorded
select from commitment.inbound where received_at = %(received_at)s and object_key = %(object_key)s

-- name: select_open
-- Requests of the peer with this Transaction UID that are not reported yet, and whether they name the same instances.
select i.id,
       i.total = cardinality(%(sop_instance_uid)s::text[]) and not exists (
           select * from unnest(%(sop_class_uid)s::text[], %(sop_instance_uid)s::text[])
           except
           select t.sop_class_uid, t.sop_instance_uid from commitment.inbound_item t
           where t.received_at = i.received_at and t.inbound = i.id) as same
from commitment.inbound i
where i.calling_aet = %(calling_aet)s and i.transaction_uid = %(transaction_uid)s
  and i.state in ('CHECKING', 'READY', 'SENDING')

-- name: insert_inbound
insert into commitment.inbound (received_at, id, object_key, reports_until, calling_aet, called_aet, peer_address,
                                association, transaction_uid, duplicate, state, total, reason)
values (%(received_at)s, %(id)s, %(object_key)s, %(reports_until)s, %(calling_aet)s, %(called_aet)s, %(peer_address)s,
        %(association)s, %(transaction_uid)s, %(duplicate)s, %(state)s, %(total)s, %(reason)s)

-- name: insert_unreadable
insert into commitment.inbound (received_at, id, object_key, calling_aet, called_aet, peer_address, association,
                                transaction_uid, state, total, reason)
values (%(received_at)s, %(id)s, %(object_key)s, '', '', '', '', '', 'GIVEN UP', 0, %(reason)s)
on conflict do nothing
returning id

-- name: unknown_keys
-- Those of the objects that have no row.
select u.object_key from unnest(%(object_key)s::text[]) as u(object_key)
where not exists (select from commitment.inbound i where i.object_key = u.object_key)

-- name: insert_items
insert into commitment.inbound_item (received_at, inbound, position, sop_class_uid, sop_instance_uid)
select %(received_at)s, %(inbound)s, %(first)s + u.place, u.sop_class_uid, u.sop_instance_uid
from unnest(%(sop_class_uid)s::text[], %(sop_instance_uid)s::text[])
         with ordinality as u(sop_class_uid, sop_instance_uid, place)

-- name: notify_checking
select pg_notify('commitment_checking', '')

-- name: record_report_sent
-- What ingest sent on the association of the request. Anything but 0000 is left to a new association, at once.
update commitment.inbound set
    state = case when %(status)s = 0 then 'REPORTED' else state end,
    reported_at = case when %(status)s = 0 then now() end,
    status = %(status)s,
    reason = case when %(status)s = 0 then '' else 'refused on the association of the request' end,
    next_attempt_at = case when state = 'READY' then now() else next_attempt_at end,
    lease_holder = case when %(status)s = 0 then null else lease_holder end,
    lease_until = case when %(status)s = 0 then null else lease_until end
where id = %(inbound)s and state in ('READY', 'SENDING')
returning state

-- name: count_open
select count(*) as requests from commitment.inbound where state in ('CHECKING', 'READY', 'SENDING')
