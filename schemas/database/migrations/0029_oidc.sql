-- Who logs in by an OpenID Connect provider.
-- oldest-code: 28

alter table config.account
    add origin text not null default 'local' check (origin in ('local', 'oidc')),
    add issuer text,
    add subject text,
    add constraint account_of_provider
        check ((origin = 'oidc') = (issuer is not null and subject is not null)
               and (origin = 'local' or password_hash is null)),
    add constraint account_subject unique (issuer, subject);
comment on column config.account.origin is 'oidc: the provider says who it is and, by groups, the role; has no password here.';
comment on column config.account.subject is 'Who it is at the provider (OpenID Connect Core 2: iss and sub), whatever the name.';

create table config.oidc_attempt (
    state_sha256 bytea primary key,
    browser_sha256 bytea not null,
    nonce text not null,
    code_verifier text not null,
    redirect_uri text not null,
    next text not null,
    begun_at timestamptz not null default now()
);
comment on table config.oidc_attempt is 'Browsers that were sent to the provider and are not back yet; good once, for ten minutes.';
comment on column config.oidc_attempt.browser_sha256 is 'Of the token in the cookie: nobody but that browser may finish it.';
create index oidc_attempt_begun on config.oidc_attempt (begun_at);
