-- What each service may do in the database, for its role ({role}; services.runtime.roles); what is not said is refused. A
-- service writes the tables of its own schema and reads what others publish as views; nobody here owns, alters or drops
-- anything. Rows go into the partitions by their table, so that partitions need no grants.

-- name: everybody
-- Which version the schema has.
grant usage on schema runtime to {role};
grant select on runtime.version to {role};

-- name: publishes
-- Events go out by whichever process sees them first: a relay reads the events of all services.
grant select on runtime.outbox to {role};
grant insert (event_id, exchange, routing_key, headers, body) on runtime.outbox to {role};
grant update (published_at, attempts, next_attempt_at) on runtime.outbox to {role};

-- name: consumes
-- What dies in its queues is parked; to read it, replay it or forget it is admin's.
grant insert on runtime.dead_letter to {role};

-- name: calls
-- Slots of outgoing associations.
grant select, insert, update, delete on runtime.lease to {role};

-- name: ingest
-- It listens to strangers: of what is stored it sees which contents there are, and nothing of people.
grant usage on schema storage, commitment to {role};
grant select, insert, update, delete on runtime.configuration_taken to {role};
grant select (sop_instance_uid, sha256, state) on storage.identity_view to {role};
grant select on commitment.inbound_view, commitment.inbound_item_view to {role};

-- name: query
grant usage on schema config, index, query, storage to {role};
grant execute on function runtime.ensure_partitions, runtime.drop_partitions to {role};
grant select, insert, update, delete on query.retrieval, query.suboperation to {role};
grant select on
    config.station_view,
    index.instance_view, index.series_view, index.study_view,
    index.query_patient_view, index.query_study_view, index.query_series_view, index.query_instance_view,
    storage.identity_view
to {role};

-- name: storage
grant usage on schema audit, commitment, config, index, routing, storage to {role};
grant execute on function audit.record, runtime.ensure_partitions, runtime.drop_partitions to {role};
grant delete on runtime.outbox to {role};
grant select, insert, update, delete on runtime.lease to {role};
grant select, insert, update, delete on
    storage.folder, storage.identity, storage.receipt, storage.retention
to {role};
grant select, insert, delete on storage.fact to {role};
grant select, update on storage.retention_progress, storage.watermark to {role};
grant select, insert on storage.request_done to {role};
grant select on
    commitment.archived_view, commitment.inbound_view, commitment.inbound_item_view,
    config.called_title_view, config.commitment_server_view, config.erasure_view, config.erasure_item_view,
    config.generation_view, config.request_view, config.station_view,
    index.series_view,
    routing.delivered_view, routing.delivery_view, routing.evaluation_view, routing.retrieved_view
to {role};

-- name: index
grant usage on schema config, index, storage to {role};
grant select, insert, update, delete on index.instance, index.patient, index.series, index.study to {role};
grant select, update on index.reconciled to {role};
grant select, insert on index.request_done to {role};
grant select on
    config.erasure_view, config.erasure_item_view, config.request_view,
    storage.fact_view, storage.identity_view, storage.receipt_view, storage.request_done_view
to {role};

-- name: forwarder
grant usage on schema commitment, config, index, routing, storage to {role};
grant execute on function runtime.ensure_partitions, runtime.drop_partitions to {role};
grant select, insert, update, delete on
    routing.attempt, routing.count_question, routing.delivery, routing.evaluation
to {role};
grant select, insert, delete on routing.ended_association, routing.job_association to {role};
grant select, insert, update on
    routing.destination, routing.job, routing.opening, routing.retrieval, routing.retrieval_move
to {role};
grant select, update on routing.outage, routing.reconciled to {role};
grant select, insert on routing.request_done, routing.transformation to {role};
grant select on
    routing.transformation_key,
    commitment.archived_view, commitment.commitment_view, commitment.item_view,
    config.commitment_server_view, config.erasure_item_view, config.generation_view, config.hold_view,
    config.request_view, config.rule_set_view, config.station_view,
    index.series_view,
    storage.fact_view, storage.identity_view, storage.receipt_view, storage.watermark_view
to {role};

-- name: commitment
grant usage on schema commitment, config, routing, storage to {role};
grant execute on function runtime.ensure_partitions, runtime.drop_partitions to {role};
grant select, insert, update, delete on
    commitment.commitment, commitment.inbound, commitment.inbound_item, commitment.item
to {role};
grant select, insert, update on commitment.attempt to {role};
grant select, insert, delete on commitment.report to {role};
grant insert, delete on commitment.archive_history to {role};
grant select, update on commitment.reconciled to {role};
grant select, insert on commitment.archived, commitment.request_done to {role};
grant select on
    config.erasure_item_view, config.generation_view, config.request_view, config.station_view,
    routing.delivery_view, routing.evaluation_view, routing.job_view,
    storage.identity_view, storage.watermark_view
to {role};

-- name: admin
-- People and their programs act by it. It changes no instance, delivery or commitment: it asks their services to, by rows of
-- config.request. Published rule sets, and who did what, are added to and never changed, but for what an erasure removes.
grant usage on schema audit, commitment, config, index, query, routing, storage to {role};
grant execute on function runtime.ensure_partitions to {role};
grant select on runtime.configuration_taken to {role};
grant delete on runtime.outbox to {role};
grant select, delete on runtime.dead_letter to {role};
grant update (state, resolved_at, resolved_by) on runtime.dead_letter to {role};
grant select, insert, delete on audit.entry to {role};
grant update (before, after) on audit.entry to {role};
grant select, insert, update, delete on audit.destination to {role};
grant select, delete on audit.outbox to {role};
grant update (after) on audit.outbox to {role};
grant select, insert, update, delete on
    config.account, config.action, config.called_title, config.contact, config.discarded_study, config.notice_event,
    config.notice_line, config.pulled, config.rule_draft, config.rule_test, config.session, config.station
to {role};
grant select, insert, update on
    config.api_key, config.erasure, config.hold, config.notice, config.pull, config.reconciliation, config.request
to {role};
grant select, insert, delete on config.erasure_item, config.failed_login, config.oidc_attempt to {role};
grant select, insert on config.rule_set, config.rule_set_activation to {role};
grant select, update on config.generation to {role};
grant select on
    config.erasure_key, config.generation_view, config.hold_view, config.request_view, config.rule_set_view,
    config.station_view,
    audit.entry_view,
    commitment.archive_history_view, commitment.archived_view, commitment.attempt_view, commitment.commitment_view,
    commitment.inbound_view, commitment.inbound_item_view, commitment.item_view, commitment.report_view,
    commitment.request_done_view,
    index.changed_view, index.instance_view, index.request_done_view, index.search_view,
    index.series_view, index.study_view,
    query.retrieval_view, query.suboperation_view,
    routing.attempt_view, routing.collecting_view, routing.delivery_view, routing.destination_view,
    routing.evaluation_view, routing.job_view, routing.outage_view, routing.request_done_view,
    routing.retrieval_move_view, routing.retrieved_view, routing.shut_view, routing.transformation_key_view,
    routing.transformation_view,
    storage.fact_view, storage.identity_view, storage.receipt_view, storage.request_done_view,
    storage.retention_progress_view, storage.retention_view, storage.sender_view, storage.watermark_view
to {role};

-- name: backup
-- Reads everything and says in the audit that it did.
grant usage on schema audit, commitment, config, index, query, routing, storage to {role};
grant select on all tables in schema audit, commitment, config, index, query, routing, runtime, storage to {role};
grant select on all sequences in schema audit, commitment, config, index, query, routing, runtime, storage to {role};
grant insert on audit.entry to {role};
