-- Transformations: what is changed of what is sent, under which UIDs it went, and the correction of what is stored.
-- oldest-code: 13

create table routing.transformation (
    number text primary key check (length(number) = 64),
    steps jsonb not null,
    created_at timestamptz not null default now()
);
comment on table routing.transformation is
    'Steps by their SHA-256, never changed: what a rule said when it sent, resolved for the sender of the instance.';

create table routing.transformation_key (
    only_row boolean primary key default true check (only_row),
    key bytea not null default sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8'))
);
insert into routing.transformation_key default values;
comment on table routing.transformation_key is
    'The secret from which new UIDs and pseudonyms follow: whoever loses it cannot make the same ones again.';

alter table routing.delivery
    add transformation text,
    add sent_sop_instance_uid text,
    add sent jsonb;
comment on column routing.delivery.transformation is 'What is changed of the instance; null: nothing.';
comment on column routing.delivery.sent_sop_instance_uid is
    'The SOP Instance UID under which it is sent; null: its own. Deliveries of an instance are in order by its own.';
comment on column routing.delivery.sent is
    'What the last attempt sent instead of what is stored: sha256, size, transfer_syntax, uids (old to new).';
create index delivery_sent_uid on routing.delivery (sent_sop_instance_uid) where sent_sop_instance_uid is not null;
create or replace view routing.delivery_view as select * from routing.delivery;

create or replace view routing.delivered_view as
    select sop_instance_uid, destination from routing.delivery
    where state in ('DELIVERED', 'WARNED', 'SENDING', 'UNKNOWN')
    union all
    select sent_sop_instance_uid, destination from routing.delivery
    where sent_sop_instance_uid is not null and state in ('DELIVERED', 'WARNED', 'SENDING', 'UNKNOWN');

alter table routing.attempt add sent_sha256 text;
comment on column routing.attempt.sent_sha256 is 'SHA-256 of the data set that was sent; null: the stored one.';
create or replace view routing.attempt_view as select * from routing.attempt;

create view routing.transformation_view as select * from routing.transformation;
create view routing.transformation_key_view as select key from routing.transformation_key;

alter table commitment.item add named_uid text;
comment on column commitment.item.named_uid is
    'The SOP Instance UID under which the archive was sent the instance; null: its own.';
create or replace view commitment.item_view as select * from commitment.item;

alter table config.request drop constraint request_kind_check;
alter table config.request add constraint request_kind_check
    check (kind in ('send', 'retrieve', 'retry', 'cancel', 'route', 'retry-deliveries', 'cancel-deliveries',
                    'reroute-deliveries', 'delete', 'retention', 'correct', 'retry-commitment', 'cancel-commitment'));
comment on table config.request is
    'What people ask a service to do: send, retrieve, retry, cancel, route the forwarder, delete, retention, correct '
    'storage, the others commitment. Each answers in its own request_done.';
