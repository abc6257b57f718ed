-- Audit entries that leave as DICOM audit messages (PS3.15 A.5).
-- oldest-code: 29

create table audit.destination (
    alone boolean primary key default true check (alone),
    name text not null,
    since timestamptz not null default now()
);
comment on table audit.destination is 'Where audit messages go; without a row none are made. Who holds its row sends.';

create table audit.outbox (
    id bigint generated always as identity primary key,
    at timestamptz not null,
    actor text not null,
    action text not null,
    object text not null,
    address text,
    after jsonb
);
comment on table audit.outbox is 'Audit entries whose message was not sent yet, each written in the transaction of its entry.';

create function audit.put_into_outbox() returns trigger
language plpgsql as $$
begin
    insert into audit.outbox (at, actor, action, object, address, after)
    select new.at, new.actor, new.action, new.object, new.address, new.after
    where exists (select from audit.destination);
    return null;
end $$;
create trigger put_into_outbox after insert on audit.entry for each row execute function audit.put_into_outbox();
