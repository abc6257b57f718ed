-- Stations that stand in for others, and groups that share what is sent to one of them.
-- oldest-code: 1

alter table config.station
    add failover text check (failover <> title),
    add failover_seconds int not null default 600 check (failover_seconds between 0 and 604800),
    add balance_with text[] not null default '{}';
comment on column config.station.failover is
    'Where what waits for it goes once its circuit has been open for failover_seconds; null: it waits.';
comment on column config.station.balance_with is
    'What rules send to it is shared among it and these, each study to one of them.';
create or replace view config.station_view as select * from config.station;

alter table routing.delivery add instead_of text;
comment on column routing.delivery.instead_of is 'The station that the delivery was to; null: its destination itself.';
create index delivery_instead_of on routing.delivery (instead_of) where instead_of is not null and state = 'PENDING';
create or replace view routing.delivery_view as select * from routing.delivery;
