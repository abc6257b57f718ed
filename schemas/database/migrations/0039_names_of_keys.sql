-- Of API keys that are not revoked no two have one name: the audit names who acted by it. Of those that had one already
-- the first keeps it. Logins by the provider that are under way are counted by the address they come from.
-- oldest-code: 32

update config.api_key k set name = k.name || '-' || k.id
where revoked_at is null and exists (
    select from config.api_key first
    where first.name = k.name and first.revoked_at is null and (first.created_at, first.id) < (k.created_at, k.id)
);
create unique index api_key_name on config.api_key (name) where revoked_at is null;

alter table config.oidc_attempt add address text;
comment on column config.oidc_attempt.address is 'Whence it was begun: of one address so many may be under way.';
