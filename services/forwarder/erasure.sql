-- name: select_waiting
select d.received_at, d.id
from config.erasure_item_view t
join routing.delivery d on d.sop_instance_uid = t.sop_instance_uid and d.revision = t.revision
where t.erasure = %(erasure)s::uuid and d.state = any(%(states)s::text[])
order by d.received_at, d.id limit %(most)s

-- name: forget_destinations
-- Why it last failed may have been one of these instances; of other answers too the status is enough.
update routing.destination s set last_failure = regexp_replace(s.last_failure, '((status|answered) [0-9A-F]{4}[^:]*): .*', '\1')
where s.last_failure ~ '(status|answered) [0-9A-F]{4}[^:]*: '
  and s.title in (select d.destination from config.erasure_item_view t
                  join routing.delivery d on d.sop_instance_uid = t.sop_instance_uid and d.revision = t.revision
                  where t.erasure = %(erasure)s::uuid)

-- name: forget_outages
update routing.outage o set reason = regexp_replace(o.reason, '((status|answered) [0-9A-F]{4}[^:]*): .*', '\1')
where o.reason ~ '(status|answered) [0-9A-F]{4}[^:]*: '
  and o.destination in (select d.destination from config.erasure_item_view t
                        join routing.delivery d on d.sop_instance_uid = t.sop_instance_uid and d.revision = t.revision
                        where t.erasure = %(erasure)s::uuid)

-- name: forget_attempts
-- Of an answer the status and its name stay; behind them stands what the station wrote.
update routing.attempt a set reason = regexp_replace(a.reason, '((status|answered) [0-9A-F]{4}[^:]*): .*', '\1')
from config.erasure_item_view t
join routing.delivery d on d.sop_instance_uid = t.sop_instance_uid and d.revision = t.revision
where t.erasure = %(erasure)s::uuid and a.delivery = d.id and a.reason ~ '(status|answered) [0-9A-F]{4}[^:]*: '

-- name: forget_deliveries
update routing.delivery d set reason = regexp_replace(d.reason, '((status|answered) [0-9A-F]{4}[^:]*): .*', '\1')
from config.erasure_item_view t
where t.erasure = %(erasure)s::uuid and d.sop_instance_uid = t.sop_instance_uid and d.revision = t.revision
  and d.reason ~ '(status|answered) [0-9A-F]{4}[^:]*: '

-- name: forget_jobs
update routing.job j set reason = regexp_replace(j.reason, '((status|answered) [0-9A-F]{4}[^:]*): .*', '\1')
where j.reason ~ '(status|answered) [0-9A-F]{4}[^:]*: '
  and (j.id in (select d.job from config.erasure_item_view t
                join routing.delivery d on d.sop_instance_uid = t.sop_instance_uid and d.revision = t.revision
                where t.erasure = %(erasure)s::uuid)
       or j.study_instance_uid in (
           select t.study_instance_uid from config.erasure_item_view t where t.erasure = %(erasure)s::uuid))

-- name: forget_moves
update routing.retrieval_move m set reason = regexp_replace(m.reason, '((status|answered) [0-9A-F]{4}[^:]*): .*', '\1')
where m.reason ~ '(status|answered) [0-9A-F]{4}[^:]*: '
  and m.study_instance_uid in (
      select t.study_instance_uid from config.erasure_item_view t where t.erasure = %(erasure)s::uuid)
