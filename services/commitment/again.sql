-- name: mark_send_again
-- Once for each instance and server: what is refused again after it was sent again stays refused. Only where the
-- destination is the server itself: sending again to another station does not bring it to the server.
update commitment.item i set send_again = true
from commitment.commitment c
where c.state = 'FAILURE' and c.finished_at > now() - interval '7 days' and c.destination = c.server
  and i.commitment = c.id and i.state = 'FAILED' and i.failure_reason = %(no_such_object)s and not i.send_again
  and not exists (select from commitment.item o join commitment.commitment oc on oc.id = o.commitment
                  where o.sop_instance_uid = i.sop_instance_uid and o.revision = i.revision
                    and oc.server = c.server and o.send_again)
returning i.commitment

-- name: select_repeatable
-- FAILUREs that are closed and that nobody cancelled or asked again. What a person asked again counts anew.
select c.id
from commitment.commitment c
where c.state = 'FAILURE' and c.finished_at > now() - interval '7 days' and c.closed_at is not null
  and not starts_with(c.reason, %(canceled_by)s)
  and not exists (select from commitment.commitment r where r.repeats = c.id)
  and exists (select from commitment.item i where i.commitment = c.id and i.state <> 'COMMITTED' and not i.send_again)
  and (
      with recursive chain as (
          select c.repeats as before, c.requested_by as by
          union all
          select p.repeats, p.requested_by from chain join commitment.commitment p on p.id = chain.before
          where chain.by = ''
      )
      select count(*) from chain where before is not null and by = ''
  ) < %(most)s
order by c.finished_at
limit 100
for update of c skip locked
