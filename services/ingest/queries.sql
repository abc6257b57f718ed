-- name: known_contents
-- The contents that are stored under a UID.
select sha256 from storage.identity_view
where sop_instance_uid = %(sop_instance_uid)s and state in ('STORED', 'DAMAGED')

-- name: tell_taken
insert into runtime.configuration_taken (process, configuration, rule_set, lease)
values (%(process)s, %(configuration)s, %(rule_set)s, make_interval(secs => %(lease)s))
on conflict (process) do update set
    configuration = excluded.configuration, rule_set = excluded.rule_set, heard_at = now(), lease = excluded.lease

-- name: forget_silent
delete from runtime.configuration_taken where heard_at < now() - make_interval(secs => %(seconds)s)

-- name: leave
delete from runtime.configuration_taken where process = %(process)s
