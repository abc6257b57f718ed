-- What goes first of what waits for a station.
-- oldest-code: 13

alter table config.station
    add "order" text not null default 'oldest' check ("order" in ('oldest', 'newest'));
comment on column config.station."order" is
    'What goes first of what waits for it with one priority: what came first, or what came last.';
create or replace view config.station_view as select * from config.station;
