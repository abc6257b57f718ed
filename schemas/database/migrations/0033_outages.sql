-- When destinations could not be sent to, and why.
-- oldest-code: 32

create table routing.outage (
    destination text not null,
    began_at timestamptz not null,
    ended_at timestamptz check (ended_at >= began_at),
    reason text not null,
    primary key (destination, began_at)
);
comment on table routing.outage is
    'From the failure that opened a circuit to the answer that closed it (null: not yet); those of 400 days.';

create function routing.note_outage() returns trigger
language plpgsql as $$
begin
    if new.open_since is not null then
        insert into routing.outage (destination, began_at, reason)
        values (new.title, new.open_since, new.last_failure) on conflict do nothing;
        delete from routing.outage where destination = new.title and began_at < now() - interval '400 days';
    else
        update routing.outage set ended_at = greatest(now(), began_at)
        where destination = new.title and ended_at is null;
    end if;
    return null;
end $$;
create trigger note_outage after update of open_since on routing.destination for each row
    when (old.open_since is distinct from new.open_since) execute function routing.note_outage();
create trigger note_first_outage after insert on routing.destination for each row
    when (new.open_since is not null) execute function routing.note_outage();

insert into routing.outage (destination, began_at, reason)
select title, open_since, last_failure from routing.destination where open_since is not null;

create view routing.outage_view as select * from routing.outage;
