-- Who is told of what went wrong: contacts, what happened, and the notices that they were or are to be sent.
-- oldest-code: 30

alter table config.station add silent_hours int check (silent_hours between 1 and 720);
comment on column config.station.silent_hours is
    'It is silent, and a notice is sent, when nothing came from it for so many hours; null: it may be.';
create or replace view config.station_view as select * from config.station;

create table config.contact (
    name text primary key,
    mails text[] not null default '{}',
    webhook text,
    secret text,
    kinds text[] not null,
    stations text[] not null default '{}',
    rules text[] not null default '{}',
    everything_else boolean not null default false,
    digest_minutes int not null default 0 check (digest_minutes between 0 and 10080),
    quiet text[] not null default '{}',
    urgent text[] not null default '{}',
    enabled boolean not null default true,
    created_at timestamptz not null default now()
);
comment on table config.contact is 'Who is sent notices: of which stations and rules, of which kinds, where to and when.';
comment on column config.contact.secret is 'The key of the signature (HMAC-SHA256) of what is posted to its webhook.';
comment on column config.contact.everything_else is 'It is told of what no contact is named for, too.';
comment on column config.contact.digest_minutes is 'How long notices are collected from the first one on; 0: not at all.';
comment on column config.contact.quiet is 'Windows of the week in which only notices of the urgent kinds are sent.';

create table config.notice_event (
    id bigint generated always as identity primary key,
    kind text not null check (kind in ('job-failed', 'dead-letter', 'commitment-overdue', 'modality-silent')),
    subject text not null,
    at timestamptz not null default now(),
    stations text[] not null default '{}',
    rule text not null default '',
    facts jsonb not null default '{}',
    addressed_at timestamptz,
    unique (kind, subject)
);
create index notice_event_at on config.notice_event (at);
create index notice_event_new on config.notice_event (id) where addressed_at is null;
comment on table config.notice_event is 'What happened that is worth a notice, once each.';
comment on column config.notice_event.subject is 'What makes it this one: what it happened to, and when where that may be again.';
comment on column config.notice_event.addressed_at is 'When its notices were made; null: not yet.';

create table config.notice (
    event bigint not null references config.notice_event on delete cascade,
    contact text not null,
    channel text not null check (channel in ('mail', 'webhook')),
    state text not null default 'WAITING' check (state in ('WAITING', 'SENT', 'GIVEN UP')),
    made_at timestamptz not null default now(),
    tried_at timestamptz,
    ended_at timestamptz,
    fault text not null default '',
    primary key (event, contact, channel)
);
create index notice_waiting on config.notice (contact, channel) where state = 'WAITING';
create index notice_made on config.notice (made_at desc, event desc);
comment on table config.notice is 'What one contact is told of one event by one channel. It stays when the contact goes.';
comment on column config.notice.tried_at is 'When it was first tried: a day later it is given up.';

create table config.notice_line (
    contact text not null,
    channel text not null check (channel in ('mail', 'webhook')),
    holder text,
    lease_until timestamptz,
    failures int not null default 0,
    failing_since timestamptz,
    next_attempt_at timestamptz not null default '-infinity',
    sent_at timestamptz,
    fault text not null default '',
    primary key (contact, channel)
);
comment on table config.notice_line is 'One channel to one contact: who sends by it now, and since when that fails.';

create index receipt_sender on storage.receipt (calling_aet, received_at desc);
create view storage.sender_view as select calling_aet, received_at from storage.receipt;
comment on view storage.sender_view is 'From whom something came, and when.';

create index job_failed on routing.job (finished_at) where state = 'FAILED';
