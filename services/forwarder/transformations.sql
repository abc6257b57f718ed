-- name: insert_transformations
insert into routing.transformation (number, steps)
select * from unnest(%(numbers)s::text[], %(steps)s::jsonb[]) order by 1
on conflict (number) do nothing

-- name: select_transformations
select t.number, t.steps, k.key
from routing.transformation t cross join routing.transformation_key k
where t.number = any(%(numbers)s::text[])
