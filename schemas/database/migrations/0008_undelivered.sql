-- What was evaluated and matched by no rule is found, and deliveries are retried, cancelled and rerouted many at a time.
-- oldest-code: 1

alter table config.request drop constraint request_kind_check;
alter table config.request add constraint request_kind_check
    check (kind in ('send', 'retry', 'cancel', 'route', 'retry-deliveries', 'cancel-deliveries', 'reroute-deliveries',
                    'delete', 'retry-commitment', 'cancel-commitment'));

create index evaluation_unmatched on routing.evaluation (received_at) where matched = '[]';
create index delivery_ended_badly on routing.delivery (destination, finished_at) where state in ('FAILED', 'CANCELED');
