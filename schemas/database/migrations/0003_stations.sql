-- What a station may ask for and is sent, how long it is waited for, and further titles that the gateway answers to.
-- oldest-code: 1

alter table config.station
    add refuse_findings boolean not null default false,
    add reduce_level_1 boolean not null default false,
    add move_destinations text[] not null default '{}',
    add store_seconds int check (store_seconds between 1 and 86400),
    add find_seconds int check (find_seconds between 1 and 86400),
    add move_seconds int check (move_seconds between 1 and 86400),
    add action_seconds int check (action_seconds between 1 and 86400);
comment on column config.station.refuse_findings is 'Instances of it with a finding of the IOD check are refused.';
comment on column config.station.reduce_level_1 is 'R92: it is sent no more of a level 1 class than the statement keeps.';
comment on column config.station.move_destinations is 'Titles it may name in a C-MOVE; empty: any station.';
comment on column config.station.store_seconds is
    'Longest wait for a response to C-STORE; null: as the profile says. The same for C-FIND, C-MOVE and N-ACTION.';
create or replace view config.station_view as select * from config.station;

create table config.called_title (
    title text primary key check (title ~ '^[\x20-\x5b\x5d-\x7e]{1,16}$' and title = btrim(title) and title <> ''),
    stations text[] not null default '{}',
    associations int check (associations between 1 and 4096),
    created_at timestamptz not null default now()
);
comment on table config.called_title is 'Titles the gateway answers to besides its own, or limits of its own title.';
comment on column config.called_title.stations is 'Who may call it; empty: every known station.';
comment on column config.called_title.associations is 'Incoming associations at a time; null: as many as the AE takes.';
create view config.called_title_view as select * from config.called_title;
