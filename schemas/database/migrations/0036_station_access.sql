-- Who a station proves to be, whether it is called by TLS, and what it may ask for.
-- oldest-code: 32

alter table config.station
    add tls boolean not null default false,
    add certificates text[] not null default '{}',
    add services text[] not null default '{}',
    add sop_classes text[] not null default '{}';
comment on column config.station.tls is 'It is called by TLS (PS3.15 B.12).';
comment on column config.station.certificates is
    'Certificates it presents, as sha256:…, subject:… or san:…; none: over TLS any that names its host.';
comment on column config.station.services is
    'What it may ask us for: echo, store, find, move, get, commitment; none: everything.';
comment on column config.station.sop_classes is 'Storage SOP classes whose instances pass on its associations; none: all.';
create or replace view config.station_view as select * from config.station;
