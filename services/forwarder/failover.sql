-- name: select_links
-- From whom to whom waiting deliveries were given over.
select distinct instead_of, destination from routing.delivery where instead_of is not null and state = 'PENDING'

-- name: select_waits
-- Whether anything that may go waits for the station itself.
select exists (select from routing.delivery
               where destination = %(title)s and state in ('PENDING', 'SENDING', 'UNKNOWN')
                 and next_attempt_at < 'infinity') as waits

-- name: give_over
-- What the other station is sent anyway waits on: one delivery for each instance and destination. Each keeps its place
-- in the order. The attempt says it for good, whatever the delivery's reason becomes. What came from the other station
-- waits on too, unless its rule sends it back, and so does what has to be committed where nobody could be asked.
with chosen as (
    select w.received_at, w.id from routing.delivery w
    where w.destination = %(title)s and w.state = 'PENDING' and w.next_attempt_at < 'infinity' and w.instead_of is null
      and not exists (select from routing.delivery o
                      where o.received_at = w.received_at and o.sop_instance_uid = w.sop_instance_uid
                        and o.revision = w.revision and o.destination = %(other)s and o.request = w.request)
      and (w.back or w.source <> %(other)s)
      and (w.commit is distinct from true
           or exists (select from config.commitment_server_view c where c.destination = %(other)s))
    limit %(most)s
    for update skip locked
), given as (
    update routing.delivery d set
        destination = %(other)s, instead_of = %(title)s, next_attempt_at = least(d.next_attempt_at, now()), waiting_since = now(), attempts = 0,
        reason = 'goes to ' || %(other)s || ': ' || %(title)s || ' does not answer'
    from chosen c where d.received_at = c.received_at and d.id = c.id
    returning d.id, d.job, d.reason
), told as (
    insert into routing.attempt (delivery, outcome, reason) select id, 'GIVEN OVER', reason from given
)
select job, reason from given

-- name: take_back
-- What the station is sent meanwhile by a delivery of its own stays where it was given to.
with chosen as (
    select w.received_at, w.id from routing.delivery w
    where w.instead_of = %(title)s and w.destination = %(other)s and w.state = 'PENDING'
      and not exists (select from routing.delivery o
                      where o.received_at = w.received_at and o.sop_instance_uid = w.sop_instance_uid
                        and o.revision = w.revision and o.destination = %(title)s and o.request = w.request)
    limit %(most)s
    for update skip locked
), taken as (
    update routing.delivery d set
        destination = %(title)s, instead_of = null, hold = null, shut = null, held_since = null,
        next_attempt_at = least(d.next_attempt_at, now()), waiting_since = now(), attempts = 0,
        reason = 'goes to ' || %(title)s || ' again'
    from chosen c where d.received_at = c.received_at and d.id = c.id
    returning d.id, d.job, d.reason
), told as (
    insert into routing.attempt (delivery, outcome, reason) select id, 'TAKEN BACK', reason from taken
)
select job, reason from taken
