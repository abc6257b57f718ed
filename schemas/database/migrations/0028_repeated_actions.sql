-- Actions of the API that a program may send again: carried out once, answered alike.
-- oldest-code: 27

create table config.action (
    actor text not null,
    key text not null,
    request_sha256 bytea not null,
    begun_at timestamptz not null default now(),
    status int,
    headers jsonb,
    body bytea,
    primary key (actor, key)
);
comment on table config.action is 'Actions by the key that who asked gave them (Idempotency-Key), kept for 24 hours.';
comment on column config.action.status is 'What was answered; null: nothing yet, or its process ended before.';
create index action_begun on config.action (begun_at);
