-- name: list_contacts
select * from config.contact order by name

-- name: get_contact
select * from config.contact where name = %(name)s for update

-- name: insert_contact
insert into config.contact
    (name, mails, webhook, kinds, stations, rules, everything_else, digest_minutes, quiet, urgent, enabled, secret)
values (%(name)s, %(mails)s, %(webhook)s, %(kinds)s, %(stations)s, %(rules)s, %(everything_else)s, %(digest_minutes)s,
        %(quiet)s, %(urgent)s, %(enabled)s, %(secret)s)
on conflict (name) do nothing
returning name

-- name: update_contact
update config.contact set
    mails = %(mails)s, webhook = %(webhook)s, kinds = %(kinds)s, stations = %(stations)s, rules = %(rules)s,
    everything_else = %(everything_else)s, digest_minutes = %(digest_minutes)s, quiet = %(quiet)s, urgent = %(urgent)s,
    enabled = %(enabled)s, secret = coalesce(%(secret)s, secret)
where name = %(name)s

-- name: try_now
-- What was changed may be what was wrong.
update config.notice_line set next_attempt_at = '-infinity' where contact = %(name)s and next_attempt_at > now()

-- name: set_secret
update config.contact set secret = %(secret)s where name = %(name)s

-- name: delete_contact
delete from config.contact where name = %(name)s

-- name: delete_lines
delete from config.notice_line where contact = %(name)s

-- name: live_rules
select r ->> 'name' as rule from config.rule_set_view s, jsonb_array_elements(s.document -> 'rules') as r where s.live

-- name: contact_names
select name from config.contact order by name

-- name: contacts_of_rules
-- Whom the live rules name, by rule.
select r ->> 'name' as rule, r ->> 'contact' as contact
from config.rule_set_view s, jsonb_array_elements(s.document -> 'rules') as r
where s.live and r ->> 'contact' is not null
