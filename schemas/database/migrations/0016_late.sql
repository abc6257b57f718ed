-- Instances of which nothing was sent because they came late are found as those that no rule matched.
-- oldest-code: 13

create index evaluation_late on routing.evaluation (received_at)
    where matched @? '$[*].not_sent.* ? (@ starts with "late: ")';
