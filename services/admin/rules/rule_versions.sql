-- name: rule_set_page
-- The newest first, those before a number, with all words in number, comment or who published it; live_at: when each became live, the last time.
select r.number, r.comment, r.created_by, r.created_at, r.copied_from, r.live,
       jsonb_array_length(r.document -> 'rules') as rules,
       (select max(a.activated_at) from config.rule_set_activation a where a.rule_set = r.number) as live_at
from config.rule_set_view r where r.number < coalesce(%(before)s::int, 2147483647)
  and (select coalesce(bool_and(position(lower(word) in lower(concat_ws(' ', r.number, r.comment, r.created_by))) > 0),
                       true) from unnest(%(words)s::text[]) as word)
order by r.number desc limit %(limit)s
