-- Instances that rules matched and did not send somewhere, because they came late or from there, are found as those that
-- no rule matched.
-- oldest-code: 32

create index evaluation_withheld on routing.evaluation (received_at) where matched @? '$[*].not_sent';
drop index routing.evaluation_late;
