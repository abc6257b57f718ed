-- A station is asked what it has before it is sent anything.
-- oldest-code: 13

alter table config.station add skip_present boolean not null default false;
comment on column config.station.skip_present is
    'Before instances are sent to it, it is asked by C-FIND which of them it has; those are not sent.';
create or replace view config.station_view as select * from config.station;

alter table routing.job add skip_present boolean;
comment on column routing.job.skip_present is
    'Whether the destination is asked first which instances it has; null: as the station says.';
comment on column routing.delivery.status is
    'The answer to its last C-STORE; null and DELIVERED: not sent, the station answered a C-FIND that it has it.';
comment on column routing.delivery.sent is
    'What the last attempt sent instead of what is stored: sha256, size, transfer_syntax, uids (old to new); only uids '
    'where the station had it.';
