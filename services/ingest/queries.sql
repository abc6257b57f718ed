-- name: known_contents
-- The contents that are stored under a UID.
select sha256 from storage.identity_view
where sop_instance_uid = %(sop_instance_uid)s and state in ('STORED', 'DAMAGED')
