-- Who may use the web application and the API, and from where it was done.
-- oldest-code: 25

alter table audit.entry add address text;
comment on column audit.entry.address is 'Whence it was done over HTTP; null: by a command, or by the gateway itself.';

create table config.account (
    name text primary key,
    role text not null check (role in ('viewer', 'operator', 'admin')),
    password_hash text,
    created_at timestamptz not null default now(),
    password_set_at timestamptz,
    logged_in_at timestamptz
);
comment on table config.account is 'People who may log in.';
comment on column config.account.password_hash is 'Argon2id; null: cannot log in by password.';

create table config.session (
    token_sha256 bytea primary key,
    account text not null references config.account on delete cascade,
    csrf_token text not null,
    address text not null,
    created_at timestamptz not null default now(),
    seen_at timestamptz not null default now()
);
comment on table config.session is 'Browsers that are logged in; the token itself is kept by the browser alone.';
create index session_account on config.session (account);
create index session_seen on config.session (seen_at);

create table config.failed_login (
    at timestamptz not null default now(),
    name text not null,
    address text not null
);
comment on table config.failed_login is 'Of the last hour: names and addresses that fail often have to wait.';
create index failed_login_name on config.failed_login (name, at);
create index failed_login_address on config.failed_login (address, at);

create table config.api_key (
    id text primary key,
    secret_sha256 bytea not null,
    name text not null,
    role text not null check (role in ('viewer', 'operator', 'admin')),
    created_by text not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz,
    revoked_at timestamptz,
    used_at timestamptz
);
comment on table config.api_key is 'Programs that may use the API; the secret is shown once and never kept.';

create or replace view audit.entry_view as
    select id, at, actor, action, object, before, after, address from audit.entry;
