-- What a person takes back while it is being sent, and whether a rule sends to where an instance came from.
-- oldest-code: 32

alter table routing.delivery
    add withdrawn text,
    add back boolean not null default false;
comment on column routing.delivery.withdrawn is
    'By whom it was cancelled, or rerouted where; of what is SENDING it is to end, and is CANCELED unless it arrived.';
comment on column routing.delivery.back is
    'Its rule sends also to the station that the instance came from (back: true): a stand-in may be that one.';
