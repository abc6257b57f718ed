-- What is said of a patient is found without reading everything: header facts, and messages that a person replayed.
-- oldest-code: 32

create index fact_patient on storage.fact (left(facts #>> '{values,00100020,0}', 256));
create index outbox_replayed on runtime.outbox (id) where exchange = '';
