-- Schedules: in which windows of the week rules send and stations are sent to.
-- oldest-code: 22

alter table config.station add schedule text[] not null default '{}';
comment on column config.station.schedule is
    'Windows of the week in which it is sent to, such as mon-fri 18:00-06:00 Europe/Zurich; none: always.';
create or replace view config.station_view as select * from config.station;

create table routing.opening (
    schedule text[] primary key,
    closed_at timestamptz not null,
    opens_at timestamptz not null,
    closes_at timestamptz not null,
    check (closed_at <= opens_at and opens_at < closes_at)
);
comment on table routing.opening is
    'When a schedule is open: the opening under way, or the next one. Where it is over, or there is none, it is closed.';
comment on column routing.opening.closed_at is 'When the opening before ended.';

alter table routing.delivery
    add schedule text[],
    add shut text check (shut in ('rule', 'station'));
comment on column routing.delivery.schedule is 'Windows in which its rule lets it go; null: always.';
comment on column routing.delivery.shut is
    'For whose schedule it waits. As with a hold its next_attempt_at is infinity, and the time since held_since does not '
    'count.';
create index delivery_scheduled on routing.delivery (schedule)
    where state in ('PENDING', 'UNKNOWN') and next_attempt_at < 'infinity' and schedule is not null;
create index delivery_shut on routing.delivery (shut, destination)
    where shut is not null and state in ('PENDING', 'UNKNOWN');
create index delivery_shut_rule on routing.delivery (schedule) where shut = 'rule' and state in ('PENDING', 'UNKNOWN');
create index delivery_shut_job on routing.delivery (job) where shut is not null and state in ('PENDING', 'UNKNOWN');
create or replace view routing.delivery_view as select * from routing.delivery;

create view routing.shut_view as
    select d.received_at, d.id, d.job, d.shut as kind, case d.shut when 'rule' then d.rule else d.destination end as name,
           d.schedule as rule_schedule, s.schedule as station_schedule, now() as at
    from routing.delivery d left join config.station s on s.title = d.destination
    where d.shut is not null and d.state in ('PENDING', 'UNKNOWN');
comment on view routing.shut_view is 'Deliveries that wait for a schedule: of which rule or station, with both schedules.';
