-- Stations that are asked every so many minutes what they have, and have what is not here sent to us.
-- oldest-code: 13

alter table config.station
    add pull_minutes int not null default 0 check (pull_minutes between 0 and 1440),
    add pull_days int not null default 1 check (pull_days between 1 and 365),
    add pull_modalities text[] not null default '{}';
comment on column config.station.pull_minutes is
    'So often it is asked for studies that are not here, which are retrieved then; 0: never.';
comment on column config.station.pull_days is 'Only studies with a Study Date within so many days.';
comment on column config.station.pull_modalities is 'Only studies with one of these modalities; none: all.';
create or replace view config.station_view as select * from config.station;

create table config.pull (
    title text primary key references config.station (title) on delete cascade,
    asked_at timestamptz,
    holder text not null default '',
    lease_until timestamptz,
    finished_at timestamptz,
    failures int not null default 0,
    fault text not null default '',
    studies int not null default 0,
    pulled int not null default 0,
    under_way int not null default 0,
    missing int not null default 0
);
comment on table config.pull is
    'The last turn of a station that is pulled from. failures: turns in a row in which it could not be asked; fault: why.';
comment on column config.pull.studies is
    'What it had in its last turn that was carried out: of these pulled was asked for, under_way was asked for before, '
    'missing lacks something although it was retrieved.';

create table config.pulled (
    title text not null references config.station (title) on delete cascade,
    study_instance_uid text not null,
    told int,
    complete int,
    attempts int not null default 0,
    next_at timestamptz,
    request uuid,
    pulled_at timestamptz,
    seen_at timestamptz not null default now(),
    primary key (title, study_instance_uid)
);
comment on table config.pulled is 'What is known of a study of such a station, as long as it is within the days asked for.';
comment on column config.pulled.told is 'Instances that it counted when it was retrieved last, or was complete.';
comment on column config.pulled.complete is 'Instances when nothing was lacking; null: never.';
comment on column config.pulled.attempts is 'Retrievals since it grew; the next one is not before next_at.';
