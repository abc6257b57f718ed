-- Of what the forwarder evaluated: how often each rule matched.

-- name: rule_hits
-- Of the newest evaluations within some days, at most so many, which are read by the key of their partitions.
with looked_at as (
    select matched, received_at from routing.evaluation_view
    where received_at >= now() - make_interval(days => %(days)s) order by received_at desc limit %(most)s
),
alike as (select matched, count(*) as instances, max(received_at) as last_at from looked_at group by matched)
select each ->> 'rule' as rule, sum(instances)::bigint as instances, max(last_at) as last_at
from alike cross join jsonb_array_elements(matched) as each group by 1
union all
select null, coalesce(sum(instances), 0)::bigint, min(received_at) from (
    select count(*) as instances, min(received_at) as received_at from looked_at) as everything
