-- How a station is tried again, how fast and over how many associations it is sent to; circuits that ask by C-ECHO.
-- oldest-code: 1

alter table config.station
    add retry_statuses text[] not null default '{A7xx,0110,0213}',
    add retry_errors text[] not null default '{unreachable,rejected,broken-off}'
        check (retry_errors <@ '{unreachable,rejected,broken-off}'),
    add retry_first_seconds int not null default 1 check (retry_first_seconds between 1 and 3600),
    add retry_factor double precision not null default 2 check (retry_factor between 1 and 10),
    add retry_most_seconds int not null default 300 check (retry_most_seconds between 1 and 86400),
    add retry_attempts int check (retry_attempts between 1 and 1000),
    add instances_per_second double precision check (instances_per_second between 0.01 and 10000),
    add megabytes_per_second double precision check (megabytes_per_second between 0.01 and 10000),
    add idle_seconds int check (idle_seconds between 0 and 3600),
    add association_instances int check (association_instances between 1 and 100000);
comment on column config.station.retry_statuses is
    'Failures it answers a C-STORE with after which it is tried again; the last digits may be x.';
comment on column config.station.retry_errors is 'Failures without an answer after which it is tried again.';
comment on column config.station.retry_first_seconds is
    'Longest wait before the second attempt, retry_factor times as long each time, at most retry_most_seconds.';
comment on column config.station.retry_attempts is 'So often a delivery is tried; null: until retry_hours have passed.';
comment on column config.station.instances_per_second is
    'It is sent no more; null: as many as it takes. The same for megabytes (of 1,000,000 bytes).';
comment on column config.station.idle_seconds is 'An association without work is closed after so long; null: as all.';
comment on column config.station.association_instances is 'Deliveries over one association; null: any number.';
create or replace view config.station_view as select * from config.station;

alter table routing.destination drop constraint destination_circuit_check;
alter table routing.destination
    add constraint destination_circuit_check check (circuit in ('CLOSED', 'OPEN', 'HALF-OPEN')),
    add open_since timestamptz,
    add paced_until timestamptz;
comment on column routing.destination.circuit is
    'OPEN: only C-ECHO goes there (profile xeleris: one delivery at a time tries); HALF-OPEN: a C-ECHO was answered, one '
    'delivery tries.';
comment on column routing.destination.open_since is 'When the circuit was opened; null: it is closed.';
comment on column routing.destination.paced_until is 'Before that nothing more is claimed for it, for its rate.';
create or replace view routing.destination_view as select * from routing.destination;
