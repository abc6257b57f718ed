-- The whole schema as the migrations make it, without month partitions. Generated: python -m tests.schema_dump
CREATE SCHEMA audit;
CREATE SCHEMA commitment;
CREATE SCHEMA config;
CREATE SCHEMA index;
CREATE SCHEMA query;
CREATE SCHEMA routing;
CREATE SCHEMA runtime;
CREATE SCHEMA storage;
CREATE FUNCTION audit.put_into_outbox() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    insert into audit.outbox (at, actor, action, object, address, after)
    select new.at, new.actor, new.action, new.object, new.address, new.after
    where exists (select from audit.destination);
    return null;
end $$;
CREATE FUNCTION audit.record(actor text, action text, object text, before jsonb, after jsonb) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
begin
    insert into audit.entry (actor, action, object, before, after) values ($1, $2, $3, $4, $5);
end $_$;
COMMENT ON FUNCTION audit.record(actor text, action text, object text, before jsonb, after jsonb) IS 'An entry by a service that acts for somebody, in the transaction of what it does; the table is admin''s.';
CREATE FUNCTION config.refuse_change_of_rule_set() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    raise exception 'rule sets never change once they are published: % refused', tg_op
        using errcode = 'restrict_violation', table = 'rule_set', schema = 'config';
end $$;
CREATE FUNCTION index.trigrams(text) RETURNS text[]
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN (SELECT COALESCE(array_agg(DISTINCT substr($1, place.place, 3)), '{}'::text[]) AS "coalesce" FROM generate_series(1, (length($1) - 2)) place(place));
COMMENT ON FUNCTION index.trigrams(text) IS 'Every three letters that follow one another in a text, each once.';
CREATE FUNCTION routing.note_outage() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
CREATE FUNCTION runtime.drop_partitions(in_schema text, in_table text, keep_months integer) RETURNS SETOF text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
    parent text := format('%I.%I', in_schema, in_table);
    partition text;
begin
    if keep_months < 1 or not has_table_privilege(session_user, parent, 'delete') then
        raise insufficient_privilege using
            message = format('%s drops no partitions of %s that are %s months old', session_user, parent, keep_months);
    end if;
    for partition in
        select format('%I.%I', n.nspname, c.relname)
        from pg_inherits i
        join pg_class c on c.oid = i.inhrelid
        join pg_namespace n on n.oid = c.relnamespace
        where i.inhparent = parent::regclass and c.relname ~ ('^' || in_table || '_[0-9]{6}$')
          and to_date(right(c.relname, 6), 'YYYYMM')
              < date_trunc('month', now() at time zone 'UTC') - make_interval(months => keep_months)
        order by 1
    loop
        execute format('drop table %s', partition);
        return next partition;
    end loop;
end $_$;
COMMENT ON FUNCTION runtime.drop_partitions(in_schema text, in_table text, keep_months integer) IS 'Drops month partitions older than so many whole months, for who may delete the table''s rows; their names.';
CREATE FUNCTION runtime.ensure_partitions(in_schema text, in_table text, months_ahead integer DEFAULT 3) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    made int := 0;
    month date;
    since text;
    until text;
    parent text := format('%I.%I', in_schema, in_table);
    partition text;
    default_partition regclass;
    key text;
begin
    if not has_any_column_privilege(session_user, parent, 'insert') then
        raise insufficient_privilege using message = format('%s makes no partitions of %s', session_user, parent);
    end if;
    select p.partdefid::regclass, quote_ident(a.attname) into default_partition, key
    from pg_partitioned_table p join pg_attribute a on a.attrelid = p.partrelid and a.attnum = p.partattrs[0]
    where p.partrelid = parent::regclass;
    for month in
        select generate_series(date_trunc('month', now() at time zone 'UTC') - interval '1 month',
                               date_trunc('month', now() at time zone 'UTC') + make_interval(months => least(months_ahead, 24)),
                               interval '1 month')::date
    loop
        partition := format('%I.%I', in_schema, format('%s_%s', in_table, to_char(month, 'YYYYMM')));
        if to_regclass(partition) is null then
            since := month::text || ' 00:00:00+00';
            until := (month + interval '1 month')::date::text || ' 00:00:00+00';
            execute format('lock table only %s in access exclusive mode', parent);
            execute format('create table %s (like %s including defaults including constraints)', partition, parent);
            execute format('with moved as (delete from only %s where %s >= %L and %s < %L returning *) '
                           'insert into %s select * from moved', default_partition, key, since, key, until, partition);
            execute format('alter table %s attach partition %s for values from (%L) to (%L)',
                           parent, partition, since, until);
            made := made + 1;
        end if;
    end loop;
    return made;
end $$;
COMMENT ON FUNCTION runtime.ensure_partitions(in_schema text, in_table text, months_ahead integer) IS 'Makes the month partitions of a table from last month on; every such table also has a default partition. What the default partition took of such a month meanwhile moves into the new one.';
CREATE FUNCTION runtime.lease_expired(lease_until timestamp with time zone, lease interval) RETURNS boolean
    LANGUAGE sql STABLE
    AS $$
    select now() > greatest(lease_until, pg_postmaster_start_time() + lease)
$$;
COMMENT ON FUNCTION runtime.lease_expired(lease_until timestamp with time zone, lease interval) IS 'A lease outlives a restart of the database by its own length, so that nobody who could not renew is overtaken.';
CREATE TABLE audit.destination (
    alone boolean DEFAULT true NOT NULL,
    name text NOT NULL,
    since timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT destination_alone_check CHECK (alone)
);
COMMENT ON TABLE audit.destination IS 'Where audit messages go; without a row none are made. Who holds its row sends.';
CREATE TABLE audit.entry (
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    object text NOT NULL,
    before jsonb,
    after jsonb,
    address text
)
PARTITION BY RANGE (at);
COMMENT ON COLUMN audit.entry.address IS 'Whence it was done over HTTP; null: by a command, or by the gateway itself.';
CREATE TABLE audit.entry_default (
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    object text NOT NULL,
    before jsonb,
    after jsonb,
    address text
);
ALTER TABLE audit.entry ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME audit.entry_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE VIEW audit.entry_view AS
 SELECT entry.id,
    entry.at,
    entry.actor,
    entry.action,
    entry.object,
    entry.before,
    entry.after,
    entry.address
   FROM audit.entry;
CREATE TABLE audit.outbox (
    id bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    object text NOT NULL,
    address text,
    after jsonb
);
COMMENT ON TABLE audit.outbox IS 'Audit entries whose message was not sent yet, each written in the transaction of its entry.';
ALTER TABLE audit.outbox ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME audit.outbox_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE commitment.archive_history (
    at timestamp with time zone DEFAULT now() NOT NULL,
    id bigint NOT NULL,
    sop_instance_uid text NOT NULL,
    revision integer NOT NULL,
    study_instance_uid text NOT NULL,
    server text NOT NULL,
    commitment uuid NOT NULL,
    transaction_uid text NOT NULL
)
PARTITION BY RANGE (at);
COMMENT ON TABLE commitment.archive_history IS 'R110: an entry for each instance that was archived, where that is enabled.';
CREATE TABLE commitment.archive_history_default (
    at timestamp with time zone DEFAULT now() NOT NULL,
    id bigint NOT NULL,
    sop_instance_uid text NOT NULL,
    revision integer NOT NULL,
    study_instance_uid text NOT NULL,
    server text NOT NULL,
    commitment uuid NOT NULL,
    transaction_uid text NOT NULL
);
ALTER TABLE commitment.archive_history ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME commitment.archive_history_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE VIEW commitment.archive_history_view AS
 SELECT archive_history.at,
    archive_history.id,
    archive_history.sop_instance_uid,
    archive_history.revision,
    archive_history.study_instance_uid,
    archive_history.server,
    archive_history.commitment,
    archive_history.transaction_uid
   FROM commitment.archive_history;
CREATE TABLE commitment.archived (
    sop_instance_uid text NOT NULL,
    revision integer NOT NULL,
    server text NOT NULL,
    study_instance_uid text NOT NULL,
    archived_at timestamp with time zone DEFAULT now() NOT NULL,
    commitment uuid NOT NULL,
    transaction_uid text NOT NULL
)
PARTITION BY HASH (sop_instance_uid);
COMMENT ON TABLE commitment.archived IS 'R109, R110: the Archived flag of an instance, and which station committed it.';
CREATE TABLE commitment.archived_00 (
    sop_instance_uid text NOT NULL,
    revision integer NOT NULL,
    server text NOT NULL,
    study_instance_uid text NOT NULL,
    archived_at timestamp with time zone DEFAULT now() NOT NULL,
    commitment uuid NOT NULL,
    transaction_uid text NOT NULL
);
CREATE TABLE commitment.archived_01 (
    sop_instance_uid text NOT NULL,
    revision integer NOT NULL,
    server text NOT NULL,
    study_instance_uid text NOT NULL,
    archived_at timestamp with time zone DEFAULT now() NOT NULL,
    commitment uuid NOT NULL,
    transaction_uid text NOT NULL
);
CREATE TABLE commitment.archived_02 (
    sop_instance_uid text NOT NULL,
    revision integer NOT NULL,
    server text NOT NULL,
    study_instance_uid text NOT NULL,
    archived_at timestamp with time zone DEFAULT now() NOT NULL,
    commitment uuid NOT NULL,
    transaction_uid text NOT NULL
);
CREATE TABLE commitment.archived_03 (
    sop_instance_uid text NOT NULL,
    revision integer NOT NULL,
    server text NOT NULL,
    study_instance_uid text NOT NULL,
    archived_at timestamp with time zone DEFAULT now() NOT NULL,
    commitment uuid NOT NULL,
    transaction_uid text NOT NULL
);
CREATE TABLE commitment.archived_04 (
    sop_instance_uid text NOT NULL,
    revision integer NOT NULL,
    server text NOT NULL,
    study_instance_uid text NOT NULL,
    archived_at timestamp with time zone DEFAULT now() NOT NULL,
    commitment uuid NOT NULL,
    transaction_uid text NOT NULL
);
CREATE TABLE commitment.archived_05 (
    sop_instance_uid text NOT NULL,
    revision integer NOT NULL,
    server text NOT NULL,
    study_instance_uid text NOT NULL,
    archived_at timestamp with time zone DEFAULT now() NOT NULL,
    commitment uuid NOT NULL,
    transaction_uid text NOT NULL
);
CREATE TABLE commitment.archived_06 (
    sop_instance_uid text NOT NULL,
    revision integer NOT NULL,
    server text NOT NULL,
    study_instance_uid text NOT NULL,
    archived_at timestamp with time zone DEFAULT now() NOT NULL,
    commitment uuid NOT NULL,
    transaction_uid text NOT NULL
);
CREATE TABLE commitment.archived_07 (
    sop_instance_uid text NOT NULL,
    revision integer NOT NULL,
    server text NOT NULL,
    study_instance_uid text NOT NULL,
    archived_at timestamp with time zone DEFAULT now() NOT NULL,
    commitment uuid NOT NULL,
    transaction_uid text NOT NULL
);
CREATE TABLE commitment.archived_08 (
    sop_instance_uid text NOT NULL,
    revision integer NOT NULL,
    server text NOT NULL,
    study_instance_uid text NOT NULL,
    archived_at timestamp with time zone DEFAULT now() NOT NULL,
    commitment uuid NOT NULL,
    transaction_uid text NOT NULL
);
CREATE TABLE commitment.archived_09 (
    sop_instance_uid text NOT NULL,
    revision integer NOT NULL,
    server text NOT NULL,
    study_instance_uid text NOT NULL,
    archived_at timestamp with time zone DEFAULT now() NOT NULL,
    commitment uuid NOT NULL,
    transaction_uid text NOT NULL
);
CREATE TABLE commitment.archived_10 (
    sop_instance_uid text NOT NULL,
    revision integer NOT NULL,
    server text NOT NULL,
    study_instance_uid text NOT NULL,
    archived_at timestamp with time zone DEFAULT now() NOT NULL,
    commitment uuid NOT NULL,
    transaction_uid text NOT NULL
);
CREATE TABLE commitment.archived_11 (
    sop_instance_uid text NOT NULL,
    revision integer NOT NULL,
    server text NOT NULL,
    study_instance_uid text NOT NULL,
    archived_at timestamp with time zone DEFAULT now() NOT NULL,
    commitment uuid NOT NULL,
    transaction_uid text NOT NULL
);
CREATE TABLE commitment.archived_12 (
    sop_instance_uid text NOT NULL,
    revision integer NOT NULL,
    server text NOT NULL,
    study_instance_uid text NOT NULL,
    archived_at timestamp with time zone DEFAULT now() NOT NULL,
    commitment uuid NOT NULL,
    transaction_uid text NOT NULL
);
CREATE TABLE commitment.archived_13 (
    sop_instance_uid text NOT NULL,
    revision integer NOT NULL,
    server text NOT NULL,
    study_instance_uid text NOT NULL,
    archived_at timestamp with time zone DEFAULT now() NOT NULL,
    commitment uuid NOT NULL,
    transaction_uid text NOT NULL
);
CREATE TABLE commitment.archived_14 (
    sop_instance_uid text NOT NULL,
    revision integer NOT NULL,
    server text NOT NULL,
    study_instance_uid text NOT NULL,
    archived_at timestamp with time zone DEFAULT now() NOT NULL,
    commitment uuid NOT NULL,
    transaction_uid text NOT NULL
);
CREATE TABLE commitment.archived_15 (
    sop_instance_uid text NOT NULL,
    revision integer NOT NULL,
    server text NOT NULL,
    study_instance_uid text NOT NULL,
    archived_at timestamp with time zone DEFAULT now() NOT NULL,
    commitment uuid NOT NULL,
    transaction_uid text NOT NULL
);
CREATE VIEW commitment.archived_view AS
 SELECT archived.sop_instance_uid,
    archived.revision,
    archived.server,
    archived.study_instance_uid,
    archived.archived_at,
    archived.commitment,
    archived.transaction_uid
   FROM commitment.archived;
CREATE TABLE commitment.attempt (
    transaction_uid text NOT NULL,
    commitment uuid NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone,
    association text DEFAULT ''::text NOT NULL,
    outcome text DEFAULT 'ASKING'::text NOT NULL,
    status integer,
    reason text DEFAULT ''::text NOT NULL,
    milliseconds integer,
    CONSTRAINT attempt_outcome_check CHECK ((outcome = ANY (ARRAY['ASKING'::text, 'ACCEPTED'::text, 'REFUSED'::text, 'UNREACHED'::text, 'UNANSWERED'::text])))
);
COMMENT ON TABLE commitment.attempt IS 'One N-ACTION with a Transaction UID of its own. Reports for each of them count, whichever was answered.';
CREATE VIEW commitment.attempt_view AS
 SELECT attempt.transaction_uid,
    attempt.commitment,
    attempt.started_at,
    attempt.finished_at,
    attempt.association,
    attempt.outcome,
    attempt.status,
    attempt.reason,
    attempt.milliseconds
   FROM commitment.attempt;
CREATE TABLE commitment.commitment (
    id uuid NOT NULL,
    study_instance_uid text NOT NULL,
    destination text NOT NULL,
    server text NOT NULL,
    state text DEFAULT 'COLLECTING'::text NOT NULL,
    repeats uuid,
    requested_by text DEFAULT ''::text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    unanswered integer DEFAULT 0 NOT NULL,
    next_attempt_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    waiting_since timestamp with time zone DEFAULT now() NOT NULL,
    lease_holder text,
    lease_until timestamp with time zone,
    accepted_at timestamp with time zone,
    deadline timestamp with time zone,
    status integer,
    reason text DEFAULT ''::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    last_delivered_at timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone,
    closed_at timestamp with time zone,
    CONSTRAINT commitment_state_check CHECK ((state = ANY (ARRAY['COLLECTING'::text, 'QUEUED'::text, 'ASKING'::text, 'UNANSWERED'::text, 'WAITING FOR COMMITMENT'::text, 'SUCCESS'::text, 'FAILURE'::text])))
);
COMMENT ON TABLE commitment.commitment IS 'One request for commitment as a person sees it (R73): what one destination was sent of one study.';
COMMENT ON COLUMN commitment.commitment.server IS 'Who is asked: the destination, or the station it commits on.';
COMMENT ON COLUMN commitment.commitment.unanswered IS 'N-ACTIONs whose answer was lost.';
COMMENT ON COLUMN commitment.commitment.waiting_since IS 'Since when it may be asked; its retry hours count from here.';
COMMENT ON COLUMN commitment.commitment.deadline IS 'R80: until when reports count; from the acceptance, or from sending while that is not known.';
COMMENT ON COLUMN commitment.commitment.finished_at IS 'Since when it is SUCCESS or FAILURE.';
COMMENT ON COLUMN commitment.commitment.closed_at IS 'When the last instance was decided, the deadline passed or a person cancelled it: what comes later is late.';
CREATE TABLE commitment.item (
    received_at timestamp with time zone NOT NULL,
    delivery bigint NOT NULL,
    round integer DEFAULT 0 NOT NULL,
    commitment uuid NOT NULL,
    job uuid NOT NULL,
    sop_instance_uid text NOT NULL,
    revision integer NOT NULL,
    sop_class_uid text NOT NULL,
    study_instance_uid text NOT NULL,
    state text DEFAULT 'PENDING'::text NOT NULL,
    failure_reason integer,
    reported_at timestamp with time zone,
    report text,
    send_again boolean DEFAULT false NOT NULL,
    named_uid text,
    CONSTRAINT item_state_check CHECK ((state = ANY (ARRAY['PENDING'::text, 'COMMITTED'::text, 'FAILED'::text])))
)
PARTITION BY RANGE (received_at);
COMMENT ON TABLE commitment.item IS 'The effect row of a delivery that is to be committed. round 0 comes by itself, the others when it is asked again.';
COMMENT ON COLUMN commitment.item.send_again IS 'Refused with 0112 (no such object), and the forwarder is to send it again.';
COMMENT ON COLUMN commitment.item.named_uid IS 'The SOP Instance UID under which the archive was sent the instance; null: its own.';
CREATE VIEW commitment.commitment_view AS
 SELECT c.id,
    c.study_instance_uid,
    c.destination,
    c.server,
    c.state,
    c.repeats,
    c.requested_by,
    c.attempts,
    c.unanswered,
    c.next_attempt_at,
    c.waiting_since,
    c.lease_holder,
    c.lease_until,
    c.accepted_at,
    c.deadline,
    c.status,
    c.reason,
    c.created_at,
    c.last_delivered_at,
    c.finished_at,
    c.closed_at,
    COALESCE(i.total, (0)::bigint) AS total,
    COALESCE(i.committed, (0)::bigint) AS committed,
    COALESCE(i.failed, (0)::bigint) AS failed,
    COALESCE(i.pending, (0)::bigint) AS pending
   FROM (commitment.commitment c
     LEFT JOIN LATERAL ( SELECT count(*) AS total,
            count(*) FILTER (WHERE (item.state = 'COMMITTED'::text)) AS committed,
            count(*) FILTER (WHERE (item.state = 'FAILED'::text)) AS failed,
            count(*) FILTER (WHERE (item.state = 'PENDING'::text)) AS pending
           FROM commitment.item
          WHERE (item.commitment = c.id)) i ON (true));
CREATE TABLE commitment.inbound (
    received_at timestamp with time zone NOT NULL,
    id uuid NOT NULL,
    object_key text NOT NULL,
    recorded_at timestamp with time zone DEFAULT now() NOT NULL,
    reports_until timestamp with time zone,
    calling_aet text NOT NULL,
    called_aet text NOT NULL,
    peer_address text NOT NULL,
    association text NOT NULL,
    transaction_uid text NOT NULL,
    duplicate boolean DEFAULT false NOT NULL,
    state text DEFAULT 'CHECKING'::text NOT NULL,
    total integer NOT NULL,
    committed integer DEFAULT 0 NOT NULL,
    failed integer DEFAULT 0 NOT NULL,
    decided_at timestamp with time zone,
    next_attempt_at timestamp with time zone DEFAULT now() NOT NULL,
    give_up_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    lease_holder text,
    lease_until timestamp with time zone,
    reported_at timestamp with time zone,
    status integer,
    reason text DEFAULT ''::text NOT NULL,
    CONSTRAINT inbound_state_check CHECK ((state = ANY (ARRAY['CHECKING'::text, 'READY'::text, 'SENDING'::text, 'REPORTED'::text, 'GIVEN UP'::text, 'JOINED'::text])))
)
PARTITION BY RANGE (received_at);
COMMENT ON TABLE commitment.inbound IS 'A request of a peer that we commit to its instances. JOINED: it is the repetition of one that is not finished yet.';
COMMENT ON COLUMN commitment.inbound.reports_until IS 'Until when ingest may report it on the association of the request; null: never.';
COMMENT ON COLUMN commitment.inbound.duplicate IS 'Its Transaction UID is in use for other instances: all fail with 0131.';
COMMENT ON COLUMN commitment.inbound.next_attempt_at IS 'When it is looked at (CHECKING) or reported (READY) next.';
CREATE TABLE commitment.inbound_default (
    received_at timestamp with time zone NOT NULL,
    id uuid NOT NULL,
    object_key text NOT NULL,
    recorded_at timestamp with time zone DEFAULT now() NOT NULL,
    reports_until timestamp with time zone,
    calling_aet text NOT NULL,
    called_aet text NOT NULL,
    peer_address text NOT NULL,
    association text NOT NULL,
    transaction_uid text NOT NULL,
    duplicate boolean DEFAULT false NOT NULL,
    state text DEFAULT 'CHECKING'::text NOT NULL,
    total integer NOT NULL,
    committed integer DEFAULT 0 NOT NULL,
    failed integer DEFAULT 0 NOT NULL,
    decided_at timestamp with time zone,
    next_attempt_at timestamp with time zone DEFAULT now() NOT NULL,
    give_up_at timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    lease_holder text,
    lease_until timestamp with time zone,
    reported_at timestamp with time zone,
    status integer,
    reason text DEFAULT ''::text NOT NULL,
    CONSTRAINT inbound_state_check CHECK ((state = ANY (ARRAY['CHECKING'::text, 'READY'::text, 'SENDING'::text, 'REPORTED'::text, 'GIVEN UP'::text, 'JOINED'::text])))
);
CREATE TABLE commitment.inbound_item (
    received_at timestamp with time zone NOT NULL,
    inbound uuid NOT NULL,
    "position" integer NOT NULL,
    sop_class_uid text NOT NULL,
    sop_instance_uid text NOT NULL,
    state text DEFAULT 'PENDING'::text NOT NULL,
    failure_reason integer,
    revision integer,
    CONSTRAINT inbound_item_state_check CHECK ((state = ANY (ARRAY['PENDING'::text, 'COMMITTED'::text, 'FAILED'::text])))
)
PARTITION BY RANGE (received_at);
CREATE TABLE commitment.inbound_item_default (
    received_at timestamp with time zone NOT NULL,
    inbound uuid NOT NULL,
    "position" integer NOT NULL,
    sop_class_uid text NOT NULL,
    sop_instance_uid text NOT NULL,
    state text DEFAULT 'PENDING'::text NOT NULL,
    failure_reason integer,
    revision integer,
    CONSTRAINT inbound_item_state_check CHECK ((state = ANY (ARRAY['PENDING'::text, 'COMMITTED'::text, 'FAILED'::text])))
);
CREATE VIEW commitment.inbound_item_view AS
 SELECT inbound_item.received_at,
    inbound_item.inbound,
    inbound_item."position",
    inbound_item.sop_class_uid,
    inbound_item.sop_instance_uid,
    inbound_item.state,
    inbound_item.failure_reason,
    inbound_item.revision
   FROM commitment.inbound_item;
CREATE VIEW commitment.inbound_view AS
 SELECT inbound.received_at,
    inbound.id,
    inbound.object_key,
    inbound.recorded_at,
    inbound.reports_until,
    inbound.calling_aet,
    inbound.called_aet,
    inbound.peer_address,
    inbound.association,
    inbound.transaction_uid,
    inbound.duplicate,
    inbound.state,
    inbound.total,
    inbound.committed,
    inbound.failed,
    inbound.decided_at,
    inbound.next_attempt_at,
    inbound.give_up_at,
    inbound.attempts,
    inbound.lease_holder,
    inbound.lease_until,
    inbound.reported_at,
    inbound.status,
    inbound.reason
   FROM commitment.inbound;
CREATE TABLE commitment.item_default (
    received_at timestamp with time zone NOT NULL,
    delivery bigint NOT NULL,
    round integer DEFAULT 0 NOT NULL,
    commitment uuid NOT NULL,
    job uuid NOT NULL,
    sop_instance_uid text NOT NULL,
    revision integer NOT NULL,
    sop_class_uid text NOT NULL,
    study_instance_uid text NOT NULL,
    state text DEFAULT 'PENDING'::text NOT NULL,
    failure_reason integer,
    reported_at timestamp with time zone,
    report text,
    send_again boolean DEFAULT false NOT NULL,
    named_uid text,
    CONSTRAINT item_state_check CHECK ((state = ANY (ARRAY['PENDING'::text, 'COMMITTED'::text, 'FAILED'::text])))
);
CREATE VIEW commitment.item_view AS
 SELECT item.received_at,
    item.delivery,
    item.round,
    item.commitment,
    item.job,
    item.sop_instance_uid,
    item.revision,
    item.sop_class_uid,
    item.study_instance_uid,
    item.state,
    item.failure_reason,
    item.reported_at,
    item.report,
    item.send_again,
    item.named_uid
   FROM commitment.item;
CREATE TABLE commitment.reconciled (
    only_row boolean DEFAULT true NOT NULL,
    through timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    CONSTRAINT reconciled_only_row_check CHECK (only_row)
);
CREATE TABLE commitment.report (
    received_at timestamp with time zone NOT NULL,
    object_key text NOT NULL,
    recorded_at timestamp with time zone DEFAULT now() NOT NULL,
    calling_aet text NOT NULL,
    peer_address text NOT NULL,
    association text NOT NULL,
    transaction_uid text NOT NULL,
    event_type integer NOT NULL,
    digest text NOT NULL,
    committed integer NOT NULL,
    failed integer NOT NULL,
    verdict text NOT NULL,
    commitment uuid,
    remark text DEFAULT ''::text NOT NULL,
    CONSTRAINT report_verdict_check CHECK ((verdict = ANY (ARRAY['APPLIED'::text, 'REPAIRED'::text, 'DUPLICATE'::text, 'LATE'::text, 'FOREIGN'::text, 'UNKNOWN'::text, 'UNREADABLE'::text])))
)
PARTITION BY RANGE (received_at);
COMMENT ON TABLE commitment.report IS 'Every N-EVENT-REPORT that was answered 0000, and what was made of it.';
COMMENT ON COLUMN commitment.report.digest IS 'SHA-256 of what it says: the same again is a duplicate.';
CREATE TABLE commitment.report_default (
    received_at timestamp with time zone NOT NULL,
    object_key text NOT NULL,
    recorded_at timestamp with time zone DEFAULT now() NOT NULL,
    calling_aet text NOT NULL,
    peer_address text NOT NULL,
    association text NOT NULL,
    transaction_uid text NOT NULL,
    event_type integer NOT NULL,
    digest text NOT NULL,
    committed integer NOT NULL,
    failed integer NOT NULL,
    verdict text NOT NULL,
    commitment uuid,
    remark text DEFAULT ''::text NOT NULL,
    CONSTRAINT report_verdict_check CHECK ((verdict = ANY (ARRAY['APPLIED'::text, 'REPAIRED'::text, 'DUPLICATE'::text, 'LATE'::text, 'FOREIGN'::text, 'UNKNOWN'::text, 'UNREADABLE'::text])))
);
CREATE VIEW commitment.report_view AS
 SELECT report.received_at,
    report.object_key,
    report.recorded_at,
    report.calling_aet,
    report.peer_address,
    report.association,
    report.transaction_uid,
    report.event_type,
    report.digest,
    report.committed,
    report.failed,
    report.verdict,
    report.commitment,
    report.remark
   FROM commitment.report;
CREATE TABLE commitment.request_done (
    request uuid NOT NULL,
    done_at timestamp with time zone DEFAULT now() NOT NULL,
    result jsonb NOT NULL
);
CREATE VIEW commitment.request_done_view AS
 SELECT request_done.request,
    request_done.done_at,
    request_done.result
   FROM commitment.request_done;
CREATE TABLE config.account (
    name text NOT NULL,
    role text NOT NULL,
    password_hash text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    password_set_at timestamp with time zone,
    logged_in_at timestamp with time zone,
    origin text DEFAULT 'local'::text NOT NULL,
    issuer text,
    subject text,
    CONSTRAINT account_of_provider CHECK ((((origin = 'oidc'::text) = ((issuer IS NOT NULL) AND (subject IS NOT NULL))) AND ((origin = 'local'::text) OR (password_hash IS NULL)))),
    CONSTRAINT account_origin_check CHECK ((origin = ANY (ARRAY['local'::text, 'oidc'::text]))),
    CONSTRAINT account_role_check CHECK ((role = ANY (ARRAY['viewer'::text, 'operator'::text, 'admin'::text])))
);
COMMENT ON TABLE config.account IS 'People who may log in.';
COMMENT ON COLUMN config.account.password_hash IS 'Argon2id; null: cannot log in by password.';
COMMENT ON COLUMN config.account.origin IS 'oidc: the provider says who it is and, by groups, the role; has no password here.';
COMMENT ON COLUMN config.account.subject IS 'Who it is at the provider (OpenID Connect Core 2: iss and sub), whatever the name.';
CREATE TABLE config.action (
    actor text NOT NULL,
    key text NOT NULL,
    request_sha256 bytea NOT NULL,
    begun_at timestamp with time zone DEFAULT now() NOT NULL,
    status integer,
    headers jsonb,
    body bytea
);
COMMENT ON TABLE config.action IS 'Actions by the key that who asked gave them (Idempotency-Key), kept for 24 hours.';
COMMENT ON COLUMN config.action.status IS 'What was answered; null: nothing yet, or its process ended before.';
CREATE TABLE config.api_key (
    id text NOT NULL,
    secret_sha256 bytea NOT NULL,
    name text NOT NULL,
    role text NOT NULL,
    created_by text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone,
    revoked_at timestamp with time zone,
    used_at timestamp with time zone,
    CONSTRAINT api_key_role_check CHECK ((role = ANY (ARRAY['viewer'::text, 'operator'::text, 'admin'::text])))
);
COMMENT ON TABLE config.api_key IS 'Programs that may use the API; the secret is shown once and never kept.';
CREATE TABLE config.called_title (
    title text NOT NULL,
    stations text[] DEFAULT '{}'::text[] NOT NULL,
    associations integer,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT called_title_associations_check CHECK (((associations >= 1) AND (associations <= 4096))),
    CONSTRAINT called_title_title_check CHECK (((title ~ '^[\x20-\x5b\x5d-\x7e]{1,16}$'::text) AND (title = btrim(title)) AND (title <> ''::text)))
);
COMMENT ON TABLE config.called_title IS 'Titles the gateway answers to besides its own, or limits of its own title.';
COMMENT ON COLUMN config.called_title.stations IS 'Who may call it; empty: every known station.';
COMMENT ON COLUMN config.called_title.associations IS 'Incoming associations at a time; null: as many as the AE takes.';
CREATE VIEW config.called_title_view AS
 SELECT called_title.title,
    called_title.stations,
    called_title.associations,
    called_title.created_at
   FROM config.called_title;
CREATE TABLE config.station (
    title text NOT NULL,
    host text NOT NULL,
    port integer NOT NULL,
    description text DEFAULT ''::text NOT NULL,
    enabled boolean DEFAULT true NOT NULL,
    store boolean DEFAULT false NOT NULL,
    query_retrieve boolean DEFAULT false NOT NULL,
    prefilter boolean DEFAULT false NOT NULL,
    pet_raw boolean DEFAULT false NOT NULL,
    commit_server boolean DEFAULT false NOT NULL,
    commit_on text,
    addresses text[] DEFAULT '{}'::text[] NOT NULL,
    revision_policy text DEFAULT 'route'::text NOT NULL,
    associations integer DEFAULT 2 NOT NULL,
    unknown_policy text DEFAULT 'resend'::text NOT NULL,
    retry_hours integer DEFAULT 72 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    refuse_findings boolean DEFAULT false NOT NULL,
    reduce_level_1 boolean DEFAULT false NOT NULL,
    move_destinations text[] DEFAULT '{}'::text[] NOT NULL,
    store_seconds integer,
    find_seconds integer,
    move_seconds integer,
    action_seconds integer,
    commit_limit_seconds integer,
    commit_quiet_seconds integer,
    commit_retry_hours integer,
    commit_size integer,
    report_titles text[] DEFAULT '{}'::text[] NOT NULL,
    commit_downstream text[] DEFAULT '{}'::text[] NOT NULL,
    retry_statuses text[] DEFAULT '{A7xx,0110,0213}'::text[] NOT NULL,
    retry_errors text[] DEFAULT '{unreachable,rejected,broken-off}'::text[] NOT NULL,
    retry_first_seconds integer DEFAULT 1 NOT NULL,
    retry_factor double precision DEFAULT 2 NOT NULL,
    retry_most_seconds integer DEFAULT 300 NOT NULL,
    retry_attempts integer,
    instances_per_second double precision,
    megabytes_per_second double precision,
    idle_seconds integer,
    association_instances integer,
    failover text,
    failover_seconds integer DEFAULT 600 NOT NULL,
    balance_with text[] DEFAULT '{}'::text[] NOT NULL,
    retention_days integer,
    reconcile boolean DEFAULT false NOT NULL,
    "order" text DEFAULT 'oldest'::text NOT NULL,
    complete_on_release boolean DEFAULT false NOT NULL,
    skip_present boolean DEFAULT false NOT NULL,
    schedule text[] DEFAULT '{}'::text[] NOT NULL,
    pull_minutes integer DEFAULT 0 NOT NULL,
    pull_days integer DEFAULT 1 NOT NULL,
    pull_modalities text[] DEFAULT '{}'::text[] NOT NULL,
    silent_hours integer,
    tls boolean DEFAULT false NOT NULL,
    certificates text[] DEFAULT '{}'::text[] NOT NULL,
    services text[] DEFAULT '{}'::text[] NOT NULL,
    sop_classes text[] DEFAULT '{}'::text[] NOT NULL,
    CONSTRAINT station_action_seconds_check CHECK (((action_seconds >= 1) AND (action_seconds <= 86400))),
    CONSTRAINT station_association_instances_check CHECK (((association_instances >= 1) AND (association_instances <= 100000))),
    CONSTRAINT station_associations_check CHECK (((associations >= 1) AND (associations <= 16))),
    CONSTRAINT station_check CHECK (((commit_on IS NULL) OR (commit_on <> title))),
    CONSTRAINT station_check1 CHECK ((failover <> title)),
    CONSTRAINT station_commit_limit_seconds_check CHECK (((commit_limit_seconds >= 1) AND (commit_limit_seconds <= 2592000))),
    CONSTRAINT station_commit_quiet_seconds_check CHECK (((commit_quiet_seconds >= 0) AND (commit_quiet_seconds <= 86400))),
    CONSTRAINT station_commit_retry_hours_check CHECK (((commit_retry_hours >= 1) AND (commit_retry_hours <= 720))),
    CONSTRAINT station_commit_size_check CHECK (((commit_size >= 1) AND (commit_size <= 100000))),
    CONSTRAINT station_failover_seconds_check CHECK (((failover_seconds >= 0) AND (failover_seconds <= 604800))),
    CONSTRAINT station_find_seconds_check CHECK (((find_seconds >= 1) AND (find_seconds <= 86400))),
    CONSTRAINT station_idle_seconds_check CHECK (((idle_seconds >= 0) AND (idle_seconds <= 3600))),
    CONSTRAINT station_instances_per_second_check CHECK (((instances_per_second >= (0.01)::double precision) AND (instances_per_second <= (10000)::double precision))),
    CONSTRAINT station_megabytes_per_second_check CHECK (((megabytes_per_second >= (0.01)::double precision) AND (megabytes_per_second <= (10000)::double precision))),
    CONSTRAINT station_move_seconds_check CHECK (((move_seconds >= 1) AND (move_seconds <= 86400))),
    CONSTRAINT station_order_check CHECK (("order" = ANY (ARRAY['oldest'::text, 'newest'::text]))),
    CONSTRAINT station_port_check CHECK (((port >= 1) AND (port <= 65535))),
    CONSTRAINT station_pull_days_check CHECK (((pull_days >= 1) AND (pull_days <= 365))),
    CONSTRAINT station_pull_minutes_check CHECK (((pull_minutes >= 0) AND (pull_minutes <= 1440))),
    CONSTRAINT station_retention_days_check CHECK (((retention_days >= 0) AND (retention_days <= 36500))),
    CONSTRAINT station_retry_attempts_check CHECK (((retry_attempts >= 1) AND (retry_attempts <= 1000))),
    CONSTRAINT station_retry_errors_check CHECK ((retry_errors <@ '{unreachable,rejected,broken-off}'::text[])),
    CONSTRAINT station_retry_factor_check CHECK (((retry_factor >= (1)::double precision) AND (retry_factor <= (10)::double precision))),
    CONSTRAINT station_retry_first_seconds_check CHECK (((retry_first_seconds >= 1) AND (retry_first_seconds <= 3600))),
    CONSTRAINT station_retry_hours_check CHECK (((retry_hours >= 1) AND (retry_hours <= 720))),
    CONSTRAINT station_retry_most_seconds_check CHECK (((retry_most_seconds >= 1) AND (retry_most_seconds <= 86400))),
    CONSTRAINT station_revision_policy_check CHECK ((revision_policy = ANY (ARRAY['route'::text, 'keep'::text, 'hold'::text, 'refuse'::text]))),
    CONSTRAINT station_silent_hours_check CHECK (((silent_hours >= 1) AND (silent_hours <= 720))),
    CONSTRAINT station_store_seconds_check CHECK (((store_seconds >= 1) AND (store_seconds <= 86400))),
    CONSTRAINT station_title_check CHECK (((title ~ '^[\x20-\x5b\x5d-\x7e]{1,16}$'::text) AND (title = btrim(title)) AND (title <> ''::text))),
    CONSTRAINT station_unknown_policy_check CHECK ((unknown_policy = ANY (ARRAY['resend'::text, 'hold'::text])))
);
COMMENT ON COLUMN config.station.store IS 'R37: the station is offered as a send target.';
COMMENT ON COLUMN config.station.addresses IS 'Networks (CIDR) its associations come from; empty: its host only if an IP address, else any.';
COMMENT ON COLUMN config.station.associations IS 'Outgoing associations to the station at a time.';
COMMENT ON COLUMN config.station.unknown_policy IS 'What happens to a delivery whose answer was lost.';
COMMENT ON COLUMN config.station.refuse_findings IS 'Instances of it with a finding of the IOD check are refused.';
COMMENT ON COLUMN config.station.reduce_level_1 IS 'R92: it is sent no more of a level 1 class than the statement keeps.';
COMMENT ON COLUMN config.station.move_destinations IS 'Titles it may name in a C-MOVE; empty: any station.';
COMMENT ON COLUMN config.station.store_seconds IS 'Longest wait for a response to C-STORE; null: as the profile says. The same for C-FIND, C-MOVE and N-ACTION.';
COMMENT ON COLUMN config.station.commit_limit_seconds IS 'R80: how long it may take to report, from its acceptance of the request; null: as everybody.';
COMMENT ON COLUMN config.station.commit_quiet_seconds IS 'From the last delivery of a study to the first request.';
COMMENT ON COLUMN config.station.commit_retry_hours IS 'How long a request is tried while it cannot be reached.';
COMMENT ON COLUMN config.station.commit_size IS 'Instances in one request at most; null: the whole study.';
COMMENT ON COLUMN config.station.report_titles IS 'Calling AE titles its reports come from, besides its own.';
COMMENT ON COLUMN config.station.commit_downstream IS 'Archives that must have committed what it asks us to commit; empty: what is durable here is committed.';
COMMENT ON COLUMN config.station.retry_statuses IS 'Failures it answers a C-STORE with after which it is tried again; the last digits may be x.';
COMMENT ON COLUMN config.station.retry_errors IS 'Failures without an answer after which it is tried again.';
COMMENT ON COLUMN config.station.retry_first_seconds IS 'Longest wait before the second attempt, retry_factor times as long each time, at most retry_most_seconds.';
COMMENT ON COLUMN config.station.retry_attempts IS 'So often a delivery is tried; null: until retry_hours have passed.';
COMMENT ON COLUMN config.station.instances_per_second IS 'It is sent no more; null: as many as it takes. The same for megabytes (of 1,000,000 bytes).';
COMMENT ON COLUMN config.station.idle_seconds IS 'An association without work is closed after so long; null: as all.';
COMMENT ON COLUMN config.station.association_instances IS 'Deliveries over one association; null: any number.';
COMMENT ON COLUMN config.station.failover IS 'Where what waits for it goes once its circuit has been open for failover_seconds; null: it waits.';
COMMENT ON COLUMN config.station.balance_with IS 'What rules send to it is shared among it and these, each study to one of them.';
COMMENT ON COLUMN config.station.retention_days IS 'Days that what it sends is kept; 0: for ever; null: as the setting says.';
COMMENT ON COLUMN config.station.reconcile IS 'What it was sent is compared with what it has every night.';
COMMENT ON COLUMN config.station."order" IS 'What goes first of what waits for it with one priority: what came first, or what came last.';
COMMENT ON COLUMN config.station.complete_on_release IS 'What it sends is complete once it has released each association by which the series or study came.';
COMMENT ON COLUMN config.station.skip_present IS 'Before instances are sent to it, it is asked by C-FIND which of them it has; those are not sent.';
COMMENT ON COLUMN config.station.schedule IS 'Windows of the week in which it is sent to, such as mon-fri 18:00-06:00 Europe/Zurich; none: always.';
COMMENT ON COLUMN config.station.pull_minutes IS 'So often it is asked for studies that are not here, which are retrieved then; 0: never.';
COMMENT ON COLUMN config.station.pull_days IS 'Only studies with a Study Date within so many days.';
COMMENT ON COLUMN config.station.pull_modalities IS 'Only studies with one of these modalities; none: all.';
COMMENT ON COLUMN config.station.silent_hours IS 'It is silent, and a notice is sent, when nothing came from it for so many hours; null: it may be.';
COMMENT ON COLUMN config.station.tls IS 'It is called by TLS (PS3.15 B.12).';
COMMENT ON COLUMN config.station.certificates IS 'Certificates it presents, as sha256:…, subject:… or san:…; none: over TLS any that names its host.';
COMMENT ON COLUMN config.station.services IS 'What it may ask us for: echo, store, find, move, get, commitment; none: everything.';
COMMENT ON COLUMN config.station.sop_classes IS 'Storage SOP classes whose instances pass on its associations; none: all.';
CREATE VIEW config.commitment_server_view AS
 SELECT s.title AS destination,
    c.title AS server
   FROM (config.station s
     JOIN config.station c ON ((c.title =
        CASE
            WHEN s.commit_server THEN s.title
            ELSE s.commit_on
        END)))
  WHERE c.commit_server;
COMMENT ON VIEW config.commitment_server_view IS 'R71: who is asked to commit what was sent to a station: itself, or the one it commits on. Others have no row.';
CREATE TABLE config.contact (
    name text NOT NULL,
    mails text[] DEFAULT '{}'::text[] NOT NULL,
    webhook text,
    secret text,
    kinds text[] NOT NULL,
    stations text[] DEFAULT '{}'::text[] NOT NULL,
    rules text[] DEFAULT '{}'::text[] NOT NULL,
    everything_else boolean DEFAULT false NOT NULL,
    digest_minutes integer DEFAULT 0 NOT NULL,
    quiet text[] DEFAULT '{}'::text[] NOT NULL,
    urgent text[] DEFAULT '{}'::text[] NOT NULL,
    enabled boolean DEFAULT true NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT contact_digest_minutes_check CHECK (((digest_minutes >= 0) AND (digest_minutes <= 10080)))
);
COMMENT ON TABLE config.contact IS 'Who is sent notices: of which stations and rules, of which kinds, where to and when.';
COMMENT ON COLUMN config.contact.secret IS 'The key of the signature (HMAC-SHA256) of what is posted to its webhook.';
COMMENT ON COLUMN config.contact.everything_else IS 'It is told of what no contact is named for, too.';
COMMENT ON COLUMN config.contact.digest_minutes IS 'How long notices are collected from the first one on; 0: not at all.';
COMMENT ON COLUMN config.contact.quiet IS 'Windows of the week in which only notices of the urgent kinds are sent.';
CREATE TABLE config.erasure (
    id uuid NOT NULL,
    state text DEFAULT 'ASKED'::text NOT NULL,
    patient_id text,
    issuer text,
    patient_hmac text NOT NULL,
    sought jsonb,
    why text NOT NULL,
    forced boolean NOT NULL,
    asked_by text NOT NULL,
    asked_at timestamp with time zone DEFAULT now() NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    request uuid,
    requested_at timestamp with time zone,
    found jsonb DEFAULT '{}'::jsonb NOT NULL,
    removed jsonb DEFAULT '{}'::jsonb NOT NULL,
    remaining jsonb DEFAULT '{}'::jsonb NOT NULL,
    proof text,
    proof_sha256 text,
    CONSTRAINT erasure_names_nobody_when_ended CHECK ((((state = ANY (ARRAY['ASKED'::text, 'RUNNING'::text])) = (num_nonnulls(patient_id, issuer, sought) = 3)) AND ((state = ANY (ARRAY['ASKED'::text, 'RUNNING'::text])) OR (num_nonnulls(patient_id, issuer, sought) = 0)))),
    CONSTRAINT erasure_proved CHECK (((state = 'ERASED'::text) = (num_nonnulls(proof, proof_sha256) = 2))),
    CONSTRAINT erasure_state_check CHECK ((state = ANY (ARRAY['ASKED'::text, 'RUNNING'::text, 'ERASED'::text, 'FAILED'::text]))),
    CONSTRAINT erasure_why_check CHECK ((why <> ''::text))
);
COMMENT ON TABLE config.erasure IS 'Patients that are, or were, erased. Who the patient is, and what is looked for, stays until it has ended.';
COMMENT ON COLUMN config.erasure.patient_hmac IS 'HMAC-SHA256 of issuer and Patient ID under config.erasure_key: tells who knows the ID that it is this patient.';
COMMENT ON COLUMN config.erasure.found IS 'Rows and objects in the places of other services when it began.';
COMMENT ON COLUMN config.erasure.removed IS 'Rows removed or blanked in the places of admin, runtime and audit.';
COMMENT ON COLUMN config.erasure.remaining IS 'What the last look still found, by place; empty: nothing.';
COMMENT ON COLUMN config.erasure.proof IS 'The proof as JSON, whose SHA-256 is also in the audit.';
CREATE TABLE config.erasure_item (
    erasure uuid NOT NULL,
    sop_instance_uid text NOT NULL,
    revision integer NOT NULL,
    study_instance_uid text NOT NULL,
    series_instance_uid text NOT NULL,
    sha256 text NOT NULL,
    size bigint NOT NULL
);
COMMENT ON TABLE config.erasure_item IS 'Contents that a running erasure removes; its proof has them when it has ended.';
CREATE VIEW config.erasure_item_view AS
 SELECT erasure_item.erasure,
    erasure_item.sop_instance_uid,
    erasure_item.revision,
    erasure_item.study_instance_uid
   FROM config.erasure_item;
CREATE TABLE config.erasure_key (
    alone boolean DEFAULT true NOT NULL,
    key bytea DEFAULT sha256(convert_to(((gen_random_uuid())::text || (gen_random_uuid())::text), 'UTF8'::name)) NOT NULL,
    CONSTRAINT erasure_key_alone_check CHECK (alone)
);
CREATE VIEW config.erasure_view AS
 SELECT erasure.id,
    erasure.state,
    erasure.patient_id,
    erasure.issuer,
    erasure.asked_at
   FROM config.erasure;
CREATE TABLE config.failed_login (
    at timestamp with time zone DEFAULT now() NOT NULL,
    name text NOT NULL,
    address text NOT NULL
);
COMMENT ON TABLE config.failed_login IS 'Of the last hour: names and addresses that fail often have to wait.';
CREATE TABLE config.generation (
    only_row boolean DEFAULT true NOT NULL,
    number bigint DEFAULT 1 NOT NULL,
    rule_set integer DEFAULT 0 NOT NULL,
    changed_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT generation_only_row_check CHECK (only_row)
);
COMMENT ON TABLE config.generation IS 'Counts every change of stations or rules; rule_set is the live one (0: none applied yet). One row.';
CREATE VIEW config.generation_view AS
 SELECT generation.number,
    generation.rule_set,
    generation.changed_at
   FROM config.generation;
CREATE TABLE config.hold (
    id bigint NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    why text NOT NULL,
    until timestamp with time zone,
    held_by text NOT NULL,
    held_at timestamp with time zone DEFAULT now() NOT NULL,
    ended_at timestamp with time zone,
    ended_by text,
    CONSTRAINT hold_kind_check CHECK ((kind = ANY (ARRAY['station'::text, 'rule'::text, 'source'::text]))),
    CONSTRAINT hold_why_check CHECK ((why <> ''::text))
);
COMMENT ON TABLE config.hold IS 'What waits: what is sent to a station, what a rule sends, what rules send of what a calling AE title sent.';
COMMENT ON COLUMN config.hold.until IS 'When it ends without a person; null: never.';
COMMENT ON COLUMN config.hold.ended_at IS 'When a person ended it, or held the same anew.';
ALTER TABLE config.hold ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME config.hold_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE VIEW config.hold_view AS
 SELECT h.id,
    h.kind,
    h.name,
    h.why,
    h.until,
    h.held_by,
    h.held_at,
    h.ended_at,
    h.ended_by,
    LEAST(h.ended_at, h.until) AS ends_at,
    ((h.ended_at IS NULL) AND ((h.until IS NULL) OR (h.until > now()))) AS in_force
   FROM config.hold h;
CREATE TABLE config.notice (
    event bigint NOT NULL,
    contact text NOT NULL,
    channel text NOT NULL,
    state text DEFAULT 'WAITING'::text NOT NULL,
    made_at timestamp with time zone DEFAULT now() NOT NULL,
    tried_at timestamp with time zone,
    ended_at timestamp with time zone,
    fault text DEFAULT ''::text NOT NULL,
    CONSTRAINT notice_channel_check CHECK ((channel = ANY (ARRAY['mail'::text, 'webhook'::text]))),
    CONSTRAINT notice_state_check CHECK ((state = ANY (ARRAY['WAITING'::text, 'SENT'::text, 'GIVEN UP'::text])))
);
COMMENT ON TABLE config.notice IS 'What one contact is told of one event by one channel. It stays when the contact goes.';
COMMENT ON COLUMN config.notice.tried_at IS 'When it was first tried: a day later it is given up.';
CREATE TABLE config.notice_event (
    id bigint NOT NULL,
    kind text NOT NULL,
    subject text NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    stations text[] DEFAULT '{}'::text[] NOT NULL,
    rule text DEFAULT ''::text NOT NULL,
    facts jsonb DEFAULT '{}'::jsonb NOT NULL,
    addressed_at timestamp with time zone,
    CONSTRAINT notice_event_kind_check CHECK ((kind = ANY (ARRAY['job-failed'::text, 'dead-letter'::text, 'commitment-overdue'::text, 'modality-silent'::text])))
);
COMMENT ON TABLE config.notice_event IS 'What happened that is worth a notice, once each.';
COMMENT ON COLUMN config.notice_event.subject IS 'What makes it this one: what it happened to, and when where that may be again.';
COMMENT ON COLUMN config.notice_event.addressed_at IS 'When its notices were made; null: not yet.';
ALTER TABLE config.notice_event ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME config.notice_event_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE config.notice_line (
    contact text NOT NULL,
    channel text NOT NULL,
    holder text,
    lease_until timestamp with time zone,
    failures integer DEFAULT 0 NOT NULL,
    failing_since timestamp with time zone,
    next_attempt_at timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    sent_at timestamp with time zone,
    fault text DEFAULT ''::text NOT NULL,
    CONSTRAINT notice_line_channel_check CHECK ((channel = ANY (ARRAY['mail'::text, 'webhook'::text])))
);
COMMENT ON TABLE config.notice_line IS 'One channel to one contact: who sends by it now, and since when that fails.';
CREATE TABLE config.oidc_attempt (
    state_sha256 bytea NOT NULL,
    browser_sha256 bytea NOT NULL,
    nonce text NOT NULL,
    code_verifier text NOT NULL,
    redirect_uri text NOT NULL,
    next text NOT NULL,
    begun_at timestamp with time zone DEFAULT now() NOT NULL
);
COMMENT ON TABLE config.oidc_attempt IS 'Browsers that were sent to the provider and are not back yet; good once, for ten minutes.';
COMMENT ON COLUMN config.oidc_attempt.browser_sha256 IS 'Of the token in the cookie: nobody but that browser may finish it.';
CREATE TABLE config.pull (
    title text NOT NULL,
    asked_at timestamp with time zone,
    holder text DEFAULT ''::text NOT NULL,
    lease_until timestamp with time zone,
    finished_at timestamp with time zone,
    failures integer DEFAULT 0 NOT NULL,
    fault text DEFAULT ''::text NOT NULL,
    studies integer DEFAULT 0 NOT NULL,
    pulled integer DEFAULT 0 NOT NULL,
    under_way integer DEFAULT 0 NOT NULL,
    missing integer DEFAULT 0 NOT NULL
);
COMMENT ON TABLE config.pull IS 'The last turn of a station that is pulled from. failures: turns in a row in which it could not be asked; fault: why.';
COMMENT ON COLUMN config.pull.studies IS 'What it had in its last turn that was carried out: of these pulled was asked for, under_way was asked for before, missing lacks something although it was retrieved.';
CREATE TABLE config.pulled (
    title text NOT NULL,
    study_instance_uid text NOT NULL,
    told integer,
    complete integer,
    attempts integer DEFAULT 0 NOT NULL,
    next_at timestamp with time zone,
    request uuid,
    pulled_at timestamp with time zone,
    seen_at timestamp with time zone DEFAULT now() NOT NULL
);
COMMENT ON TABLE config.pulled IS 'What is known of a study of such a station, as long as it is within the days asked for.';
COMMENT ON COLUMN config.pulled.told IS 'Instances that it counted when it was retrieved last, or was complete.';
COMMENT ON COLUMN config.pulled.complete IS 'Instances when nothing was lacking; null: never.';
COMMENT ON COLUMN config.pulled.attempts IS 'Retrievals since it grew; the next one is not before next_at.';
CREATE TABLE config.reconciliation (
    id uuid NOT NULL,
    title text NOT NULL,
    night date,
    requested_by text NOT NULL,
    since timestamp with time zone NOT NULL,
    until timestamp with time zone NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    holder text NOT NULL,
    lease_until timestamp with time zone NOT NULL,
    finished_at timestamp with time zone,
    studies integer DEFAULT 0 NOT NULL,
    instances integer DEFAULT 0 NOT NULL,
    missing integer DEFAULT 0 NOT NULL,
    sent_again integer DEFAULT 0 NOT NULL,
    result jsonb DEFAULT '{}'::jsonb NOT NULL,
    fault text DEFAULT ''::text NOT NULL
);
COMMENT ON TABLE config.reconciliation IS 'A comparison of what a station was sent with what it has. night: it is that night''s, once for each station; null: a person asked for it.';
CREATE TABLE config.request (
    id uuid NOT NULL,
    kind text NOT NULL,
    body jsonb NOT NULL,
    requested_by text NOT NULL,
    requested_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT request_kind_check CHECK ((kind = ANY (ARRAY['send'::text, 'retrieve'::text, 'retry'::text, 'cancel'::text, 'complete'::text, 'route'::text, 'first'::text, 'retry-deliveries'::text, 'cancel-deliveries'::text, 'reroute-deliveries'::text, 'delete'::text, 'retention'::text, 'correct'::text, 'retry-commitment'::text, 'cancel-commitment'::text, 'erase'::text])))
);
COMMENT ON TABLE config.request IS 'What people ask a service to do: send, retrieve, retry, cancel, complete, route, first the forwarder, delete, retention, correct storage, erase everybody who keeps something of the patient, the others commitment. Each answers in its own request_done.';
CREATE VIEW config.request_view AS
 SELECT request.id,
    request.kind,
    request.body,
    request.requested_by,
    request.requested_at
   FROM config.request;
CREATE TABLE config.rule_draft (
    name text NOT NULL,
    source text NOT NULL,
    comment text DEFAULT ''::text NOT NULL,
    saved_by text NOT NULL,
    saved_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT rule_draft_name_check CHECK ((name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'::text))
);
COMMENT ON TABLE config.rule_draft IS 'Rule files that are worked on; they may have faults. Publishing one makes a rule set of it.';
CREATE TABLE config.rule_set (
    number integer NOT NULL,
    source text NOT NULL,
    document jsonb NOT NULL,
    comment text DEFAULT ''::text NOT NULL,
    created_by text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    copied_from integer
);
COMMENT ON TABLE config.rule_set IS 'Numbered, immutable, never deleted: receipts refer to the number.';
COMMENT ON COLUMN config.rule_set.copied_from IS 'The set that a rollback copied; null: it was published from a file or draft.';
CREATE TABLE config.rule_set_activation (
    id bigint NOT NULL,
    rule_set integer NOT NULL,
    activated_by text NOT NULL,
    activated_at timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE config.rule_set_activation ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME config.rule_set_activation_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE VIEW config.rule_set_view AS
 SELECT r.number,
    r.source,
    r.document,
    r.comment,
    r.created_by,
    r.created_at,
    (g.rule_set = r.number) AS live,
    r.copied_from
   FROM (config.rule_set r
     CROSS JOIN config.generation g);
CREATE TABLE config.rule_test (
    name text NOT NULL,
    subject jsonb NOT NULL,
    expected text[] NOT NULL,
    comment text DEFAULT ''::text NOT NULL,
    saved_by text NOT NULL,
    saved_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT rule_test_name_check CHECK ((name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'::text))
);
COMMENT ON TABLE config.rule_test IS 'What every rule set to come has to route as expected, or it is not published.';
COMMENT ON COLUMN config.rule_test.expected IS 'Titles that the rules have to name for it, no more and no fewer.';
CREATE TABLE config.session (
    token_sha256 bytea NOT NULL,
    account text NOT NULL,
    csrf_token text NOT NULL,
    address text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    seen_at timestamp with time zone DEFAULT now() NOT NULL
);
COMMENT ON TABLE config.session IS 'Browsers that are logged in; the token itself is kept by the browser alone.';
CREATE VIEW config.station_view AS
 SELECT station.title,
    station.host,
    station.port,
    station.description,
    station.enabled,
    station.store,
    station.query_retrieve,
    station.prefilter,
    station.pet_raw,
    station.commit_server,
    station.commit_on,
    station.addresses,
    station.revision_policy,
    station.associations,
    station.unknown_policy,
    station.retry_hours,
    station.created_at,
    station.updated_at,
    station.refuse_findings,
    station.reduce_level_1,
    station.move_destinations,
    station.store_seconds,
    station.find_seconds,
    station.move_seconds,
    station.action_seconds,
    station.commit_limit_seconds,
    station.commit_quiet_seconds,
    station.commit_retry_hours,
    station.commit_size,
    station.report_titles,
    station.commit_downstream,
    station.retry_statuses,
    station.retry_errors,
    station.retry_first_seconds,
    station.retry_factor,
    station.retry_most_seconds,
    station.retry_attempts,
    station.instances_per_second,
    station.megabytes_per_second,
    station.idle_seconds,
    station.association_instances,
    station.failover,
    station.failover_seconds,
    station.balance_with,
    station.retention_days,
    station.reconcile,
    station."order",
    station.complete_on_release,
    station.skip_present,
    station.schedule,
    station.pull_minutes,
    station.pull_days,
    station.pull_modalities,
    station.silent_hours,
    station.tls,
    station.certificates,
    station.services,
    station.sop_classes
   FROM config.station;
CREATE TABLE index.study (
    study_instance_uid text NOT NULL,
    patient bigint NOT NULL,
    study_date text DEFAULT ''::text NOT NULL,
    study_time text DEFAULT ''::text NOT NULL,
    accession_number text DEFAULT ''::text NOT NULL,
    study_id text DEFAULT ''::text NOT NULL,
    description text DEFAULT ''::text NOT NULL,
    referring_physician text DEFAULT ''::text NOT NULL,
    demographics jsonb DEFAULT '{}'::jsonb NOT NULL,
    patient_conflict boolean DEFAULT false NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);
COMMENT ON COLUMN index.study.demographics IS 'The first value of each demographic element within the study, to compare with.';
COMMENT ON COLUMN index.study.patient_conflict IS 'Demographics differ within the study: flagged, never merged.';
CREATE VIEW index.changed_view AS
 SELECT study.study_instance_uid,
    study.updated_at
   FROM index.study;
COMMENT ON VIEW index.changed_view IS 'When each study changed, and nothing else of it.';
CREATE TABLE index.instance (
    sop_instance_uid text NOT NULL,
    revision integer NOT NULL,
    received_at timestamp with time zone NOT NULL,
    object_key text NOT NULL,
    study_instance_uid text NOT NULL,
    series_instance_uid text NOT NULL,
    sop_class_uid text NOT NULL,
    transfer_syntax_uid text NOT NULL,
    instance_number text DEFAULT ''::text NOT NULL,
    image_type text DEFAULT ''::text NOT NULL,
    row_count integer,
    column_count integer,
    frame_count integer,
    latest boolean DEFAULT true NOT NULL,
    indexed_at timestamp with time zone DEFAULT now() NOT NULL,
    image_id text DEFAULT ''::text NOT NULL
);
COMMENT ON COLUMN index.instance.latest IS 'The revision that queries answer with.';
CREATE VIEW index.instance_view AS
 SELECT instance.sop_instance_uid,
    instance.revision,
    instance.received_at,
    instance.object_key,
    instance.study_instance_uid,
    instance.series_instance_uid,
    instance.sop_class_uid,
    instance.transfer_syntax_uid,
    instance.instance_number,
    instance.image_type,
    instance.row_count,
    instance.column_count,
    instance.frame_count,
    instance.latest,
    instance.indexed_at,
    instance.image_id
   FROM index.instance;
CREATE TABLE index.patient (
    id bigint NOT NULL,
    patient_id text NOT NULL,
    issuer text DEFAULT ''::text NOT NULL,
    name text DEFAULT ''::text NOT NULL,
    name_folded text DEFAULT ''::text NOT NULL,
    birth_date text DEFAULT ''::text NOT NULL,
    sex text DEFAULT ''::text NOT NULL,
    only_study text DEFAULT ''::text NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    name_whole text GENERATED ALWAYS AS (btrim(regexp_replace(split_part(name_folded, '='::text, 1), '[\^ ]+'::text, ' '::text, 'g'::text))) STORED NOT NULL,
    name_ideographic text GENERATED ALWAYS AS (btrim(regexp_replace(split_part(name_folded, '='::text, 2), '[\^ ]+'::text, ' '::text, 'g'::text))) STORED NOT NULL,
    name_phonetic text GENERATED ALWAYS AS (btrim(regexp_replace(split_part(name_folded, '='::text, 3), '[\^ ]+'::text, ' '::text, 'g'::text))) STORED NOT NULL
);
COMMENT ON COLUMN index.patient.only_study IS 'Study Instance UID of a study without Patient ID, so that people without an ID are never taken for one; else empty.';
ALTER TABLE index.patient ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME index.patient_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE index.series (
    series_instance_uid text NOT NULL,
    study_instance_uid text NOT NULL,
    modality text DEFAULT ''::text NOT NULL,
    series_number text DEFAULT ''::text NOT NULL,
    series_date text DEFAULT ''::text NOT NULL,
    series_time text DEFAULT ''::text NOT NULL,
    description text DEFAULT ''::text NOT NULL
);
CREATE VIEW index.query_patient_view AS
 SELECT p.id AS patient,
    p.patient_id,
    p.issuer,
    p.name AS patient_name,
    p.name_whole,
    p.name_ideographic,
    p.name_phonetic,
    p.birth_date,
    p.sex,
    (( SELECT count(*) AS count
           FROM index.study s
          WHERE (s.patient = p.id)))::text AS patient_studies,
    (( SELECT count(*) AS count
           FROM (index.study s
             JOIN index.series e ON ((e.study_instance_uid = s.study_instance_uid)))
          WHERE (s.patient = p.id)))::text AS patient_series,
    (( SELECT count(*) AS count
           FROM (index.study s
             JOIN index.instance i ON ((i.study_instance_uid = s.study_instance_uid)))
          WHERE ((s.patient = p.id) AND i.latest)))::text AS patient_instances
   FROM index.patient p;
CREATE VIEW index.query_study_view AS
 SELECT p.patient,
    p.patient_id,
    p.issuer,
    p.patient_name,
    p.name_whole,
    p.name_ideographic,
    p.name_phonetic,
    p.birth_date,
    p.sex,
    p.patient_studies,
    p.patient_series,
    p.patient_instances,
    s.study_instance_uid,
    s.study_date,
    s.study_time,
    s.accession_number,
    s.study_id,
    s.description AS study_description,
    s.referring_physician,
    'ONLINE'::text AS availability,
    COALESCE(( SELECT string_agg(DISTINCT e.modality, '\'::text ORDER BY e.modality) AS string_agg
           FROM index.series e
          WHERE ((e.study_instance_uid = s.study_instance_uid) AND (e.modality <> ''::text))), ''::text) AS modalities,
    COALESCE(( SELECT string_agg(DISTINCT i.sop_class_uid, '\'::text ORDER BY i.sop_class_uid) AS string_agg
           FROM index.instance i
          WHERE ((i.study_instance_uid = s.study_instance_uid) AND i.latest)), ''::text) AS sop_classes,
    (( SELECT count(*) AS count
           FROM index.series e
          WHERE (e.study_instance_uid = s.study_instance_uid)))::text AS study_series,
    (( SELECT count(*) AS count
           FROM index.instance i
          WHERE ((i.study_instance_uid = s.study_instance_uid) AND i.latest)))::text AS study_instances
   FROM (index.study s
     JOIN index.query_patient_view p ON ((p.patient = s.patient)));
CREATE VIEW index.query_series_view AS
 SELECT s.patient,
    s.patient_id,
    s.issuer,
    s.patient_name,
    s.name_whole,
    s.name_ideographic,
    s.name_phonetic,
    s.birth_date,
    s.sex,
    s.patient_studies,
    s.patient_series,
    s.patient_instances,
    s.study_instance_uid,
    s.study_date,
    s.study_time,
    s.accession_number,
    s.study_id,
    s.study_description,
    s.referring_physician,
    s.availability,
    s.modalities,
    s.sop_classes,
    s.study_series,
    s.study_instances,
    e.series_instance_uid,
    e.modality,
    e.series_number,
    e.series_date,
    e.series_time,
    e.description AS series_description,
    (( SELECT count(*) AS count
           FROM index.instance i
          WHERE ((i.study_instance_uid = e.study_instance_uid) AND (i.series_instance_uid = e.series_instance_uid) AND i.latest)))::text AS series_instances
   FROM (index.series e
     JOIN index.query_study_view s ON ((s.study_instance_uid = e.study_instance_uid)));
CREATE VIEW index.query_instance_view AS
 SELECT e.patient,
    e.patient_id,
    e.issuer,
    e.patient_name,
    e.name_whole,
    e.name_ideographic,
    e.name_phonetic,
    e.birth_date,
    e.sex,
    e.patient_studies,
    e.patient_series,
    e.patient_instances,
    e.study_instance_uid,
    e.study_date,
    e.study_time,
    e.accession_number,
    e.study_id,
    e.study_description,
    e.referring_physician,
    e.availability,
    e.modalities,
    e.sop_classes,
    e.study_series,
    e.study_instances,
    e.series_instance_uid,
    e.modality,
    e.series_number,
    e.series_date,
    e.series_time,
    e.series_description,
    e.series_instances,
    i.sop_instance_uid,
    i.revision,
    i.received_at,
    i.object_key,
    i.sop_class_uid,
    i.transfer_syntax_uid,
    i.instance_number,
    i.image_type,
    i.image_id,
    COALESCE((i.row_count)::text, ''::text) AS row_count,
    COALESCE((i.column_count)::text, ''::text) AS column_count,
    COALESCE((i.frame_count)::text, ''::text) AS frame_count
   FROM (index.instance i
     JOIN index.query_series_view e ON (((e.study_instance_uid = i.study_instance_uid) AND (e.series_instance_uid = i.series_instance_uid))))
  WHERE i.latest;
COMMENT ON VIEW index.query_instance_view IS 'The revisions that queries answer with, under everything above them.';
CREATE TABLE index.reconciled (
    only_row boolean DEFAULT true NOT NULL,
    through timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    CONSTRAINT reconciled_only_row_check CHECK (only_row)
);
CREATE TABLE index.request_done (
    request uuid NOT NULL,
    done_at timestamp with time zone DEFAULT now() NOT NULL,
    result jsonb NOT NULL
);
CREATE VIEW index.request_done_view AS
 SELECT request_done.request,
    request_done.done_at,
    request_done.result
   FROM index.request_done;
CREATE VIEW index.search_view AS
 SELECT s.study_instance_uid,
    p.patient_id,
    p.issuer,
    p.name AS patient_name,
    p.name_whole,
    p.name_ideographic,
    p.name_phonetic,
    p.birth_date,
    p.sex,
    s.study_date,
    s.study_time,
    s.accession_number,
    s.study_id,
    s.description AS study_description,
    s.referring_physician,
    s.patient_conflict,
    s.updated_at
   FROM (index.study s
     JOIN index.patient p ON ((p.id = s.patient)));
COMMENT ON VIEW index.search_view IS 'For searching studies by people: the columns that conditions of queries name.';
CREATE VIEW index.series_view AS
 SELECT series.series_instance_uid,
    series.study_instance_uid,
    series.modality,
    series.series_number,
    series.series_date,
    series.series_time,
    series.description
   FROM index.series;
CREATE VIEW index.study_view AS
 SELECT s.study_instance_uid,
    p.patient_id,
    p.issuer,
    p.name AS patient_name,
    p.birth_date,
    p.sex,
    s.study_date,
    s.study_time,
    s.accession_number,
    s.study_id,
    s.description,
    s.referring_physician,
    s.patient_conflict,
    s.updated_at
   FROM (index.study s
     JOIN index.patient p ON ((p.id = s.patient)));
CREATE TABLE query.retrieval (
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    id uuid NOT NULL,
    operation text NOT NULL,
    requester text NOT NULL,
    peer_address text NOT NULL,
    association text NOT NULL,
    message_id integer NOT NULL,
    level text DEFAULT ''::text NOT NULL,
    destination text NOT NULL,
    total integer DEFAULT 0 NOT NULL,
    completed integer DEFAULT 0 NOT NULL,
    failed integer DEFAULT 0 NOT NULL,
    warned integer DEFAULT 0 NOT NULL,
    status integer,
    reason text DEFAULT ''::text NOT NULL,
    renewed_at timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone,
    CONSTRAINT retrieval_operation_check CHECK ((operation = ANY (ARRAY['MOVE'::text, 'GET'::text])))
)
PARTITION BY RANGE (started_at);
COMMENT ON TABLE query.retrieval IS 'One row a C-MOVE or C-GET. status is the final one that was answered; none: it runs, or ended without an answer.';
COMMENT ON COLUMN query.retrieval.total IS 'Sub-operations it was begun with. Classes that are not retrieved are not among them.';
CREATE TABLE query.retrieval_default (
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    id uuid NOT NULL,
    operation text NOT NULL,
    requester text NOT NULL,
    peer_address text NOT NULL,
    association text NOT NULL,
    message_id integer NOT NULL,
    level text DEFAULT ''::text NOT NULL,
    destination text NOT NULL,
    total integer DEFAULT 0 NOT NULL,
    completed integer DEFAULT 0 NOT NULL,
    failed integer DEFAULT 0 NOT NULL,
    warned integer DEFAULT 0 NOT NULL,
    status integer,
    reason text DEFAULT ''::text NOT NULL,
    renewed_at timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone,
    CONSTRAINT retrieval_operation_check CHECK ((operation = ANY (ARRAY['MOVE'::text, 'GET'::text])))
);
CREATE VIEW query.retrieval_view AS
 SELECT retrieval.started_at,
    retrieval.id,
    retrieval.operation,
    retrieval.requester,
    retrieval.peer_address,
    retrieval.association,
    retrieval.message_id,
    retrieval.level,
    retrieval.destination,
    retrieval.total,
    retrieval.completed,
    retrieval.failed,
    retrieval.warned,
    retrieval.status,
    retrieval.reason,
    retrieval.renewed_at,
    retrieval.finished_at
   FROM query.retrieval;
CREATE TABLE query.suboperation (
    started_at timestamp with time zone NOT NULL,
    retrieval uuid NOT NULL,
    "position" integer NOT NULL,
    sop_instance_uid text NOT NULL,
    revision integer NOT NULL,
    study_instance_uid text NOT NULL,
    sop_class_uid text NOT NULL,
    transfer_syntax_uid text NOT NULL,
    sent_in text DEFAULT ''::text NOT NULL,
    result text DEFAULT 'PENDING'::text NOT NULL,
    status integer,
    reason text DEFAULT ''::text NOT NULL,
    finished_at timestamp with time zone,
    CONSTRAINT suboperation_result_check CHECK ((result = ANY (ARRAY['PENDING'::text, 'COMPLETED'::text, 'WARNED'::text, 'FAILED'::text])))
)
PARTITION BY RANGE (started_at);
COMMENT ON TABLE query.suboperation IS 'What a retrieval has to send, in this order, and what became of it.';
COMMENT ON COLUMN query.suboperation.sent_in IS 'Transfer syntax it was sent in; differs from the received one where the destination accepts no other.';
CREATE TABLE query.suboperation_default (
    started_at timestamp with time zone NOT NULL,
    retrieval uuid NOT NULL,
    "position" integer NOT NULL,
    sop_instance_uid text NOT NULL,
    revision integer NOT NULL,
    study_instance_uid text NOT NULL,
    sop_class_uid text NOT NULL,
    transfer_syntax_uid text NOT NULL,
    sent_in text DEFAULT ''::text NOT NULL,
    result text DEFAULT 'PENDING'::text NOT NULL,
    status integer,
    reason text DEFAULT ''::text NOT NULL,
    finished_at timestamp with time zone,
    CONSTRAINT suboperation_result_check CHECK ((result = ANY (ARRAY['PENDING'::text, 'COMPLETED'::text, 'WARNED'::text, 'FAILED'::text])))
);
CREATE VIEW query.suboperation_view AS
 SELECT suboperation.started_at,
    suboperation.retrieval,
    suboperation."position",
    suboperation.sop_instance_uid,
    suboperation.revision,
    suboperation.study_instance_uid,
    suboperation.sop_class_uid,
    suboperation.transfer_syntax_uid,
    suboperation.sent_in,
    suboperation.result,
    suboperation.status,
    suboperation.reason,
    suboperation.finished_at
   FROM query.suboperation;
CREATE TABLE routing.attempt (
    at timestamp with time zone DEFAULT now() NOT NULL,
    id bigint NOT NULL,
    delivery bigint NOT NULL,
    association text DEFAULT ''::text NOT NULL,
    status integer,
    outcome text NOT NULL,
    reason text DEFAULT ''::text NOT NULL,
    milliseconds integer,
    sent_sha256 text
)
PARTITION BY RANGE (at);
COMMENT ON COLUMN routing.attempt.sent_sha256 IS 'SHA-256 of the data set that was sent; null: the stored one.';
CREATE TABLE routing.attempt_default (
    at timestamp with time zone DEFAULT now() NOT NULL,
    id bigint NOT NULL,
    delivery bigint NOT NULL,
    association text DEFAULT ''::text NOT NULL,
    status integer,
    outcome text NOT NULL,
    reason text DEFAULT ''::text NOT NULL,
    milliseconds integer,
    sent_sha256 text
);
ALTER TABLE routing.attempt ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME routing.attempt_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE VIEW routing.attempt_view AS
 SELECT attempt.at,
    attempt.id,
    attempt.delivery,
    attempt.association,
    attempt.status,
    attempt.outcome,
    attempt.reason,
    attempt.milliseconds,
    attempt.sent_sha256
   FROM routing.attempt;
CREATE TABLE routing.count_question (
    source text NOT NULL,
    level text NOT NULL,
    group_uid text NOT NULL,
    expected integer,
    fault text DEFAULT ''::text NOT NULL,
    asked integer DEFAULT 0 NOT NULL,
    next_at timestamp with time zone DEFAULT now() NOT NULL,
    lease_until timestamp with time zone,
    received integer,
    CONSTRAINT count_question_level_check CHECK ((level = ANY (ARRAY['series'::text, 'study'::text])))
);
COMMENT ON TABLE routing.count_question IS 'A series or study that jobs collect, as its source counts it. expected: what it told last; fault: why it told nothing.';
COMMENT ON COLUMN routing.count_question.received IS 'Different instances of it that have come from the source; null: not counted yet.';
CREATE TABLE routing.job (
    id uuid NOT NULL,
    kind text NOT NULL,
    state text DEFAULT 'QUEUED'::text NOT NULL,
    destination text NOT NULL,
    study_instance_uid text NOT NULL,
    group_uid text DEFAULT ''::text NOT NULL,
    rule_set integer,
    rule text DEFAULT ''::text NOT NULL,
    level text DEFAULT 'instance'::text NOT NULL,
    priority integer DEFAULT 1 NOT NULL,
    request uuid,
    reason text DEFAULT ''::text NOT NULL,
    quiet interval DEFAULT '00:00:00'::interval NOT NULL,
    last_received_at timestamp with time zone,
    released_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    completed_by text DEFAULT ''::text NOT NULL,
    required text[] DEFAULT '{}'::text[] NOT NULL,
    met text[] DEFAULT '{}'::text[] NOT NULL,
    first_at timestamp with time zone,
    by_release boolean DEFAULT false NOT NULL,
    skip_present boolean,
    counted_at text DEFAULT ''::text NOT NULL,
    CONSTRAINT job_kind_check CHECK ((kind = ANY (ARRAY['send'::text, 'retrieve'::text]))),
    CONSTRAINT job_level_check CHECK ((level = ANY (ARRAY['instance'::text, 'series'::text, 'study'::text]))),
    CONSTRAINT job_priority_check CHECK (((priority >= 0) AND (priority <= 3))),
    CONSTRAINT job_state_check CHECK ((state = ANY (ARRAY['QUEUED'::text, 'ACTIVE'::text, 'COMPLETED'::text, 'FAILED'::text, 'CANCELED'::text])))
);
COMMENT ON COLUMN routing.job.group_uid IS 'What the job collects: the study''s or series'' UID for those levels, the study''s for level instance.';
COMMENT ON COLUMN routing.job.priority IS '0 low, 1 normal, 2 high, 3 stat: what its rule or person gave it.';
COMMENT ON COLUMN routing.job.released_at IS 'When its deliveries may go: at once for level instance, else when the quiet time has passed below storage''s watermark (P7).';
COMMENT ON COLUMN routing.job.completed_by IS 'By what the series or study was complete when the job was released; empty: it collects nothing, or collects still.';
COMMENT ON COLUMN routing.job.required IS 'Digests of the nodes that instances have to meet before what the job collects is complete; empty: none.';
COMMENT ON COLUMN routing.job.met IS 'Digests of the nodes that instances which it has collected meet.';
COMMENT ON COLUMN routing.job.first_at IS 'When a person put it first: what it has and gets goes before all others.';
COMMENT ON COLUMN routing.job.by_release IS 'Everything that it has collected came from such sources; the associations are in routing.job_association.';
COMMENT ON COLUMN routing.job.skip_present IS 'Whether the destination is asked first which instances it has; null: as the station says.';
COMMENT ON COLUMN routing.job.counted_at IS 'The source that is asked how many instances there are of what the job collects; empty: none is.';
CREATE VIEW routing.collecting_view AS
 SELECT j.id AS job,
    j.level,
    (EXTRACT(epoch FROM j.quiet))::integer AS seconds,
    cardinality(j.required) AS required,
    ( SELECT (count(*))::integer AS count
           FROM unnest(j.required) node(node)
          WHERE (node.node = ANY (j.met))) AS met,
    j.by_release,
    j.counted_at,
    q.expected,
    COALESCE(q.fault, ''::text) AS fault,
    q.received
   FROM (routing.job j
     LEFT JOIN routing.count_question q ON (((q.source = j.counted_at) AND (q.level = j.level) AND (q.group_uid = j.group_uid))))
  WHERE ((j.released_at IS NULL) AND (j.level <> 'instance'::text));
COMMENT ON VIEW routing.collecting_view IS 'What completes what each job collects, and how far it is.';
CREATE TABLE routing.delivery (
    id bigint NOT NULL,
    received_at timestamp with time zone NOT NULL,
    sop_instance_uid text NOT NULL,
    revision integer NOT NULL,
    destination text NOT NULL,
    request uuid DEFAULT '00000000-0000-0000-0000-000000000000'::uuid NOT NULL,
    job uuid NOT NULL,
    study_instance_uid text NOT NULL,
    object_key text NOT NULL,
    data_set_offset integer NOT NULL,
    size bigint NOT NULL,
    sha256 text NOT NULL,
    sop_class_uid text NOT NULL,
    transfer_syntax_uid text NOT NULL,
    priority integer DEFAULT 1 NOT NULL,
    state text DEFAULT 'PENDING'::text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    next_attempt_at timestamp with time zone DEFAULT now() NOT NULL,
    waiting_since timestamp with time zone DEFAULT now() NOT NULL,
    lease_holder text,
    lease_until timestamp with time zone,
    status integer,
    reason text DEFAULT ''::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone,
    commit boolean,
    commit_on text,
    awaits text[],
    rule text DEFAULT ''::text NOT NULL,
    source text DEFAULT ''::text NOT NULL,
    hold bigint,
    held_since timestamp with time zone,
    instead_of text,
    transformation text,
    sent_sop_instance_uid text,
    sent jsonb,
    schedule text[],
    shut text,
    CONSTRAINT delivery_shut_check CHECK ((shut = ANY (ARRAY['rule'::text, 'station'::text]))),
    CONSTRAINT delivery_state_check CHECK ((state = ANY (ARRAY['PENDING'::text, 'SENDING'::text, 'DELIVERED'::text, 'WARNED'::text, 'FAILED'::text, 'CANCELED'::text, 'SUPERSEDED'::text, 'UNKNOWN'::text])))
)
PARTITION BY RANGE (received_at);
COMMENT ON TABLE routing.delivery IS 'The ledger: one instance to one destination. request is zero for rules and the person''s request otherwise. next_attempt_at is infinity until the job is released, and for UNKNOWN deliveries that are held.';
COMMENT ON COLUMN routing.delivery.priority IS 'Its place among those to its destination: the priority of its job, more once it has waited for long, 4 where a person put the job first.';
COMMENT ON COLUMN routing.delivery.waiting_since IS 'Since when it may be sent (creation, release of its job, a person''s retry): the station''s retry_hours count from here.';
COMMENT ON COLUMN routing.delivery.status IS 'The answer to its last C-STORE; null and DELIVERED: not sent, the station answered a C-FIND that it has it.';
COMMENT ON COLUMN routing.delivery.commit IS 'Whether its rule wants commitment; null: where the destination can (R71).';
COMMENT ON COLUMN routing.delivery.commit_on IS 'The station that is to be asked for its commitment, known when it is delivered; null: nobody.';
COMMENT ON COLUMN routing.delivery.awaits IS 'Stations that must have committed the instance before this delivery may go; null: it waits for none.';
COMMENT ON COLUMN routing.delivery.rule IS 'Which rule sends it; empty: a person asked for it.';
COMMENT ON COLUMN routing.delivery.source IS 'The calling AE title it came from; empty: a person asked for it.';
COMMENT ON COLUMN routing.delivery.hold IS 'Why it waits (config.hold). Its next_attempt_at is infinity, so that claims never meet it, until the hold ends.';
COMMENT ON COLUMN routing.delivery.held_since IS 'Since when it waits for the end of a hold: that time is added to waiting_since then, so that it does not age.';
COMMENT ON COLUMN routing.delivery.instead_of IS 'The station that the delivery was to; null: its destination itself.';
COMMENT ON COLUMN routing.delivery.transformation IS 'What is changed of the instance; null: nothing.';
COMMENT ON COLUMN routing.delivery.sent_sop_instance_uid IS 'The SOP Instance UID under which it is sent; null: its own. Deliveries of an instance are in order by its own.';
COMMENT ON COLUMN routing.delivery.sent IS 'What the last attempt sent instead of what is stored: sha256, size, transfer_syntax, uids (old to new); only uids where the station had it.';
COMMENT ON COLUMN routing.delivery.schedule IS 'Windows in which its rule lets it go; null: always.';
COMMENT ON COLUMN routing.delivery.shut IS 'For whose schedule it waits. As with a hold its next_attempt_at is infinity, and the time since held_since does not count.';
CREATE VIEW routing.delivered_view AS
 SELECT delivery.sop_instance_uid,
    delivery.destination
   FROM routing.delivery
  WHERE (delivery.state = ANY (ARRAY['DELIVERED'::text, 'WARNED'::text, 'SENDING'::text, 'UNKNOWN'::text]))
UNION ALL
 SELECT delivery.sent_sop_instance_uid AS sop_instance_uid,
    delivery.destination
   FROM routing.delivery
  WHERE ((delivery.sent_sop_instance_uid IS NOT NULL) AND (delivery.state = ANY (ARRAY['DELIVERED'::text, 'WARNED'::text, 'SENDING'::text, 'UNKNOWN'::text])));
COMMENT ON VIEW routing.delivered_view IS 'Which station may hold which instance from us: storage ends loops with it (P5).';
CREATE TABLE routing.delivery_default (
    id bigint NOT NULL,
    received_at timestamp with time zone NOT NULL,
    sop_instance_uid text NOT NULL,
    revision integer NOT NULL,
    destination text NOT NULL,
    request uuid DEFAULT '00000000-0000-0000-0000-000000000000'::uuid NOT NULL,
    job uuid NOT NULL,
    study_instance_uid text NOT NULL,
    object_key text NOT NULL,
    data_set_offset integer NOT NULL,
    size bigint NOT NULL,
    sha256 text NOT NULL,
    sop_class_uid text NOT NULL,
    transfer_syntax_uid text NOT NULL,
    priority integer DEFAULT 1 NOT NULL,
    state text DEFAULT 'PENDING'::text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    next_attempt_at timestamp with time zone DEFAULT now() NOT NULL,
    waiting_since timestamp with time zone DEFAULT now() NOT NULL,
    lease_holder text,
    lease_until timestamp with time zone,
    status integer,
    reason text DEFAULT ''::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone,
    commit boolean,
    commit_on text,
    awaits text[],
    rule text DEFAULT ''::text NOT NULL,
    source text DEFAULT ''::text NOT NULL,
    hold bigint,
    held_since timestamp with time zone,
    instead_of text,
    transformation text,
    sent_sop_instance_uid text,
    sent jsonb,
    schedule text[],
    shut text,
    CONSTRAINT delivery_shut_check CHECK ((shut = ANY (ARRAY['rule'::text, 'station'::text]))),
    CONSTRAINT delivery_state_check CHECK ((state = ANY (ARRAY['PENDING'::text, 'SENDING'::text, 'DELIVERED'::text, 'WARNED'::text, 'FAILED'::text, 'CANCELED'::text, 'SUPERSEDED'::text, 'UNKNOWN'::text])))
);
ALTER TABLE routing.delivery ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME routing.delivery_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE VIEW routing.delivery_view AS
 SELECT delivery.id,
    delivery.received_at,
    delivery.sop_instance_uid,
    delivery.revision,
    delivery.destination,
    delivery.request,
    delivery.job,
    delivery.study_instance_uid,
    delivery.object_key,
    delivery.data_set_offset,
    delivery.size,
    delivery.sha256,
    delivery.sop_class_uid,
    delivery.transfer_syntax_uid,
    delivery.priority,
    delivery.state,
    delivery.attempts,
    delivery.next_attempt_at,
    delivery.waiting_since,
    delivery.lease_holder,
    delivery.lease_until,
    delivery.status,
    delivery.reason,
    delivery.created_at,
    delivery.finished_at,
    delivery.commit,
    delivery.commit_on,
    delivery.awaits,
    delivery.rule,
    delivery.source,
    delivery.hold,
    delivery.held_since,
    delivery.instead_of,
    delivery.transformation,
    delivery.sent_sop_instance_uid,
    delivery.sent,
    delivery.schedule,
    delivery.shut
   FROM routing.delivery;
CREATE TABLE routing.destination (
    title text NOT NULL,
    circuit text DEFAULT 'CLOSED'::text NOT NULL,
    consecutive_failures integer DEFAULT 0 NOT NULL,
    retry_at timestamp with time zone,
    last_failure text DEFAULT ''::text NOT NULL,
    last_failure_at timestamp with time zone,
    last_success_at timestamp with time zone,
    open_since timestamp with time zone,
    paced_until timestamp with time zone,
    answering_since timestamp with time zone,
    CONSTRAINT destination_circuit_check CHECK ((circuit = ANY (ARRAY['CLOSED'::text, 'OPEN'::text, 'HALF-OPEN'::text])))
);
COMMENT ON COLUMN routing.destination.circuit IS 'OPEN: only C-ECHO goes there (profile xeleris: one delivery at a time tries); HALF-OPEN: a C-ECHO was answered, one delivery tries.';
COMMENT ON COLUMN routing.destination.open_since IS 'When the circuit was opened; null: it is closed.';
COMMENT ON COLUMN routing.destination.paced_until IS 'Before that nothing more is claimed for it, for its rate.';
COMMENT ON COLUMN routing.destination.answering_since IS 'When its circuit was closed last: what waited through an outage has not waited behind others. Null: it never was open.';
CREATE VIEW routing.destination_view AS
 SELECT destination.title,
    destination.circuit,
    destination.consecutive_failures,
    destination.retry_at,
    destination.last_failure,
    destination.last_failure_at,
    destination.last_success_at,
    destination.open_since,
    destination.paced_until,
    destination.answering_since
   FROM routing.destination;
CREATE TABLE routing.ended_association (
    association text NOT NULL,
    ended_at timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone DEFAULT now() NOT NULL
);
COMMENT ON TABLE routing.ended_association IS 'Associations that such a source released, nothing of which was refused; kept for a week.';
CREATE TABLE routing.evaluation (
    received_at timestamp with time zone NOT NULL,
    object_key text NOT NULL,
    sop_instance_uid text NOT NULL,
    revision integer NOT NULL,
    study_instance_uid text NOT NULL,
    rule_set integer NOT NULL,
    matched jsonb DEFAULT '[]'::jsonb NOT NULL,
    note text DEFAULT ''::text NOT NULL,
    evaluated_at timestamp with time zone DEFAULT now() NOT NULL
)
PARTITION BY RANGE (received_at);
COMMENT ON TABLE routing.evaluation IS 'The effect row of each receipt: which rules of which rule set matched (P8).';
CREATE TABLE routing.evaluation_default (
    received_at timestamp with time zone NOT NULL,
    object_key text NOT NULL,
    sop_instance_uid text NOT NULL,
    revision integer NOT NULL,
    study_instance_uid text NOT NULL,
    rule_set integer NOT NULL,
    matched jsonb DEFAULT '[]'::jsonb NOT NULL,
    note text DEFAULT ''::text NOT NULL,
    evaluated_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE VIEW routing.evaluation_view AS
 SELECT evaluation.received_at,
    evaluation.object_key,
    evaluation.sop_instance_uid,
    evaluation.revision,
    evaluation.study_instance_uid,
    evaluation.rule_set,
    evaluation.matched,
    evaluation.note,
    evaluation.evaluated_at
   FROM routing.evaluation;
CREATE TABLE routing.job_association (
    job uuid NOT NULL,
    association text NOT NULL
);
COMMENT ON TABLE routing.job_association IS 'By which associations came what a job collects; until it is released.';
CREATE TABLE routing.retrieval (
    job uuid NOT NULL,
    source text NOT NULL,
    to_us boolean NOT NULL,
    lease_holder text,
    lease_until timestamp with time zone,
    takeovers integer DEFAULT 0 NOT NULL
);
COMMENT ON TABLE routing.retrieval IS 'One row a retrieve job. to_us: the move destination is a title of ours.';
COMMENT ON COLUMN routing.retrieval.takeovers IS 'How often a worker that carried it out was gone; after three it fails.';
CREATE TABLE routing.retrieval_move (
    job uuid NOT NULL,
    "position" integer NOT NULL,
    level text NOT NULL,
    study_instance_uid text NOT NULL,
    series_instance_uid text DEFAULT ''::text NOT NULL,
    sop_instance_uid text DEFAULT ''::text NOT NULL,
    state text DEFAULT 'PENDING'::text NOT NULL,
    status integer,
    reason text DEFAULT ''::text NOT NULL,
    remaining integer,
    completed integer DEFAULT 0 NOT NULL,
    failed integer DEFAULT 0 NOT NULL,
    warned integer DEFAULT 0 NOT NULL,
    asked_at timestamp with time zone,
    finished_at timestamp with time zone,
    CONSTRAINT retrieval_move_level_check CHECK ((level = ANY (ARRAY['STUDY'::text, 'SERIES'::text, 'IMAGE'::text]))),
    CONSTRAINT retrieval_move_state_check CHECK ((state = ANY (ARRAY['PENDING'::text, 'ACTIVE'::text, 'COMPLETED'::text, 'WARNED'::text, 'FAILED'::text, 'CANCELED'::text])))
);
COMMENT ON TABLE routing.retrieval_move IS 'One C-MOVE. status is its final one, the numbers are of sub-operations as the source last told them.';
CREATE VIEW routing.job_view AS
 SELECT j.id,
    j.kind,
    j.state,
    j.destination,
    j.study_instance_uid,
    j.group_uid,
    j.rule_set,
    j.rule,
    j.level,
    j.priority,
    j.request,
    j.reason,
    j.quiet,
    j.last_received_at,
    j.released_at,
    j.created_at,
    j.started_at,
    j.finished_at,
    j.completed_by,
    j.required,
    j.met,
    j.first_at,
    j.by_release,
    j.skip_present,
    j.counted_at,
    COALESCE(d.total, m.total, (0)::bigint) AS total,
    COALESCE(d.done, m.done, (0)::bigint) AS done,
    COALESCE(d.failed, m.failed, (0)::bigint) AS failed,
    COALESCE(r.source, ''::text) AS source,
    m.remaining,
    COALESCE(m.warned, (0)::bigint) AS warned
   FROM (((routing.job j
     LEFT JOIN routing.retrieval r ON ((r.job = j.id)))
     LEFT JOIN LATERAL ( SELECT count(*) AS total,
            count(*) FILTER (WHERE (delivery.state = ANY (ARRAY['DELIVERED'::text, 'WARNED'::text, 'SUPERSEDED'::text]))) AS done,
            count(*) FILTER (WHERE (delivery.state = 'FAILED'::text)) AS failed
           FROM routing.delivery
          WHERE ((delivery.job = j.id) AND (j.kind = 'send'::text))
         HAVING (j.kind = 'send'::text)) d ON (true))
     LEFT JOIN LATERAL ( SELECT sum((((COALESCE(retrieval_move.remaining, 0) + retrieval_move.completed) + retrieval_move.failed) + retrieval_move.warned)) AS total,
            sum((retrieval_move.completed + retrieval_move.warned)) AS done,
            sum(retrieval_move.failed) AS failed,
            sum(retrieval_move.remaining) AS remaining,
            sum(retrieval_move.warned) AS warned
           FROM routing.retrieval_move
          WHERE ((retrieval_move.job = j.id) AND (j.kind = 'retrieve'::text))) m ON (true));
COMMENT ON VIEW routing.job_view IS 'A send job is counted in instances, a retrieve job in sub-operations as its source tells them.';
CREATE TABLE routing.opening (
    schedule text[] NOT NULL,
    closed_at timestamp with time zone NOT NULL,
    opens_at timestamp with time zone NOT NULL,
    closes_at timestamp with time zone NOT NULL,
    CONSTRAINT opening_check CHECK (((closed_at <= opens_at) AND (opens_at < closes_at)))
);
COMMENT ON TABLE routing.opening IS 'When a schedule is open: the opening under way, or the next one. Where it is over, or there is none, it is closed.';
COMMENT ON COLUMN routing.opening.closed_at IS 'When the opening before ended.';
CREATE TABLE routing.outage (
    destination text NOT NULL,
    began_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    reason text NOT NULL,
    CONSTRAINT outage_check CHECK ((ended_at >= began_at))
);
COMMENT ON TABLE routing.outage IS 'From the failure that opened a circuit to the answer that closed it (null: not yet); those of 400 days.';
CREATE VIEW routing.outage_view AS
 SELECT outage.destination,
    outage.began_at,
    outage.ended_at,
    outage.reason
   FROM routing.outage;
CREATE TABLE routing.reconciled (
    only_row boolean DEFAULT true NOT NULL,
    through timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    CONSTRAINT reconciled_only_row_check CHECK (only_row)
);
CREATE TABLE routing.request_done (
    request uuid NOT NULL,
    done_at timestamp with time zone DEFAULT now() NOT NULL,
    result jsonb NOT NULL
);
CREATE VIEW routing.request_done_view AS
 SELECT request_done.request,
    request_done.done_at,
    request_done.result
   FROM routing.request_done;
CREATE VIEW routing.retrieval_move_view AS
 SELECT retrieval_move.job,
    retrieval_move."position",
    retrieval_move.level,
    retrieval_move.study_instance_uid,
    retrieval_move.series_instance_uid,
    retrieval_move.sop_instance_uid,
    retrieval_move.state,
    retrieval_move.status,
    retrieval_move.reason,
    retrieval_move.remaining,
    retrieval_move.completed,
    retrieval_move.failed,
    retrieval_move.warned,
    retrieval_move.asked_at,
    retrieval_move.finished_at
   FROM routing.retrieval_move;
CREATE VIEW routing.retrieval_view AS
 SELECT retrieval.job,
    retrieval.source,
    retrieval.to_us,
    retrieval.lease_holder,
    retrieval.lease_until,
    retrieval.takeovers
   FROM routing.retrieval;
CREATE VIEW routing.retrieved_view AS
 SELECT m.study_instance_uid,
    m.series_instance_uid,
    m.sop_instance_uid,
    r.source,
    r.to_us,
    j.destination,
    m.job,
    m.state,
    m.asked_at,
    m.finished_at
   FROM ((routing.retrieval_move m
     JOIN routing.retrieval r ON ((r.job = m.job)))
     JOIN routing.job j ON ((j.id = m.job)))
  WHERE (m.asked_at IS NOT NULL);
COMMENT ON VIEW routing.retrieved_view IS 'What we had a source send, when; an empty series or SOP Instance UID stands for all of the study or series.';
CREATE VIEW routing.shut_view AS
 SELECT d.received_at,
    d.id,
    d.job,
    d.shut AS kind,
        CASE d.shut
            WHEN 'rule'::text THEN d.rule
            ELSE d.destination
        END AS name,
    d.schedule AS rule_schedule,
    s.schedule AS station_schedule,
    now() AS at
   FROM (routing.delivery d
     LEFT JOIN config.station s ON ((s.title = d.destination)))
  WHERE ((d.shut IS NOT NULL) AND (d.state = ANY (ARRAY['PENDING'::text, 'UNKNOWN'::text])));
COMMENT ON VIEW routing.shut_view IS 'Deliveries that wait for a schedule: of which rule or station, with both schedules.';
CREATE TABLE routing.transformation (
    number text NOT NULL,
    steps jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT transformation_number_check CHECK ((length(number) = 64))
);
COMMENT ON TABLE routing.transformation IS 'Steps by their SHA-256, never changed: what a rule said when it sent, resolved for the sender of the instance.';
CREATE TABLE routing.transformation_key (
    only_row boolean DEFAULT true NOT NULL,
    key bytea DEFAULT sha256(convert_to(((gen_random_uuid())::text || (gen_random_uuid())::text), 'UTF8'::name)) NOT NULL,
    CONSTRAINT transformation_key_only_row_check CHECK (only_row)
);
COMMENT ON TABLE routing.transformation_key IS 'The secret from which new UIDs and pseudonyms follow: whoever loses it cannot make the same ones again.';
CREATE VIEW routing.transformation_key_view AS
 SELECT transformation_key.key
   FROM routing.transformation_key;
CREATE VIEW routing.transformation_view AS
 SELECT transformation.number,
    transformation.steps,
    transformation.created_at
   FROM routing.transformation;
CREATE TABLE runtime.configuration_taken (
    process text NOT NULL,
    configuration bigint NOT NULL,
    rule_set integer NOT NULL,
    heard_at timestamp with time zone DEFAULT now() NOT NULL,
    lease interval NOT NULL
);
COMMENT ON TABLE runtime.configuration_taken IS 'Under which configuration each process receives, as it last said. A process that ends removes its row; one whose lease is over is dead, or cut off from the database. Nothing that receives depends on it (P3).';
CREATE TABLE runtime.dead_letter (
    id bigint NOT NULL,
    died_at timestamp with time zone DEFAULT now() NOT NULL,
    queue text NOT NULL,
    reason text NOT NULL,
    event_id uuid,
    message_type text,
    headers jsonb NOT NULL,
    body bytea NOT NULL,
    fingerprint bytea NOT NULL,
    state text DEFAULT 'PARKED'::text NOT NULL,
    resolved_at timestamp with time zone,
    resolved_by text,
    CONSTRAINT dead_letter_state_check CHECK ((state = ANY (ARRAY['PARKED'::text, 'REPLAYED'::text, 'DISCARDED'::text])))
);
COMMENT ON COLUMN runtime.dead_letter.fingerprint IS 'SHA-256 of queue and body: the same dead message is parked once.';
ALTER TABLE runtime.dead_letter ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME runtime.dead_letter_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE runtime.lease (
    name text NOT NULL,
    holder text NOT NULL,
    lease_until timestamp with time zone NOT NULL
);
COMMENT ON TABLE runtime.lease IS 'Work that one process does at a time (such as the sweep), and the slots of outgoing associations.';
CREATE TABLE runtime.outbox (
    id bigint NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    event_id uuid NOT NULL,
    exchange text NOT NULL,
    routing_key text NOT NULL,
    headers jsonb NOT NULL,
    body text NOT NULL,
    published_at timestamp with time zone,
    attempts integer DEFAULT 0 NOT NULL,
    next_attempt_at timestamp with time zone DEFAULT now() NOT NULL
)
PARTITION BY RANGE (created_at);
COMMENT ON COLUMN runtime.outbox.attempts IS 'How often the broker answered but did not take the message: those come after all others, at next_attempt_at.';
CREATE TABLE runtime.outbox_default (
    id bigint NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    event_id uuid NOT NULL,
    exchange text NOT NULL,
    routing_key text NOT NULL,
    headers jsonb NOT NULL,
    body text NOT NULL,
    published_at timestamp with time zone,
    attempts integer DEFAULT 0 NOT NULL,
    next_attempt_at timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE runtime.outbox ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME runtime.outbox_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE runtime.version (
    number integer NOT NULL,
    name text NOT NULL,
    oldest_code integer NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);
COMMENT ON TABLE runtime.version IS 'Applied migrations. oldest_code: the oldest SCHEMA_VERSION whose code still works on this schema.';
CREATE TABLE storage.fact (
    received_at timestamp with time zone NOT NULL,
    object_key text NOT NULL,
    facts jsonb NOT NULL
)
PARTITION BY RANGE (received_at);
CREATE TABLE storage.fact_default (
    received_at timestamp with time zone NOT NULL,
    object_key text NOT NULL,
    facts jsonb NOT NULL
);
CREATE VIEW storage.fact_view AS
 SELECT fact.received_at,
    fact.object_key,
    fact.facts
   FROM storage.fact;
CREATE TABLE storage.folder (
    folder text NOT NULL,
    closed_at timestamp with time zone DEFAULT now() NOT NULL,
    objects bigint NOT NULL,
    modified_at timestamp with time zone
);
COMMENT ON TABLE storage.folder IS 'Hour folders that are reconciled and closed; reopened when their modification time changes.';
CREATE TABLE storage.identity (
    sop_instance_uid text NOT NULL,
    revision integer NOT NULL,
    sha256 text NOT NULL,
    received_at timestamp with time zone NOT NULL,
    object_key text NOT NULL,
    size bigint NOT NULL,
    data_set_offset integer NOT NULL,
    sop_class_uid text NOT NULL,
    study_instance_uid text NOT NULL,
    series_instance_uid text NOT NULL,
    transfer_syntax_uid text NOT NULL,
    state text DEFAULT 'STORED'::text NOT NULL,
    state_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT identity_revision_check CHECK ((revision >= 1)),
    CONSTRAINT identity_sha256_check CHECK ((length(sha256) = 64)),
    CONSTRAINT identity_state_check CHECK ((state = ANY (ARRAY['STORED'::text, 'DELETING'::text, 'DELETED'::text, 'DAMAGED'::text])))
)
PARTITION BY HASH (sop_instance_uid);
COMMENT ON TABLE storage.identity IS 'One row per SOP Instance UID and content (P5). (received_at, object_key) names the receipt and object that hold it.';
CREATE TABLE storage.identity_00 (
    sop_instance_uid text NOT NULL,
    revision integer NOT NULL,
    sha256 text NOT NULL,
    received_at timestamp with time zone NOT NULL,
    object_key text NOT NULL,
    size bigint NOT NULL,
    data_set_offset integer NOT NULL,
    sop_class_uid text NOT NULL,
    study_instance_uid text NOT NULL,
    series_instance_uid text NOT NULL,
    transfer_syntax_uid text NOT NULL,
    state text DEFAULT 'STORED'::text NOT NULL,
    state_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT identity_revision_check CHECK ((revision >= 1)),
    CONSTRAINT identity_sha256_check CHECK ((length(sha256) = 64)),
    CONSTRAINT identity_state_check CHECK ((state = ANY (ARRAY['STORED'::text, 'DELETING'::text, 'DELETED'::text, 'DAMAGED'::text])))
);
CREATE TABLE storage.identity_01 (
    sop_instance_uid text NOT NULL,
    revision integer NOT NULL,
    sha256 text NOT NULL,
    received_at timestamp with time zone NOT NULL,
    object_key text NOT NULL,
    size bigint NOT NULL,
    data_set_offset integer NOT NULL,
    sop_class_uid text NOT NULL,
    study_instance_uid text NOT NULL,
    series_instance_uid text NOT NULL,
    transfer_syntax_uid text NOT NULL,
    state text DEFAULT 'STORED'::text NOT NULL,
    state_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT identity_revision_check CHECK ((revision >= 1)),
    CONSTRAINT identity_sha256_check CHECK ((length(sha256) = 64)),
    CONSTRAINT identity_state_check CHECK ((state = ANY (ARRAY['STORED'::text, 'DELETING'::text, 'DELETED'::text, 'DAMAGED'::text])))
);
CREATE TABLE storage.identity_02 (
    sop_instance_uid text NOT NULL,
    revision integer NOT NULL,
    sha256 text NOT NULL,
    received_at timestamp with time zone NOT NULL,
    object_key text NOT NULL,
    size bigint NOT NULL,
    data_set_offset integer NOT NULL,
    sop_class_uid text NOT NULL,
    study_instance_uid text NOT NULL,
    series_instance_uid text NOT NULL,
    transfer_syntax_uid text NOT NULL,
    state text DEFAULT 'STORED'::text NOT NULL,
    state_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT identity_revision_check CHECK ((revision >= 1)),
    CONSTRAINT identity_sha256_check CHECK ((length(sha256) = 64)),
    CONSTRAINT identity_state_check CHECK ((state = ANY (ARRAY['STORED'::text, 'DELETING'::text, 'DELETED'::text, 'DAMAGED'::text])))
);
CREATE TABLE storage.identity_03 (
    sop_instance_uid text NOT NULL,
    revision integer NOT NULL,
    sha256 text NOT NULL,
    received_at timestamp with time zone NOT NULL,
    object_key text NOT NULL,
    size bigint NOT NULL,
    data_set_offset integer NOT NULL,
    sop_class_uid text NOT NULL,
    study_instance_uid text NOT NULL,
    series_instance_uid text NOT NULL,
    transfer_syntax_uid text NOT NULL,
    state text DEFAULT 'STORED'::text NOT NULL,
    state_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT identity_revision_check CHECK ((revision >= 1)),
    CONSTRAINT identity_sha256_check CHECK ((length(sha256) = 64)),
    CONSTRAINT identity_state_check CHECK ((state = ANY (ARRAY['STORED'::text, 'DELETING'::text, 'DELETED'::text, 'DAMAGED'::text])))
);
CREATE TABLE storage.identity_04 (
    sop_instance_uid text NOT NULL,
    revision integer NOT NULL,
    sha256 text NOT NULL,
    received_at timestamp with time zone NOT NULL,
    object_key text NOT NULL,
    size bigint NOT NULL,
    data_set_offset integer NOT NULL,
    sop_class_uid text NOT NULL,
    study_instance_uid text NOT NULL,
    series_instance_uid text NOT NULL,
    transfer_syntax_uid text NOT NULL,
    state text DEFAULT 'STORED'::text NOT NULL,
    state_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT identity_revision_check CHECK ((revision >= 1)),
    CONSTRAINT identity_sha256_check CHECK ((length(sha256) = 64)),
    CONSTRAINT identity_state_check CHECK ((state = ANY (ARRAY['STORED'::text, 'DELETING'::text, 'DELETED'::text, 'DAMAGED'::text])))
);
CREATE TABLE storage.identity_05 (
    sop_instance_uid text NOT NULL,
    revision integer NOT NULL,
    sha256 text NOT NULL,
    received_at timestamp with time zone NOT NULL,
    object_key text NOT NULL,
    size bigint NOT NULL,
    data_set_offset integer NOT NULL,
    sop_class_uid text NOT NULL,
    study_instance_uid text NOT NULL,
    series_instance_uid text NOT NULL,
    transfer_syntax_uid text NOT NULL,
    state text DEFAULT 'STORED'::text NOT NULL,
    state_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT identity_revision_check CHECK ((revision >= 1)),
    CONSTRAINT identity_sha256_check CHECK ((length(sha256) = 64)),
    CONSTRAINT identity_state_check CHECK ((state = ANY (ARRAY['STORED'::text, 'DELETING'::text, 'DELETED'::text, 'DAMAGED'::text])))
);
CREATE TABLE storage.identity_06 (
    sop_instance_uid text NOT NULL,
    revision integer NOT NULL,
    sha256 text NOT NULL,
    received_at timestamp with time zone NOT NULL,
    object_key text NOT NULL,
    size bigint NOT NULL,
    data_set_offset integer NOT NULL,
    sop_class_uid text NOT NULL,
    study_instance_uid text NOT NULL,
    series_instance_uid text NOT NULL,
    transfer_syntax_uid text NOT NULL,
    state text DEFAULT 'STORED'::text NOT NULL,
    state_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT identity_revision_check CHECK ((revision >= 1)),
    CONSTRAINT identity_sha256_check CHECK ((length(sha256) = 64)),
    CONSTRAINT identity_state_check CHECK ((state = ANY (ARRAY['STORED'::text, 'DELETING'::text, 'DELETED'::text, 'DAMAGED'::text])))
);
CREATE TABLE storage.identity_07 (
    sop_instance_uid text NOT NULL,
    revision integer NOT NULL,
    sha256 text NOT NULL,
    received_at timestamp with time zone NOT NULL,
    object_key text NOT NULL,
    size bigint NOT NULL,
    data_set_offset integer NOT NULL,
    sop_class_uid text NOT NULL,
    study_instance_uid text NOT NULL,
    series_instance_uid text NOT NULL,
    transfer_syntax_uid text NOT NULL,
    state text DEFAULT 'STORED'::text NOT NULL,
    state_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT identity_revision_check CHECK ((revision >= 1)),
    CONSTRAINT identity_sha256_check CHECK ((length(sha256) = 64)),
    CONSTRAINT identity_state_check CHECK ((state = ANY (ARRAY['STORED'::text, 'DELETING'::text, 'DELETED'::text, 'DAMAGED'::text])))
);
CREATE TABLE storage.identity_08 (
    sop_instance_uid text NOT NULL,
    revision integer NOT NULL,
    sha256 text NOT NULL,
    received_at timestamp with time zone NOT NULL,
    object_key text NOT NULL,
    size bigint NOT NULL,
    data_set_offset integer NOT NULL,
    sop_class_uid text NOT NULL,
    study_instance_uid text NOT NULL,
    series_instance_uid text NOT NULL,
    transfer_syntax_uid text NOT NULL,
    state text DEFAULT 'STORED'::text NOT NULL,
    state_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT identity_revision_check CHECK ((revision >= 1)),
    CONSTRAINT identity_sha256_check CHECK ((length(sha256) = 64)),
    CONSTRAINT identity_state_check CHECK ((state = ANY (ARRAY['STORED'::text, 'DELETING'::text, 'DELETED'::text, 'DAMAGED'::text])))
);
CREATE TABLE storage.identity_09 (
    sop_instance_uid text NOT NULL,
    revision integer NOT NULL,
    sha256 text NOT NULL,
    received_at timestamp with time zone NOT NULL,
    object_key text NOT NULL,
    size bigint NOT NULL,
    data_set_offset integer NOT NULL,
    sop_class_uid text NOT NULL,
    study_instance_uid text NOT NULL,
    series_instance_uid text NOT NULL,
    transfer_syntax_uid text NOT NULL,
    state text DEFAULT 'STORED'::text NOT NULL,
    state_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT identity_revision_check CHECK ((revision >= 1)),
    CONSTRAINT identity_sha256_check CHECK ((length(sha256) = 64)),
    CONSTRAINT identity_state_check CHECK ((state = ANY (ARRAY['STORED'::text, 'DELETING'::text, 'DELETED'::text, 'DAMAGED'::text])))
);
CREATE TABLE storage.identity_10 (
    sop_instance_uid text NOT NULL,
    revision integer NOT NULL,
    sha256 text NOT NULL,
    received_at timestamp with time zone NOT NULL,
    object_key text NOT NULL,
    size bigint NOT NULL,
    data_set_offset integer NOT NULL,
    sop_class_uid text NOT NULL,
    study_instance_uid text NOT NULL,
    series_instance_uid text NOT NULL,
    transfer_syntax_uid text NOT NULL,
    state text DEFAULT 'STORED'::text NOT NULL,
    state_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT identity_revision_check CHECK ((revision >= 1)),
    CONSTRAINT identity_sha256_check CHECK ((length(sha256) = 64)),
    CONSTRAINT identity_state_check CHECK ((state = ANY (ARRAY['STORED'::text, 'DELETING'::text, 'DELETED'::text, 'DAMAGED'::text])))
);
CREATE TABLE storage.identity_11 (
    sop_instance_uid text NOT NULL,
    revision integer NOT NULL,
    sha256 text NOT NULL,
    received_at timestamp with time zone NOT NULL,
    object_key text NOT NULL,
    size bigint NOT NULL,
    data_set_offset integer NOT NULL,
    sop_class_uid text NOT NULL,
    study_instance_uid text NOT NULL,
    series_instance_uid text NOT NULL,
    transfer_syntax_uid text NOT NULL,
    state text DEFAULT 'STORED'::text NOT NULL,
    state_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT identity_revision_check CHECK ((revision >= 1)),
    CONSTRAINT identity_sha256_check CHECK ((length(sha256) = 64)),
    CONSTRAINT identity_state_check CHECK ((state = ANY (ARRAY['STORED'::text, 'DELETING'::text, 'DELETED'::text, 'DAMAGED'::text])))
);
CREATE TABLE storage.identity_12 (
    sop_instance_uid text NOT NULL,
    revision integer NOT NULL,
    sha256 text NOT NULL,
    received_at timestamp with time zone NOT NULL,
    object_key text NOT NULL,
    size bigint NOT NULL,
    data_set_offset integer NOT NULL,
    sop_class_uid text NOT NULL,
    study_instance_uid text NOT NULL,
    series_instance_uid text NOT NULL,
    transfer_syntax_uid text NOT NULL,
    state text DEFAULT 'STORED'::text NOT NULL,
    state_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT identity_revision_check CHECK ((revision >= 1)),
    CONSTRAINT identity_sha256_check CHECK ((length(sha256) = 64)),
    CONSTRAINT identity_state_check CHECK ((state = ANY (ARRAY['STORED'::text, 'DELETING'::text, 'DELETED'::text, 'DAMAGED'::text])))
);
CREATE TABLE storage.identity_13 (
    sop_instance_uid text NOT NULL,
    revision integer NOT NULL,
    sha256 text NOT NULL,
    received_at timestamp with time zone NOT NULL,
    object_key text NOT NULL,
    size bigint NOT NULL,
    data_set_offset integer NOT NULL,
    sop_class_uid text NOT NULL,
    study_instance_uid text NOT NULL,
    series_instance_uid text NOT NULL,
    transfer_syntax_uid text NOT NULL,
    state text DEFAULT 'STORED'::text NOT NULL,
    state_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT identity_revision_check CHECK ((revision >= 1)),
    CONSTRAINT identity_sha256_check CHECK ((length(sha256) = 64)),
    CONSTRAINT identity_state_check CHECK ((state = ANY (ARRAY['STORED'::text, 'DELETING'::text, 'DELETED'::text, 'DAMAGED'::text])))
);
CREATE TABLE storage.identity_14 (
    sop_instance_uid text NOT NULL,
    revision integer NOT NULL,
    sha256 text NOT NULL,
    received_at timestamp with time zone NOT NULL,
    object_key text NOT NULL,
    size bigint NOT NULL,
    data_set_offset integer NOT NULL,
    sop_class_uid text NOT NULL,
    study_instance_uid text NOT NULL,
    series_instance_uid text NOT NULL,
    transfer_syntax_uid text NOT NULL,
    state text DEFAULT 'STORED'::text NOT NULL,
    state_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT identity_revision_check CHECK ((revision >= 1)),
    CONSTRAINT identity_sha256_check CHECK ((length(sha256) = 64)),
    CONSTRAINT identity_state_check CHECK ((state = ANY (ARRAY['STORED'::text, 'DELETING'::text, 'DELETED'::text, 'DAMAGED'::text])))
);
CREATE TABLE storage.identity_15 (
    sop_instance_uid text NOT NULL,
    revision integer NOT NULL,
    sha256 text NOT NULL,
    received_at timestamp with time zone NOT NULL,
    object_key text NOT NULL,
    size bigint NOT NULL,
    data_set_offset integer NOT NULL,
    sop_class_uid text NOT NULL,
    study_instance_uid text NOT NULL,
    series_instance_uid text NOT NULL,
    transfer_syntax_uid text NOT NULL,
    state text DEFAULT 'STORED'::text NOT NULL,
    state_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT identity_revision_check CHECK ((revision >= 1)),
    CONSTRAINT identity_sha256_check CHECK ((length(sha256) = 64)),
    CONSTRAINT identity_state_check CHECK ((state = ANY (ARRAY['STORED'::text, 'DELETING'::text, 'DELETED'::text, 'DAMAGED'::text])))
);
CREATE VIEW storage.identity_view AS
 SELECT identity.sop_instance_uid,
    identity.revision,
    identity.sha256,
    identity.received_at,
    identity.object_key,
    identity.size,
    identity.data_set_offset,
    identity.sop_class_uid,
    identity.study_instance_uid,
    identity.series_instance_uid,
    identity.transfer_syntax_uid,
    identity.state,
    identity.state_at
   FROM storage.identity;
CREATE TABLE storage.receipt (
    received_at timestamp with time zone NOT NULL,
    object_key text NOT NULL,
    recorded_at timestamp with time zone DEFAULT now() NOT NULL,
    sop_instance_uid text NOT NULL,
    revision integer NOT NULL,
    disposition text NOT NULL,
    flags text[] DEFAULT '{}'::text[] NOT NULL,
    sha256 text NOT NULL,
    size bigint NOT NULL,
    sop_class_uid text NOT NULL,
    study_instance_uid text NOT NULL,
    series_instance_uid text NOT NULL,
    transfer_syntax_uid text NOT NULL,
    peer_address text NOT NULL,
    calling_aet text NOT NULL,
    called_aet text NOT NULL,
    association text NOT NULL,
    configuration bigint NOT NULL,
    rule_set integer NOT NULL,
    status integer NOT NULL,
    findings jsonb DEFAULT '[]'::jsonb NOT NULL,
    object_state text DEFAULT 'PRESENT'::text NOT NULL,
    absent_sweeps integer DEFAULT 0 NOT NULL,
    CONSTRAINT receipt_disposition_check CHECK ((disposition = ANY (ARRAY['NEW'::text, 'REVISION'::text, 'KEPT'::text, 'HELD'::text, 'DUPLICATE'::text, 'RETURNED'::text, 'RECOVERED'::text]))),
    CONSTRAINT receipt_object_state_check CHECK ((object_state = ANY (ARRAY['PRESENT'::text, 'REDUNDANT'::text, 'DELETING'::text, 'DELETED'::text])))
)
PARTITION BY RANGE (received_at);
COMMENT ON COLUMN storage.receipt.object_state IS 'REDUNDANT: a duplicate''s object, deleted once the first one''s hash was verified. DELETED rows are tombstones.';
CREATE TABLE storage.receipt_default (
    received_at timestamp with time zone NOT NULL,
    object_key text NOT NULL,
    recorded_at timestamp with time zone DEFAULT now() NOT NULL,
    sop_instance_uid text NOT NULL,
    revision integer NOT NULL,
    disposition text NOT NULL,
    flags text[] DEFAULT '{}'::text[] NOT NULL,
    sha256 text NOT NULL,
    size bigint NOT NULL,
    sop_class_uid text NOT NULL,
    study_instance_uid text NOT NULL,
    series_instance_uid text NOT NULL,
    transfer_syntax_uid text NOT NULL,
    peer_address text NOT NULL,
    calling_aet text NOT NULL,
    called_aet text NOT NULL,
    association text NOT NULL,
    configuration bigint NOT NULL,
    rule_set integer NOT NULL,
    status integer NOT NULL,
    findings jsonb DEFAULT '[]'::jsonb NOT NULL,
    object_state text DEFAULT 'PRESENT'::text NOT NULL,
    absent_sweeps integer DEFAULT 0 NOT NULL,
    CONSTRAINT receipt_disposition_check CHECK ((disposition = ANY (ARRAY['NEW'::text, 'REVISION'::text, 'KEPT'::text, 'HELD'::text, 'DUPLICATE'::text, 'RETURNED'::text, 'RECOVERED'::text]))),
    CONSTRAINT receipt_object_state_check CHECK ((object_state = ANY (ARRAY['PRESENT'::text, 'REDUNDANT'::text, 'DELETING'::text, 'DELETED'::text])))
);
CREATE VIEW storage.receipt_view AS
 SELECT r.received_at,
    r.object_key,
    r.recorded_at,
    r.sop_instance_uid,
    r.revision,
    r.disposition,
    r.flags,
    r.sha256,
    r.size,
    r.sop_class_uid,
    r.study_instance_uid,
    r.series_instance_uid,
    r.transfer_syntax_uid,
    r.peer_address,
    r.calling_aet,
    r.called_aet,
    r.association,
    r.configuration,
    r.rule_set,
    r.status,
    r.findings,
    r.object_state,
    r.absent_sweeps,
    i.state AS identity_state,
    i.data_set_offset
   FROM (storage.receipt r
     JOIN storage.identity i USING (sop_instance_uid, revision));
CREATE TABLE storage.request_done (
    request uuid NOT NULL,
    done_at timestamp with time zone DEFAULT now() NOT NULL,
    result jsonb NOT NULL
);
CREATE VIEW storage.request_done_view AS
 SELECT request_done.request,
    request_done.done_at,
    request_done.result
   FROM storage.request_done;
CREATE TABLE storage.retention (
    study_instance_uid text NOT NULL,
    last_received_at timestamp with time zone NOT NULL,
    look_at timestamp with time zone NOT NULL,
    looked_at timestamp with time zone,
    kept text DEFAULT ''::text NOT NULL
);
COMMENT ON TABLE storage.retention IS 'A study that may have something stored, and when retention looks at it next (infinity: when its policy changes).';
COMMENT ON COLUMN storage.retention.kept IS 'Why it stayed when it was looked at.';
CREATE TABLE storage.retention_progress (
    only_row boolean DEFAULT true NOT NULL,
    recorded_at timestamp with time zone DEFAULT '2000-01-01 00:00:00+00'::timestamp with time zone NOT NULL,
    object_key text DEFAULT ''::text NOT NULL,
    policy jsonb DEFAULT '{}'::jsonb NOT NULL,
    adopting text,
    CONSTRAINT retention_progress_only_row_check CHECK (only_row)
);
COMMENT ON TABLE storage.retention_progress IS 'Up to which receipt studies are known to retention, the policy in force, and the study up to which it counts (null: for all).';
CREATE VIEW storage.retention_progress_view AS
 SELECT retention_progress.only_row,
    retention_progress.recorded_at,
    retention_progress.object_key,
    retention_progress.policy,
    retention_progress.adopting
   FROM storage.retention_progress;
CREATE VIEW storage.retention_view AS
 SELECT retention.study_instance_uid,
    retention.last_received_at,
    retention.look_at,
    retention.looked_at,
    retention.kept
   FROM storage.retention;
CREATE VIEW storage.sender_view AS
 SELECT receipt.calling_aet,
    receipt.received_at
   FROM storage.receipt;
COMMENT ON VIEW storage.sender_view IS 'From whom something came, and when.';
CREATE TABLE storage.watermark (
    only_row boolean DEFAULT true NOT NULL,
    recorded_through timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    full_sweep_cursor text DEFAULT ''::text NOT NULL,
    full_sweep_started_at timestamp with time zone,
    full_sweep_finished_at timestamp with time zone,
    CONSTRAINT watermark_only_row_check CHECK (only_row)
);
COMMENT ON COLUMN storage.watermark.recorded_through IS 'Everything received up to then is recorded (P7).';
CREATE VIEW storage.watermark_view AS
 SELECT watermark.recorded_through
   FROM storage.watermark;
ALTER TABLE ONLY audit.entry ATTACH PARTITION audit.entry_default DEFAULT;
ALTER TABLE ONLY commitment.archive_history ATTACH PARTITION commitment.archive_history_default DEFAULT;
ALTER TABLE ONLY commitment.archived ATTACH PARTITION commitment.archived_00 FOR VALUES WITH (modulus 16, remainder 0);
ALTER TABLE ONLY commitment.archived ATTACH PARTITION commitment.archived_01 FOR VALUES WITH (modulus 16, remainder 1);
ALTER TABLE ONLY commitment.archived ATTACH PARTITION commitment.archived_02 FOR VALUES WITH (modulus 16, remainder 2);
ALTER TABLE ONLY commitment.archived ATTACH PARTITION commitment.archived_03 FOR VALUES WITH (modulus 16, remainder 3);
ALTER TABLE ONLY commitment.archived ATTACH PARTITION commitment.archived_04 FOR VALUES WITH (modulus 16, remainder 4);
ALTER TABLE ONLY commitment.archived ATTACH PARTITION commitment.archived_05 FOR VALUES WITH (modulus 16, remainder 5);
ALTER TABLE ONLY commitment.archived ATTACH PARTITION commitment.archived_06 FOR VALUES WITH (modulus 16, remainder 6);
ALTER TABLE ONLY commitment.archived ATTACH PARTITION commitment.archived_07 FOR VALUES WITH (modulus 16, remainder 7);
ALTER TABLE ONLY commitment.archived ATTACH PARTITION commitment.archived_08 FOR VALUES WITH (modulus 16, remainder 8);
ALTER TABLE ONLY commitment.archived ATTACH PARTITION commitment.archived_09 FOR VALUES WITH (modulus 16, remainder 9);
ALTER TABLE ONLY commitment.archived ATTACH PARTITION commitment.archived_10 FOR VALUES WITH (modulus 16, remainder 10);
ALTER TABLE ONLY commitment.archived ATTACH PARTITION commitment.archived_11 FOR VALUES WITH (modulus 16, remainder 11);
ALTER TABLE ONLY commitment.archived ATTACH PARTITION commitment.archived_12 FOR VALUES WITH (modulus 16, remainder 12);
ALTER TABLE ONLY commitment.archived ATTACH PARTITION commitment.archived_13 FOR VALUES WITH (modulus 16, remainder 13);
ALTER TABLE ONLY commitment.archived ATTACH PARTITION commitment.archived_14 FOR VALUES WITH (modulus 16, remainder 14);
ALTER TABLE ONLY commitment.archived ATTACH PARTITION commitment.archived_15 FOR VALUES WITH (modulus 16, remainder 15);
ALTER TABLE ONLY commitment.inbound ATTACH PARTITION commitment.inbound_default DEFAULT;
ALTER TABLE ONLY commitment.inbound_item ATTACH PARTITION commitment.inbound_item_default DEFAULT;
ALTER TABLE ONLY commitment.item ATTACH PARTITION commitment.item_default DEFAULT;
ALTER TABLE ONLY commitment.report ATTACH PARTITION commitment.report_default DEFAULT;
ALTER TABLE ONLY query.retrieval ATTACH PARTITION query.retrieval_default DEFAULT;
ALTER TABLE ONLY query.suboperation ATTACH PARTITION query.suboperation_default DEFAULT;
ALTER TABLE ONLY routing.attempt ATTACH PARTITION routing.attempt_default DEFAULT;
ALTER TABLE ONLY routing.delivery ATTACH PARTITION routing.delivery_default DEFAULT;
ALTER TABLE ONLY routing.evaluation ATTACH PARTITION routing.evaluation_default DEFAULT;
ALTER TABLE ONLY runtime.outbox ATTACH PARTITION runtime.outbox_default DEFAULT;
ALTER TABLE ONLY storage.fact ATTACH PARTITION storage.fact_default DEFAULT;
ALTER TABLE ONLY storage.identity ATTACH PARTITION storage.identity_00 FOR VALUES WITH (modulus 16, remainder 0);
ALTER TABLE ONLY storage.identity ATTACH PARTITION storage.identity_01 FOR VALUES WITH (modulus 16, remainder 1);
ALTER TABLE ONLY storage.identity ATTACH PARTITION storage.identity_02 FOR VALUES WITH (modulus 16, remainder 2);
ALTER TABLE ONLY storage.identity ATTACH PARTITION storage.identity_03 FOR VALUES WITH (modulus 16, remainder 3);
ALTER TABLE ONLY storage.identity ATTACH PARTITION storage.identity_04 FOR VALUES WITH (modulus 16, remainder 4);
ALTER TABLE ONLY storage.identity ATTACH PARTITION storage.identity_05 FOR VALUES WITH (modulus 16, remainder 5);
ALTER TABLE ONLY storage.identity ATTACH PARTITION storage.identity_06 FOR VALUES WITH (modulus 16, remainder 6);
ALTER TABLE ONLY storage.identity ATTACH PARTITION storage.identity_07 FOR VALUES WITH (modulus 16, remainder 7);
ALTER TABLE ONLY storage.identity ATTACH PARTITION storage.identity_08 FOR VALUES WITH (modulus 16, remainder 8);
ALTER TABLE ONLY storage.identity ATTACH PARTITION storage.identity_09 FOR VALUES WITH (modulus 16, remainder 9);
ALTER TABLE ONLY storage.identity ATTACH PARTITION storage.identity_10 FOR VALUES WITH (modulus 16, remainder 10);
ALTER TABLE ONLY storage.identity ATTACH PARTITION storage.identity_11 FOR VALUES WITH (modulus 16, remainder 11);
ALTER TABLE ONLY storage.identity ATTACH PARTITION storage.identity_12 FOR VALUES WITH (modulus 16, remainder 12);
ALTER TABLE ONLY storage.identity ATTACH PARTITION storage.identity_13 FOR VALUES WITH (modulus 16, remainder 13);
ALTER TABLE ONLY storage.identity ATTACH PARTITION storage.identity_14 FOR VALUES WITH (modulus 16, remainder 14);
ALTER TABLE ONLY storage.identity ATTACH PARTITION storage.identity_15 FOR VALUES WITH (modulus 16, remainder 15);
ALTER TABLE ONLY storage.receipt ATTACH PARTITION storage.receipt_default DEFAULT;
ALTER TABLE ONLY audit.destination
    ADD CONSTRAINT destination_pkey PRIMARY KEY (alone);
ALTER TABLE ONLY audit.entry
    ADD CONSTRAINT entry_pkey PRIMARY KEY (at, id);
ALTER TABLE ONLY audit.entry_default
    ADD CONSTRAINT entry_default_pkey PRIMARY KEY (at, id);
ALTER TABLE ONLY audit.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (id);
ALTER TABLE ONLY commitment.archive_history
    ADD CONSTRAINT archive_history_pkey PRIMARY KEY (at, id);
ALTER TABLE ONLY commitment.archive_history_default
    ADD CONSTRAINT archive_history_default_pkey PRIMARY KEY (at, id);
ALTER TABLE ONLY commitment.archived
    ADD CONSTRAINT archived_pkey PRIMARY KEY (sop_instance_uid, revision, server);
ALTER TABLE ONLY commitment.archived_00
    ADD CONSTRAINT archived_00_pkey PRIMARY KEY (sop_instance_uid, revision, server);
ALTER TABLE ONLY commitment.archived_01
    ADD CONSTRAINT archived_01_pkey PRIMARY KEY (sop_instance_uid, revision, server);
ALTER TABLE ONLY commitment.archived_02
    ADD CONSTRAINT archived_02_pkey PRIMARY KEY (sop_instance_uid, revision, server);
ALTER TABLE ONLY commitment.archived_03
    ADD CONSTRAINT archived_03_pkey PRIMARY KEY (sop_instance_uid, revision, server);
ALTER TABLE ONLY commitment.archived_04
    ADD CONSTRAINT archived_04_pkey PRIMARY KEY (sop_instance_uid, revision, server);
ALTER TABLE ONLY commitment.archived_05
    ADD CONSTRAINT archived_05_pkey PRIMARY KEY (sop_instance_uid, revision, server);
ALTER TABLE ONLY commitment.archived_06
    ADD CONSTRAINT archived_06_pkey PRIMARY KEY (sop_instance_uid, revision, server);
ALTER TABLE ONLY commitment.archived_07
    ADD CONSTRAINT archived_07_pkey PRIMARY KEY (sop_instance_uid, revision, server);
ALTER TABLE ONLY commitment.archived_08
    ADD CONSTRAINT archived_08_pkey PRIMARY KEY (sop_instance_uid, revision, server);
ALTER TABLE ONLY commitment.archived_09
    ADD CONSTRAINT archived_09_pkey PRIMARY KEY (sop_instance_uid, revision, server);
ALTER TABLE ONLY commitment.archived_10
    ADD CONSTRAINT archived_10_pkey PRIMARY KEY (sop_instance_uid, revision, server);
ALTER TABLE ONLY commitment.archived_11
    ADD CONSTRAINT archived_11_pkey PRIMARY KEY (sop_instance_uid, revision, server);
ALTER TABLE ONLY commitment.archived_12
    ADD CONSTRAINT archived_12_pkey PRIMARY KEY (sop_instance_uid, revision, server);
ALTER TABLE ONLY commitment.archived_13
    ADD CONSTRAINT archived_13_pkey PRIMARY KEY (sop_instance_uid, revision, server);
ALTER TABLE ONLY commitment.archived_14
    ADD CONSTRAINT archived_14_pkey PRIMARY KEY (sop_instance_uid, revision, server);
ALTER TABLE ONLY commitment.archived_15
    ADD CONSTRAINT archived_15_pkey PRIMARY KEY (sop_instance_uid, revision, server);
ALTER TABLE ONLY commitment.attempt
    ADD CONSTRAINT attempt_pkey PRIMARY KEY (transaction_uid);
ALTER TABLE ONLY commitment.commitment
    ADD CONSTRAINT commitment_pkey PRIMARY KEY (id);
ALTER TABLE ONLY commitment.inbound
    ADD CONSTRAINT inbound_pkey PRIMARY KEY (received_at, id);
ALTER TABLE ONLY commitment.inbound_default
    ADD CONSTRAINT inbound_default_pkey PRIMARY KEY (received_at, id);
ALTER TABLE ONLY commitment.inbound
    ADD CONSTRAINT inbound_received_at_object_key_key UNIQUE (received_at, object_key);
ALTER TABLE ONLY commitment.inbound_default
    ADD CONSTRAINT inbound_default_received_at_object_key_key UNIQUE (received_at, object_key);
ALTER TABLE ONLY commitment.inbound_item
    ADD CONSTRAINT inbound_item_pkey PRIMARY KEY (received_at, inbound, "position");
ALTER TABLE ONLY commitment.inbound_item_default
    ADD CONSTRAINT inbound_item_default_pkey PRIMARY KEY (received_at, inbound, "position");
ALTER TABLE ONLY commitment.item
    ADD CONSTRAINT item_pkey PRIMARY KEY (received_at, delivery, round);
ALTER TABLE ONLY commitment.item_default
    ADD CONSTRAINT item_default_pkey PRIMARY KEY (received_at, delivery, round);
ALTER TABLE ONLY commitment.reconciled
    ADD CONSTRAINT reconciled_pkey PRIMARY KEY (only_row);
ALTER TABLE ONLY commitment.report
    ADD CONSTRAINT report_pkey PRIMARY KEY (received_at, object_key);
ALTER TABLE ONLY commitment.report_default
    ADD CONSTRAINT report_default_pkey PRIMARY KEY (received_at, object_key);
ALTER TABLE ONLY commitment.request_done
    ADD CONSTRAINT request_done_pkey PRIMARY KEY (request);
ALTER TABLE ONLY config.account
    ADD CONSTRAINT account_pkey PRIMARY KEY (name);
ALTER TABLE ONLY config.account
    ADD CONSTRAINT account_subject UNIQUE (issuer, subject);
ALTER TABLE ONLY config.action
    ADD CONSTRAINT action_pkey PRIMARY KEY (actor, key);
ALTER TABLE ONLY config.api_key
    ADD CONSTRAINT api_key_pkey PRIMARY KEY (id);
ALTER TABLE ONLY config.called_title
    ADD CONSTRAINT called_title_pkey PRIMARY KEY (title);
ALTER TABLE ONLY config.contact
    ADD CONSTRAINT contact_pkey PRIMARY KEY (name);
ALTER TABLE ONLY config.erasure_item
    ADD CONSTRAINT erasure_item_pkey PRIMARY KEY (erasure, sop_instance_uid, revision);
ALTER TABLE ONLY config.erasure_key
    ADD CONSTRAINT erasure_key_pkey PRIMARY KEY (alone);
ALTER TABLE ONLY config.erasure
    ADD CONSTRAINT erasure_pkey PRIMARY KEY (id);
ALTER TABLE ONLY config.generation
    ADD CONSTRAINT generation_pkey PRIMARY KEY (only_row);
ALTER TABLE ONLY config.hold
    ADD CONSTRAINT hold_pkey PRIMARY KEY (id);
ALTER TABLE ONLY config.notice_event
    ADD CONSTRAINT notice_event_kind_subject_key UNIQUE (kind, subject);
ALTER TABLE ONLY config.notice_event
    ADD CONSTRAINT notice_event_pkey PRIMARY KEY (id);
ALTER TABLE ONLY config.notice_line
    ADD CONSTRAINT notice_line_pkey PRIMARY KEY (contact, channel);
ALTER TABLE ONLY config.notice
    ADD CONSTRAINT notice_pkey PRIMARY KEY (event, contact, channel);
ALTER TABLE ONLY config.oidc_attempt
    ADD CONSTRAINT oidc_attempt_pkey PRIMARY KEY (state_sha256);
ALTER TABLE ONLY config.pull
    ADD CONSTRAINT pull_pkey PRIMARY KEY (title);
ALTER TABLE ONLY config.pulled
    ADD CONSTRAINT pulled_pkey PRIMARY KEY (title, study_instance_uid);
ALTER TABLE ONLY config.reconciliation
    ADD CONSTRAINT reconciliation_pkey PRIMARY KEY (id);
ALTER TABLE ONLY config.reconciliation
    ADD CONSTRAINT reconciliation_title_night_key UNIQUE (title, night);
ALTER TABLE ONLY config.request
    ADD CONSTRAINT request_pkey PRIMARY KEY (id);
ALTER TABLE ONLY config.rule_draft
    ADD CONSTRAINT rule_draft_pkey PRIMARY KEY (name);
ALTER TABLE ONLY config.rule_set_activation
    ADD CONSTRAINT rule_set_activation_pkey PRIMARY KEY (id);
ALTER TABLE ONLY config.rule_set
    ADD CONSTRAINT rule_set_pkey PRIMARY KEY (number);
ALTER TABLE ONLY config.rule_test
    ADD CONSTRAINT rule_test_pkey PRIMARY KEY (name);
ALTER TABLE ONLY config.session
    ADD CONSTRAINT session_pkey PRIMARY KEY (token_sha256);
ALTER TABLE ONLY config.station
    ADD CONSTRAINT station_pkey PRIMARY KEY (title);
ALTER TABLE ONLY index.instance
    ADD CONSTRAINT instance_pkey PRIMARY KEY (sop_instance_uid, revision);
ALTER TABLE ONLY index.patient
    ADD CONSTRAINT patient_patient_id_issuer_only_study_key UNIQUE (patient_id, issuer, only_study);
ALTER TABLE ONLY index.patient
    ADD CONSTRAINT patient_pkey PRIMARY KEY (id);
ALTER TABLE ONLY index.reconciled
    ADD CONSTRAINT reconciled_pkey PRIMARY KEY (only_row);
ALTER TABLE ONLY index.request_done
    ADD CONSTRAINT request_done_pkey PRIMARY KEY (request);
ALTER TABLE ONLY index.series
    ADD CONSTRAINT series_pkey PRIMARY KEY (study_instance_uid, series_instance_uid);
ALTER TABLE ONLY index.study
    ADD CONSTRAINT study_pkey PRIMARY KEY (study_instance_uid);
ALTER TABLE ONLY query.retrieval
    ADD CONSTRAINT retrieval_pkey PRIMARY KEY (started_at, id);
ALTER TABLE ONLY query.retrieval_default
    ADD CONSTRAINT retrieval_default_pkey PRIMARY KEY (started_at, id);
ALTER TABLE ONLY query.suboperation
    ADD CONSTRAINT suboperation_pkey PRIMARY KEY (started_at, retrieval, "position");
ALTER TABLE ONLY query.suboperation_default
    ADD CONSTRAINT suboperation_default_pkey PRIMARY KEY (started_at, retrieval, "position");
ALTER TABLE ONLY routing.attempt
    ADD CONSTRAINT attempt_pkey PRIMARY KEY (at, id);
ALTER TABLE ONLY routing.attempt_default
    ADD CONSTRAINT attempt_default_pkey PRIMARY KEY (at, id);
ALTER TABLE ONLY routing.count_question
    ADD CONSTRAINT count_question_pkey PRIMARY KEY (source, level, group_uid);
ALTER TABLE ONLY routing.delivery
    ADD CONSTRAINT delivery_pkey PRIMARY KEY (received_at, id);
ALTER TABLE ONLY routing.delivery_default
    ADD CONSTRAINT delivery_default_pkey PRIMARY KEY (received_at, id);
ALTER TABLE ONLY routing.delivery
    ADD CONSTRAINT delivery_received_at_sop_instance_uid_revision_destination__key UNIQUE (received_at, sop_instance_uid, revision, destination, request);
ALTER TABLE ONLY routing.delivery_default
    ADD CONSTRAINT delivery_default_received_at_sop_instance_uid_revision_dest_key UNIQUE (received_at, sop_instance_uid, revision, destination, request);
ALTER TABLE ONLY routing.destination
    ADD CONSTRAINT destination_pkey PRIMARY KEY (title);
ALTER TABLE ONLY routing.ended_association
    ADD CONSTRAINT ended_association_pkey PRIMARY KEY (association);
ALTER TABLE ONLY routing.evaluation
    ADD CONSTRAINT evaluation_pkey PRIMARY KEY (received_at, object_key);
ALTER TABLE ONLY routing.evaluation_default
    ADD CONSTRAINT evaluation_default_pkey PRIMARY KEY (received_at, object_key);
ALTER TABLE ONLY routing.job_association
    ADD CONSTRAINT job_association_pkey PRIMARY KEY (job, association);
ALTER TABLE ONLY routing.job
    ADD CONSTRAINT job_pkey PRIMARY KEY (id);
ALTER TABLE ONLY routing.opening
    ADD CONSTRAINT opening_pkey PRIMARY KEY (schedule);
ALTER TABLE ONLY routing.outage
    ADD CONSTRAINT outage_pkey PRIMARY KEY (destination, began_at);
ALTER TABLE ONLY routing.reconciled
    ADD CONSTRAINT reconciled_pkey PRIMARY KEY (only_row);
ALTER TABLE ONLY routing.request_done
    ADD CONSTRAINT request_done_pkey PRIMARY KEY (request);
ALTER TABLE ONLY routing.retrieval_move
    ADD CONSTRAINT retrieval_move_pkey PRIMARY KEY (job, "position");
ALTER TABLE ONLY routing.retrieval
    ADD CONSTRAINT retrieval_pkey PRIMARY KEY (job);
ALTER TABLE ONLY routing.transformation_key
    ADD CONSTRAINT transformation_key_pkey PRIMARY KEY (only_row);
ALTER TABLE ONLY routing.transformation
    ADD CONSTRAINT transformation_pkey PRIMARY KEY (number);
ALTER TABLE ONLY runtime.configuration_taken
    ADD CONSTRAINT configuration_taken_pkey PRIMARY KEY (process);
ALTER TABLE ONLY runtime.dead_letter
    ADD CONSTRAINT dead_letter_pkey PRIMARY KEY (id);
ALTER TABLE ONLY runtime.lease
    ADD CONSTRAINT lease_pkey PRIMARY KEY (name);
ALTER TABLE ONLY runtime.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (created_at, id);
ALTER TABLE ONLY runtime.outbox_default
    ADD CONSTRAINT outbox_default_pkey PRIMARY KEY (created_at, id);
ALTER TABLE ONLY runtime.version
    ADD CONSTRAINT version_pkey PRIMARY KEY (number);
ALTER TABLE ONLY storage.fact
    ADD CONSTRAINT fact_pkey PRIMARY KEY (received_at, object_key);
ALTER TABLE ONLY storage.fact_default
    ADD CONSTRAINT fact_default_pkey PRIMARY KEY (received_at, object_key);
ALTER TABLE ONLY storage.folder
    ADD CONSTRAINT folder_pkey PRIMARY KEY (folder);
ALTER TABLE ONLY storage.identity
    ADD CONSTRAINT identity_pkey PRIMARY KEY (sop_instance_uid, revision);
ALTER TABLE ONLY storage.identity_00
    ADD CONSTRAINT identity_00_pkey PRIMARY KEY (sop_instance_uid, revision);
ALTER TABLE ONLY storage.identity
    ADD CONSTRAINT identity_sop_instance_uid_sha256_key UNIQUE (sop_instance_uid, sha256);
ALTER TABLE ONLY storage.identity_00
    ADD CONSTRAINT identity_00_sop_instance_uid_sha256_key UNIQUE (sop_instance_uid, sha256);
ALTER TABLE ONLY storage.identity_01
    ADD CONSTRAINT identity_01_pkey PRIMARY KEY (sop_instance_uid, revision);
ALTER TABLE ONLY storage.identity_01
    ADD CONSTRAINT identity_01_sop_instance_uid_sha256_key UNIQUE (sop_instance_uid, sha256);
ALTER TABLE ONLY storage.identity_02
    ADD CONSTRAINT identity_02_pkey PRIMARY KEY (sop_instance_uid, revision);
ALTER TABLE ONLY storage.identity_02
    ADD CONSTRAINT identity_02_sop_instance_uid_sha256_key UNIQUE (sop_instance_uid, sha256);
ALTER TABLE ONLY storage.identity_03
    ADD CONSTRAINT identity_03_pkey PRIMARY KEY (sop_instance_uid, revision);
ALTER TABLE ONLY storage.identity_03
    ADD CONSTRAINT identity_03_sop_instance_uid_sha256_key UNIQUE (sop_instance_uid, sha256);
ALTER TABLE ONLY storage.identity_04
    ADD CONSTRAINT identity_04_pkey PRIMARY KEY (sop_instance_uid, revision);
ALTER TABLE ONLY storage.identity_04
    ADD CONSTRAINT identity_04_sop_instance_uid_sha256_key UNIQUE (sop_instance_uid, sha256);
ALTER TABLE ONLY storage.identity_05
    ADD CONSTRAINT identity_05_pkey PRIMARY KEY (sop_instance_uid, revision);
ALTER TABLE ONLY storage.identity_05
    ADD CONSTRAINT identity_05_sop_instance_uid_sha256_key UNIQUE (sop_instance_uid, sha256);
ALTER TABLE ONLY storage.identity_06
    ADD CONSTRAINT identity_06_pkey PRIMARY KEY (sop_instance_uid, revision);
ALTER TABLE ONLY storage.identity_06
    ADD CONSTRAINT identity_06_sop_instance_uid_sha256_key UNIQUE (sop_instance_uid, sha256);
ALTER TABLE ONLY storage.identity_07
    ADD CONSTRAINT identity_07_pkey PRIMARY KEY (sop_instance_uid, revision);
ALTER TABLE ONLY storage.identity_07
    ADD CONSTRAINT identity_07_sop_instance_uid_sha256_key UNIQUE (sop_instance_uid, sha256);
ALTER TABLE ONLY storage.identity_08
    ADD CONSTRAINT identity_08_pkey PRIMARY KEY (sop_instance_uid, revision);
ALTER TABLE ONLY storage.identity_08
    ADD CONSTRAINT identity_08_sop_instance_uid_sha256_key UNIQUE (sop_instance_uid, sha256);
ALTER TABLE ONLY storage.identity_09
    ADD CONSTRAINT identity_09_pkey PRIMARY KEY (sop_instance_uid, revision);
ALTER TABLE ONLY storage.identity_09
    ADD CONSTRAINT identity_09_sop_instance_uid_sha256_key UNIQUE (sop_instance_uid, sha256);
ALTER TABLE ONLY storage.identity_10
    ADD CONSTRAINT identity_10_pkey PRIMARY KEY (sop_instance_uid, revision);
ALTER TABLE ONLY storage.identity_10
    ADD CONSTRAINT identity_10_sop_instance_uid_sha256_key UNIQUE (sop_instance_uid, sha256);
ALTER TABLE ONLY storage.identity_11
    ADD CONSTRAINT identity_11_pkey PRIMARY KEY (sop_instance_uid, revision);
ALTER TABLE ONLY storage.identity_11
    ADD CONSTRAINT identity_11_sop_instance_uid_sha256_key UNIQUE (sop_instance_uid, sha256);
ALTER TABLE ONLY storage.identity_12
    ADD CONSTRAINT identity_12_pkey PRIMARY KEY (sop_instance_uid, revision);
ALTER TABLE ONLY storage.identity_12
    ADD CONSTRAINT identity_12_sop_instance_uid_sha256_key UNIQUE (sop_instance_uid, sha256);
ALTER TABLE ONLY storage.identity_13
    ADD CONSTRAINT identity_13_pkey PRIMARY KEY (sop_instance_uid, revision);
ALTER TABLE ONLY storage.identity_13
    ADD CONSTRAINT identity_13_sop_instance_uid_sha256_key UNIQUE (sop_instance_uid, sha256);
ALTER TABLE ONLY storage.identity_14
    ADD CONSTRAINT identity_14_pkey PRIMARY KEY (sop_instance_uid, revision);
ALTER TABLE ONLY storage.identity_14
    ADD CONSTRAINT identity_14_sop_instance_uid_sha256_key UNIQUE (sop_instance_uid, sha256);
ALTER TABLE ONLY storage.identity_15
    ADD CONSTRAINT identity_15_pkey PRIMARY KEY (sop_instance_uid, revision);
ALTER TABLE ONLY storage.identity_15
    ADD CONSTRAINT identity_15_sop_instance_uid_sha256_key UNIQUE (sop_instance_uid, sha256);
ALTER TABLE ONLY storage.receipt
    ADD CONSTRAINT receipt_pkey PRIMARY KEY (received_at, object_key);
ALTER TABLE ONLY storage.receipt_default
    ADD CONSTRAINT receipt_default_pkey PRIMARY KEY (received_at, object_key);
ALTER TABLE ONLY storage.request_done
    ADD CONSTRAINT request_done_pkey PRIMARY KEY (request);
ALTER TABLE ONLY storage.retention
    ADD CONSTRAINT retention_pkey PRIMARY KEY (study_instance_uid);
ALTER TABLE ONLY storage.retention_progress
    ADD CONSTRAINT retention_progress_pkey PRIMARY KEY (only_row);
ALTER TABLE ONLY storage.watermark
    ADD CONSTRAINT watermark_pkey PRIMARY KEY (only_row);
CREATE INDEX entry_action ON ONLY audit.entry USING btree (action, at);
CREATE INDEX entry_default_action_at_idx ON audit.entry_default USING btree (action, at);
CREATE INDEX archive_history_instance ON ONLY commitment.archive_history USING btree (sop_instance_uid);
CREATE INDEX archive_history_default_sop_instance_uid_idx ON commitment.archive_history_default USING btree (sop_instance_uid);
CREATE INDEX archived_study ON ONLY commitment.archived USING btree (study_instance_uid);
CREATE INDEX archived_00_study_instance_uid_idx ON commitment.archived_00 USING btree (study_instance_uid);
CREATE INDEX archived_01_study_instance_uid_idx ON commitment.archived_01 USING btree (study_instance_uid);
CREATE INDEX archived_02_study_instance_uid_idx ON commitment.archived_02 USING btree (study_instance_uid);
CREATE INDEX archived_03_study_instance_uid_idx ON commitment.archived_03 USING btree (study_instance_uid);
CREATE INDEX archived_04_study_instance_uid_idx ON commitment.archived_04 USING btree (study_instance_uid);
CREATE INDEX archived_05_study_instance_uid_idx ON commitment.archived_05 USING btree (study_instance_uid);
CREATE INDEX archived_06_study_instance_uid_idx ON commitment.archived_06 USING btree (study_instance_uid);
CREATE INDEX archived_07_study_instance_uid_idx ON commitment.archived_07 USING btree (study_instance_uid);
CREATE INDEX archived_08_study_instance_uid_idx ON commitment.archived_08 USING btree (study_instance_uid);
CREATE INDEX archived_09_study_instance_uid_idx ON commitment.archived_09 USING btree (study_instance_uid);
CREATE INDEX archived_10_study_instance_uid_idx ON commitment.archived_10 USING btree (study_instance_uid);
CREATE INDEX archived_11_study_instance_uid_idx ON commitment.archived_11 USING btree (study_instance_uid);
CREATE INDEX archived_12_study_instance_uid_idx ON commitment.archived_12 USING btree (study_instance_uid);
CREATE INDEX archived_13_study_instance_uid_idx ON commitment.archived_13 USING btree (study_instance_uid);
CREATE INDEX archived_14_study_instance_uid_idx ON commitment.archived_14 USING btree (study_instance_uid);
CREATE INDEX archived_15_study_instance_uid_idx ON commitment.archived_15 USING btree (study_instance_uid);
CREATE INDEX attempt_commitment ON commitment.attempt USING btree (commitment);
CREATE UNIQUE INDEX commitment_collecting ON commitment.commitment USING btree (destination, server, study_instance_uid) WHERE (state = 'COLLECTING'::text);
CREATE INDEX commitment_created ON commitment.commitment USING btree (created_at DESC);
CREATE INDEX commitment_deadline ON commitment.commitment USING btree (deadline) WHERE (closed_at IS NULL);
CREATE INDEX commitment_failed ON commitment.commitment USING btree (finished_at) WHERE (state = 'FAILURE'::text);
CREATE INDEX commitment_lease ON commitment.commitment USING btree (lease_until) WHERE (state = 'ASKING'::text);
CREATE INDEX commitment_repeats ON commitment.commitment USING btree (repeats) WHERE (repeats IS NOT NULL);
CREATE INDEX commitment_study ON commitment.commitment USING btree (study_instance_uid);
CREATE INDEX commitment_succeeded ON commitment.commitment USING btree (finished_at) WHERE (state = 'SUCCESS'::text);
CREATE INDEX commitment_work ON commitment.commitment USING btree (server, next_attempt_at) WHERE (state = ANY (ARRAY['QUEUED'::text, 'UNANSWERED'::text]));
CREATE INDEX inbound_transaction ON ONLY commitment.inbound USING btree (calling_aet, transaction_uid);
CREATE INDEX inbound_default_calling_aet_transaction_uid_idx ON commitment.inbound_default USING btree (calling_aet, transaction_uid);
CREATE INDEX inbound_id ON ONLY commitment.inbound USING btree (id);
CREATE INDEX inbound_default_id_idx ON commitment.inbound_default USING btree (id);
CREATE INDEX inbound_work ON ONLY commitment.inbound USING btree (next_attempt_at) WHERE (state = ANY (ARRAY['CHECKING'::text, 'READY'::text, 'SENDING'::text]));
CREATE INDEX inbound_default_next_attempt_at_idx ON commitment.inbound_default USING btree (next_attempt_at) WHERE (state = ANY (ARRAY['CHECKING'::text, 'READY'::text, 'SENDING'::text]));
CREATE INDEX inbound_object_key ON ONLY commitment.inbound USING btree (object_key);
CREATE INDEX inbound_default_object_key_idx ON commitment.inbound_default USING btree (object_key);
CREATE INDEX inbound_item_instance ON ONLY commitment.inbound_item USING btree (sop_instance_uid);
CREATE INDEX inbound_item_default_sop_instance_uid_idx ON commitment.inbound_item_default USING btree (sop_instance_uid);
CREATE INDEX item_commitment ON ONLY commitment.item USING btree (commitment);
CREATE INDEX item_default_commitment_idx ON commitment.item_default USING btree (commitment);
CREATE INDEX item_send_again ON ONLY commitment.item USING btree (commitment) WHERE send_again;
CREATE INDEX item_default_commitment_idx1 ON commitment.item_default USING btree (commitment) WHERE send_again;
CREATE INDEX item_instance ON ONLY commitment.item USING btree (sop_instance_uid);
CREATE INDEX item_default_sop_instance_uid_idx ON commitment.item_default USING btree (sop_instance_uid);
CREATE INDEX report_commitment ON ONLY commitment.report USING btree (commitment) WHERE (commitment IS NOT NULL);
CREATE INDEX report_default_commitment_idx ON commitment.report_default USING btree (commitment) WHERE (commitment IS NOT NULL);
CREATE INDEX report_object_key ON ONLY commitment.report USING btree (object_key);
CREATE INDEX report_default_object_key_idx ON commitment.report_default USING btree (object_key);
CREATE INDEX report_transaction ON ONLY commitment.report USING btree (transaction_uid);
CREATE INDEX report_default_transaction_uid_idx ON commitment.report_default USING btree (transaction_uid);
CREATE INDEX action_begun ON config.action USING btree (begun_at);
CREATE INDEX erasure_asked ON config.erasure USING btree (asked_at DESC, id);
CREATE UNIQUE INDEX erasure_open ON config.erasure USING btree (patient_hmac) WHERE (state = ANY (ARRAY['ASKED'::text, 'RUNNING'::text]));
CREATE INDEX failed_login_address ON config.failed_login USING btree (address, at);
CREATE INDEX failed_login_name ON config.failed_login USING btree (name, at);
CREATE UNIQUE INDEX hold_open ON config.hold USING btree (kind, name) WHERE (ended_at IS NULL);
CREATE INDEX notice_event_at ON config.notice_event USING btree (at);
CREATE INDEX notice_event_new ON config.notice_event USING btree (id) WHERE (addressed_at IS NULL);
CREATE INDEX notice_made ON config.notice USING btree (made_at DESC, event DESC);
CREATE INDEX notice_waiting ON config.notice USING btree (contact, channel) WHERE (state = 'WAITING'::text);
CREATE INDEX oidc_attempt_begun ON config.oidc_attempt USING btree (begun_at);
CREATE INDEX reconciliation_title ON config.reconciliation USING btree (title, started_at DESC);
CREATE INDEX request_requested_at ON config.request USING btree (requested_at);
CREATE INDEX session_account ON config.session USING btree (account);
CREATE INDEX session_seen ON config.session USING btree (seen_at);
CREATE UNIQUE INDEX station_pet_raw ON config.station USING btree (pet_raw) WHERE pet_raw;
CREATE INDEX instance_series ON index.instance USING btree (study_instance_uid, series_instance_uid);
CREATE INDEX patient_id_pattern ON index.patient USING btree (patient_id text_pattern_ops);
CREATE INDEX patient_name_ideographic ON index.patient USING btree (name_ideographic text_pattern_ops);
CREATE INDEX patient_name_phonetic ON index.patient USING btree (name_phonetic text_pattern_ops);
CREATE INDEX patient_name_whole ON index.patient USING btree (name_whole text_pattern_ops);
CREATE INDEX series_modality ON index.series USING btree (modality text_pattern_ops, study_instance_uid);
CREATE INDEX series_uid ON index.series USING btree (series_instance_uid);
CREATE INDEX study_accession ON index.study USING btree (accession_number text_pattern_ops);
CREATE INDEX study_date ON index.study USING btree (study_date);
CREATE INDEX study_description ON index.study USING btree (description text_pattern_ops);
CREATE INDEX study_description_trigrams ON index.study USING gin (index.trigrams(lower((description COLLATE "C"))));
CREATE INDEX study_id_pattern ON index.study USING btree (study_id text_pattern_ops);
CREATE INDEX study_patient ON index.study USING btree (patient);
CREATE INDEX study_physician_trigrams ON index.study USING gin (index.trigrams(lower((referring_physician COLLATE "C"))));
CREATE INDEX study_updated ON index.study USING btree (updated_at, study_instance_uid);
CREATE INDEX retrieval_unfinished ON ONLY query.retrieval USING btree (renewed_at) WHERE (finished_at IS NULL);
CREATE INDEX retrieval_default_renewed_at_idx ON query.retrieval_default USING btree (renewed_at) WHERE (finished_at IS NULL);
CREATE INDEX suboperation_instance ON ONLY query.suboperation USING btree (sop_instance_uid);
CREATE INDEX suboperation_default_sop_instance_uid_idx ON query.suboperation_default USING btree (sop_instance_uid);
CREATE INDEX suboperation_study ON ONLY query.suboperation USING btree (study_instance_uid);
CREATE INDEX suboperation_default_study_instance_uid_idx ON query.suboperation_default USING btree (study_instance_uid);
CREATE INDEX attempt_delivery ON ONLY routing.attempt USING btree (delivery);
CREATE INDEX attempt_default_delivery_idx ON routing.attempt_default USING btree (delivery);
CREATE INDEX delivery_awaiting ON ONLY routing.delivery USING btree (study_instance_uid) WHERE ((awaits IS NOT NULL) AND (state = 'PENDING'::text));
CREATE INDEX delivery_committable ON ONLY routing.delivery USING btree (finished_at) WHERE (commit_on IS NOT NULL);
CREATE INDEX delivery_ended_badly ON ONLY routing.delivery USING btree (destination, finished_at) WHERE (state = ANY (ARRAY['FAILED'::text, 'CANCELED'::text]));
CREATE INDEX delivery_default_destination_finished_at_idx ON routing.delivery_default USING btree (destination, finished_at) WHERE (state = ANY (ARRAY['FAILED'::text, 'CANCELED'::text]));
CREATE INDEX delivery_done ON ONLY routing.delivery USING btree (destination, finished_at) WHERE (state = ANY (ARRAY['DELIVERED'::text, 'WARNED'::text]));
CREATE INDEX delivery_default_destination_finished_at_idx1 ON routing.delivery_default USING btree (destination, finished_at) WHERE (state = ANY (ARRAY['DELIVERED'::text, 'WARNED'::text]));
CREATE INDEX delivery_work ON ONLY routing.delivery USING btree (destination, priority DESC, next_attempt_at, id) WHERE (state = ANY (ARRAY['PENDING'::text, 'UNKNOWN'::text]));
CREATE INDEX delivery_default_destination_priority_next_attempt_at_id_idx ON routing.delivery_default USING btree (destination, priority DESC, next_attempt_at, id) WHERE (state = ANY (ARRAY['PENDING'::text, 'UNKNOWN'::text]));
CREATE INDEX delivery_in_doubt ON ONLY routing.delivery USING btree (destination, state) WHERE (state = ANY (ARRAY['SENDING'::text, 'UNKNOWN'::text]));
CREATE INDEX delivery_default_destination_state_idx ON routing.delivery_default USING btree (destination, state) WHERE (state = ANY (ARRAY['SENDING'::text, 'UNKNOWN'::text]));
CREATE INDEX delivery_default_finished_at_idx ON routing.delivery_default USING btree (finished_at) WHERE (commit_on IS NOT NULL);
CREATE INDEX delivery_held ON ONLY routing.delivery USING btree (hold, destination) WHERE ((hold IS NOT NULL) AND (state = ANY (ARRAY['PENDING'::text, 'UNKNOWN'::text])));
CREATE INDEX delivery_default_hold_destination_idx ON routing.delivery_default USING btree (hold, destination) WHERE ((hold IS NOT NULL) AND (state = ANY (ARRAY['PENDING'::text, 'UNKNOWN'::text])));
CREATE INDEX delivery_instead_of ON ONLY routing.delivery USING btree (instead_of) WHERE ((instead_of IS NOT NULL) AND (state = 'PENDING'::text));
CREATE INDEX delivery_default_instead_of_idx ON routing.delivery_default USING btree (instead_of) WHERE ((instead_of IS NOT NULL) AND (state = 'PENDING'::text));
CREATE INDEX delivery_held_job ON ONLY routing.delivery USING btree (job) WHERE ((hold IS NOT NULL) AND (state = ANY (ARRAY['PENDING'::text, 'UNKNOWN'::text])));
CREATE INDEX delivery_default_job_idx ON routing.delivery_default USING btree (job) WHERE ((hold IS NOT NULL) AND (state = ANY (ARRAY['PENDING'::text, 'UNKNOWN'::text])));
CREATE INDEX delivery_shut_job ON ONLY routing.delivery USING btree (job) WHERE ((shut IS NOT NULL) AND (state = ANY (ARRAY['PENDING'::text, 'UNKNOWN'::text])));
CREATE INDEX delivery_default_job_idx1 ON routing.delivery_default USING btree (job) WHERE ((shut IS NOT NULL) AND (state = ANY (ARRAY['PENDING'::text, 'UNKNOWN'::text])));
CREATE INDEX delivery_job ON ONLY routing.delivery USING btree (job, state);
CREATE INDEX delivery_default_job_state_idx ON routing.delivery_default USING btree (job, state);
CREATE INDEX delivery_of_rule ON ONLY routing.delivery USING btree (rule) WHERE ((state = ANY (ARRAY['PENDING'::text, 'UNKNOWN'::text])) AND (next_attempt_at < 'infinity'::timestamp with time zone) AND (rule <> ''::text));
CREATE INDEX delivery_default_rule_idx ON routing.delivery_default USING btree (rule) WHERE ((state = ANY (ARRAY['PENDING'::text, 'UNKNOWN'::text])) AND (next_attempt_at < 'infinity'::timestamp with time zone) AND (rule <> ''::text));
CREATE INDEX delivery_scheduled ON ONLY routing.delivery USING btree (schedule) WHERE ((state = ANY (ARRAY['PENDING'::text, 'UNKNOWN'::text])) AND (next_attempt_at < 'infinity'::timestamp with time zone) AND (schedule IS NOT NULL));
CREATE INDEX delivery_default_schedule_idx ON routing.delivery_default USING btree (schedule) WHERE ((state = ANY (ARRAY['PENDING'::text, 'UNKNOWN'::text])) AND (next_attempt_at < 'infinity'::timestamp with time zone) AND (schedule IS NOT NULL));
CREATE INDEX delivery_shut_rule ON ONLY routing.delivery USING btree (schedule) WHERE ((shut = 'rule'::text) AND (state = ANY (ARRAY['PENDING'::text, 'UNKNOWN'::text])));
CREATE INDEX delivery_default_schedule_idx1 ON routing.delivery_default USING btree (schedule) WHERE ((shut = 'rule'::text) AND (state = ANY (ARRAY['PENDING'::text, 'UNKNOWN'::text])));
CREATE INDEX delivery_sent_uid ON ONLY routing.delivery USING btree (sent_sop_instance_uid) WHERE (sent_sop_instance_uid IS NOT NULL);
CREATE INDEX delivery_default_sent_sop_instance_uid_idx ON routing.delivery_default USING btree (sent_sop_instance_uid) WHERE (sent_sop_instance_uid IS NOT NULL);
CREATE INDEX delivery_shut ON ONLY routing.delivery USING btree (shut, destination) WHERE ((shut IS NOT NULL) AND (state = ANY (ARRAY['PENDING'::text, 'UNKNOWN'::text])));
CREATE INDEX delivery_default_shut_destination_idx ON routing.delivery_default USING btree (shut, destination) WHERE ((shut IS NOT NULL) AND (state = ANY (ARRAY['PENDING'::text, 'UNKNOWN'::text])));
CREATE INDEX delivery_instance ON ONLY routing.delivery USING btree (sop_instance_uid, destination);
CREATE INDEX delivery_default_sop_instance_uid_destination_idx ON routing.delivery_default USING btree (sop_instance_uid, destination);
CREATE INDEX delivery_of_source ON ONLY routing.delivery USING btree (source) WHERE ((state = ANY (ARRAY['PENDING'::text, 'UNKNOWN'::text])) AND (next_attempt_at < 'infinity'::timestamp with time zone) AND (source <> ''::text));
CREATE INDEX delivery_default_source_idx ON routing.delivery_default USING btree (source) WHERE ((state = ANY (ARRAY['PENDING'::text, 'UNKNOWN'::text])) AND (next_attempt_at < 'infinity'::timestamp with time zone) AND (source <> ''::text));
CREATE INDEX delivery_study ON ONLY routing.delivery USING btree (study_instance_uid);
CREATE INDEX delivery_default_study_instance_uid_idx ON routing.delivery_default USING btree (study_instance_uid);
CREATE INDEX delivery_default_study_instance_uid_idx1 ON routing.delivery_default USING btree (study_instance_uid) WHERE ((awaits IS NOT NULL) AND (state = 'PENDING'::text));
CREATE INDEX ended_association_recorded ON routing.ended_association USING btree (recorded_at);
CREATE INDEX evaluation_unmatched ON ONLY routing.evaluation USING btree (received_at) WHERE (matched = '[]'::jsonb);
CREATE INDEX evaluation_default_received_at_idx ON routing.evaluation_default USING btree (received_at) WHERE (matched = '[]'::jsonb);
CREATE INDEX evaluation_late ON ONLY routing.evaluation USING btree (received_at) WHERE (matched @? '$[*]."not_sent".*?(@ starts with "late: ")'::jsonpath);
CREATE INDEX evaluation_default_received_at_idx1 ON routing.evaluation_default USING btree (received_at) WHERE (matched @? '$[*]."not_sent".*?(@ starts with "late: ")'::jsonpath);
CREATE INDEX evaluation_instance ON ONLY routing.evaluation USING btree (sop_instance_uid);
CREATE INDEX evaluation_default_sop_instance_uid_idx ON routing.evaluation_default USING btree (sop_instance_uid);
CREATE UNIQUE INDEX job_collecting ON routing.job USING btree (rule, level, destination, group_uid) WHERE ((released_at IS NULL) AND (request IS NULL) AND (level <> 'instance'::text));
CREATE INDEX job_counted ON routing.job USING btree (counted_at) WHERE ((released_at IS NULL) AND (counted_at <> ''::text));
CREATE INDEX job_created ON routing.job USING btree (created_at DESC);
CREATE INDEX job_ended ON routing.job USING btree (state, finished_at) WHERE (finished_at IS NOT NULL);
CREATE INDEX job_of_state ON routing.job USING btree (state, created_at DESC, id DESC);
CREATE INDEX job_retrieves ON routing.job USING btree (created_at DESC, id DESC) WHERE (kind = 'retrieve'::text);
CREATE INDEX job_retrieving ON routing.job USING btree (created_at) WHERE ((kind = 'retrieve'::text) AND (finished_at IS NULL));
CREATE INDEX job_study ON routing.job USING btree (study_instance_uid, destination);
CREATE INDEX job_to ON routing.job USING btree (destination, created_at DESC, id DESC);
CREATE INDEX job_unreleased ON routing.job USING btree (last_received_at) WHERE (released_at IS NULL);
CREATE INDEX retrieval_move_study ON routing.retrieval_move USING btree (study_instance_uid) WHERE (asked_at IS NOT NULL);
CREATE INDEX retrieval_source ON routing.retrieval USING btree (source);
CREATE UNIQUE INDEX dead_letter_once ON runtime.dead_letter USING btree (queue, fingerprint) WHERE (state = 'PARKED'::text);
CREATE INDEX outbox_unpublished ON ONLY runtime.outbox USING btree (attempts, id) WHERE (published_at IS NULL);
CREATE INDEX outbox_default_attempts_id_idx ON runtime.outbox_default USING btree (attempts, id) WHERE (published_at IS NULL);
CREATE INDEX outbox_replayed ON ONLY runtime.outbox USING btree (id) WHERE (exchange = ''::text);
CREATE INDEX outbox_default_id_idx ON runtime.outbox_default USING btree (id) WHERE (exchange = ''::text);
CREATE INDEX fact_patient ON ONLY storage.fact USING btree ("left"((facts #>> '{values,00100020,0}'::text[]), 256));
CREATE INDEX fact_default_left_idx ON storage.fact_default USING btree ("left"((facts #>> '{values,00100020,0}'::text[]), 256));
CREATE INDEX identity_hidden ON ONLY storage.identity USING btree (state_at) WHERE (state = ANY (ARRAY['DELETING'::text, 'DELETED'::text]));
CREATE INDEX identity_00_state_at_idx ON storage.identity_00 USING btree (state_at) WHERE (state = ANY (ARRAY['DELETING'::text, 'DELETED'::text]));
CREATE INDEX identity_study ON ONLY storage.identity USING btree (study_instance_uid);
CREATE INDEX identity_00_study_instance_uid_idx ON storage.identity_00 USING btree (study_instance_uid);
CREATE INDEX identity_01_state_at_idx ON storage.identity_01 USING btree (state_at) WHERE (state = ANY (ARRAY['DELETING'::text, 'DELETED'::text]));
CREATE INDEX identity_01_study_instance_uid_idx ON storage.identity_01 USING btree (study_instance_uid);
CREATE INDEX identity_02_state_at_idx ON storage.identity_02 USING btree (state_at) WHERE (state = ANY (ARRAY['DELETING'::text, 'DELETED'::text]));
CREATE INDEX identity_02_study_instance_uid_idx ON storage.identity_02 USING btree (study_instance_uid);
CREATE INDEX identity_03_state_at_idx ON storage.identity_03 USING btree (state_at) WHERE (state = ANY (ARRAY['DELETING'::text, 'DELETED'::text]));
CREATE INDEX identity_03_study_instance_uid_idx ON storage.identity_03 USING btree (study_instance_uid);
CREATE INDEX identity_04_state_at_idx ON storage.identity_04 USING btree (state_at) WHERE (state = ANY (ARRAY['DELETING'::text, 'DELETED'::text]));
CREATE INDEX identity_04_study_instance_uid_idx ON storage.identity_04 USING btree (study_instance_uid);
CREATE INDEX identity_05_state_at_idx ON storage.identity_05 USING btree (state_at) WHERE (state = ANY (ARRAY['DELETING'::text, 'DELETED'::text]));
CREATE INDEX identity_05_study_instance_uid_idx ON storage.identity_05 USING btree (study_instance_uid);
CREATE INDEX identity_06_state_at_idx ON storage.identity_06 USING btree (state_at) WHERE (state = ANY (ARRAY['DELETING'::text, 'DELETED'::text]));
CREATE INDEX identity_06_study_instance_uid_idx ON storage.identity_06 USING btree (study_instance_uid);
CREATE INDEX identity_07_state_at_idx ON storage.identity_07 USING btree (state_at) WHERE (state = ANY (ARRAY['DELETING'::text, 'DELETED'::text]));
CREATE INDEX identity_07_study_instance_uid_idx ON storage.identity_07 USING btree (study_instance_uid);
CREATE INDEX identity_08_state_at_idx ON storage.identity_08 USING btree (state_at) WHERE (state = ANY (ARRAY['DELETING'::text, 'DELETED'::text]));
CREATE INDEX identity_08_study_instance_uid_idx ON storage.identity_08 USING btree (study_instance_uid);
CREATE INDEX identity_09_state_at_idx ON storage.identity_09 USING btree (state_at) WHERE (state = ANY (ARRAY['DELETING'::text, 'DELETED'::text]));
CREATE INDEX identity_09_study_instance_uid_idx ON storage.identity_09 USING btree (study_instance_uid);
CREATE INDEX identity_10_state_at_idx ON storage.identity_10 USING btree (state_at) WHERE (state = ANY (ARRAY['DELETING'::text, 'DELETED'::text]));
CREATE INDEX identity_10_study_instance_uid_idx ON storage.identity_10 USING btree (study_instance_uid);
CREATE INDEX identity_11_state_at_idx ON storage.identity_11 USING btree (state_at) WHERE (state = ANY (ARRAY['DELETING'::text, 'DELETED'::text]));
CREATE INDEX identity_11_study_instance_uid_idx ON storage.identity_11 USING btree (study_instance_uid);
CREATE INDEX identity_12_state_at_idx ON storage.identity_12 USING btree (state_at) WHERE (state = ANY (ARRAY['DELETING'::text, 'DELETED'::text]));
CREATE INDEX identity_12_study_instance_uid_idx ON storage.identity_12 USING btree (study_instance_uid);
CREATE INDEX identity_13_state_at_idx ON storage.identity_13 USING btree (state_at) WHERE (state = ANY (ARRAY['DELETING'::text, 'DELETED'::text]));
CREATE INDEX identity_13_study_instance_uid_idx ON storage.identity_13 USING btree (study_instance_uid);
CREATE INDEX identity_14_state_at_idx ON storage.identity_14 USING btree (state_at) WHERE (state = ANY (ARRAY['DELETING'::text, 'DELETED'::text]));
CREATE INDEX identity_14_study_instance_uid_idx ON storage.identity_14 USING btree (study_instance_uid);
CREATE INDEX identity_15_state_at_idx ON storage.identity_15 USING btree (state_at) WHERE (state = ANY (ARRAY['DELETING'::text, 'DELETED'::text]));
CREATE INDEX identity_15_study_instance_uid_idx ON storage.identity_15 USING btree (study_instance_uid);
CREATE INDEX receipt_sender ON ONLY storage.receipt USING btree (calling_aet, received_at DESC);
CREATE INDEX receipt_default_calling_aet_received_at_idx ON storage.receipt_default USING btree (calling_aet, received_at DESC);
CREATE INDEX receipt_object_key ON ONLY storage.receipt USING btree (object_key);
CREATE INDEX receipt_default_object_key_idx ON storage.receipt_default USING btree (object_key);
CREATE INDEX receipt_to_delete ON ONLY storage.receipt USING btree (object_state) WHERE (object_state <> 'PRESENT'::text);
CREATE INDEX receipt_default_object_state_idx ON storage.receipt_default USING btree (object_state) WHERE (object_state <> 'PRESENT'::text);
CREATE INDEX receipt_too_often ON ONLY storage.receipt USING btree (received_at) WHERE (flags @> ARRAY['received-too-often'::text]);
CREATE INDEX receipt_default_received_at_idx ON storage.receipt_default USING btree (received_at) WHERE (flags @> ARRAY['received-too-often'::text]);
CREATE INDEX receipt_recorded_at ON ONLY storage.receipt USING btree (recorded_at);
CREATE INDEX receipt_default_recorded_at_idx ON storage.receipt_default USING btree (recorded_at);
CREATE INDEX receipt_instance ON ONLY storage.receipt USING btree (sop_instance_uid);
CREATE INDEX receipt_default_sop_instance_uid_idx ON storage.receipt_default USING btree (sop_instance_uid);
CREATE INDEX receipt_study ON ONLY storage.receipt USING btree (study_instance_uid);
CREATE INDEX receipt_default_study_instance_uid_idx ON storage.receipt_default USING btree (study_instance_uid);
CREATE INDEX retention_due ON storage.retention USING btree (look_at);
CREATE INDEX retention_oldest ON storage.retention USING btree (last_received_at);
ALTER INDEX audit.entry_action ATTACH PARTITION audit.entry_default_action_at_idx;
ALTER INDEX audit.entry_pkey ATTACH PARTITION audit.entry_default_pkey;
ALTER INDEX commitment.archive_history_pkey ATTACH PARTITION commitment.archive_history_default_pkey;
ALTER INDEX commitment.archive_history_instance ATTACH PARTITION commitment.archive_history_default_sop_instance_uid_idx;
ALTER INDEX commitment.archived_pkey ATTACH PARTITION commitment.archived_00_pkey;
ALTER INDEX commitment.archived_study ATTACH PARTITION commitment.archived_00_study_instance_uid_idx;
ALTER INDEX commitment.archived_pkey ATTACH PARTITION commitment.archived_01_pkey;
ALTER INDEX commitment.archived_study ATTACH PARTITION commitment.archived_01_study_instance_uid_idx;
ALTER INDEX commitment.archived_pkey ATTACH PARTITION commitment.archived_02_pkey;
ALTER INDEX commitment.archived_study ATTACH PARTITION commitment.archived_02_study_instance_uid_idx;
ALTER INDEX commitment.archived_pkey ATTACH PARTITION commitment.archived_03_pkey;
ALTER INDEX commitment.archived_study ATTACH PARTITION commitment.archived_03_study_instance_uid_idx;
ALTER INDEX commitment.archived_pkey ATTACH PARTITION commitment.archived_04_pkey;
ALTER INDEX commitment.archived_study ATTACH PARTITION commitment.archived_04_study_instance_uid_idx;
ALTER INDEX commitment.archived_pkey ATTACH PARTITION commitment.archived_05_pkey;
ALTER INDEX commitment.archived_study ATTACH PARTITION commitment.archived_05_study_instance_uid_idx;
ALTER INDEX commitment.archived_pkey ATTACH PARTITION commitment.archived_06_pkey;
ALTER INDEX commitment.archived_study ATTACH PARTITION commitment.archived_06_study_instance_uid_idx;
ALTER INDEX commitment.archived_pkey ATTACH PARTITION commitment.archived_07_pkey;
ALTER INDEX commitment.archived_study ATTACH PARTITION commitment.archived_07_study_instance_uid_idx;
ALTER INDEX commitment.archived_pkey ATTACH PARTITION commitment.archived_08_pkey;
ALTER INDEX commitment.archived_study ATTACH PARTITION commitment.archived_08_study_instance_uid_idx;
ALTER INDEX commitment.archived_pkey ATTACH PARTITION commitment.archived_09_pkey;
ALTER INDEX commitment.archived_study ATTACH PARTITION commitment.archived_09_study_instance_uid_idx;
ALTER INDEX commitment.archived_pkey ATTACH PARTITION commitment.archived_10_pkey;
ALTER INDEX commitment.archived_study ATTACH PARTITION commitment.archived_10_study_instance_uid_idx;
ALTER INDEX commitment.archived_pkey ATTACH PARTITION commitment.archived_11_pkey;
ALTER INDEX commitment.archived_study ATTACH PARTITION commitment.archived_11_study_instance_uid_idx;
ALTER INDEX commitment.archived_pkey ATTACH PARTITION commitment.archived_12_pkey;
ALTER INDEX commitment.archived_study ATTACH PARTITION commitment.archived_12_study_instance_uid_idx;
ALTER INDEX commitment.archived_pkey ATTACH PARTITION commitment.archived_13_pkey;
ALTER INDEX commitment.archived_study ATTACH PARTITION commitment.archived_13_study_instance_uid_idx;
ALTER INDEX commitment.archived_pkey ATTACH PARTITION commitment.archived_14_pkey;
ALTER INDEX commitment.archived_study ATTACH PARTITION commitment.archived_14_study_instance_uid_idx;
ALTER INDEX commitment.archived_pkey ATTACH PARTITION commitment.archived_15_pkey;
ALTER INDEX commitment.archived_study ATTACH PARTITION commitment.archived_15_study_instance_uid_idx;
ALTER INDEX commitment.inbound_transaction ATTACH PARTITION commitment.inbound_default_calling_aet_transaction_uid_idx;
ALTER INDEX commitment.inbound_id ATTACH PARTITION commitment.inbound_default_id_idx;
ALTER INDEX commitment.inbound_work ATTACH PARTITION commitment.inbound_default_next_attempt_at_idx;
ALTER INDEX commitment.inbound_object_key ATTACH PARTITION commitment.inbound_default_object_key_idx;
ALTER INDEX commitment.inbound_pkey ATTACH PARTITION commitment.inbound_default_pkey;
ALTER INDEX commitment.inbound_received_at_object_key_key ATTACH PARTITION commitment.inbound_default_received_at_object_key_key;
ALTER INDEX commitment.inbound_item_pkey ATTACH PARTITION commitment.inbound_item_default_pkey;
ALTER INDEX commitment.inbound_item_instance ATTACH PARTITION commitment.inbound_item_default_sop_instance_uid_idx;
ALTER INDEX commitment.item_commitment ATTACH PARTITION commitment.item_default_commitment_idx;
ALTER INDEX commitment.item_send_again ATTACH PARTITION commitment.item_default_commitment_idx1;
ALTER INDEX commitment.item_pkey ATTACH PARTITION commitment.item_default_pkey;
ALTER INDEX commitment.item_instance ATTACH PARTITION commitment.item_default_sop_instance_uid_idx;
ALTER INDEX commitment.report_commitment ATTACH PARTITION commitment.report_default_commitment_idx;
ALTER INDEX commitment.report_object_key ATTACH PARTITION commitment.report_default_object_key_idx;
ALTER INDEX commitment.report_pkey ATTACH PARTITION commitment.report_default_pkey;
ALTER INDEX commitment.report_transaction ATTACH PARTITION commitment.report_default_transaction_uid_idx;
ALTER INDEX query.retrieval_pkey ATTACH PARTITION query.retrieval_default_pkey;
ALTER INDEX query.retrieval_unfinished ATTACH PARTITION query.retrieval_default_renewed_at_idx;
ALTER INDEX query.suboperation_pkey ATTACH PARTITION query.suboperation_default_pkey;
ALTER INDEX query.suboperation_instance ATTACH PARTITION query.suboperation_default_sop_instance_uid_idx;
ALTER INDEX query.suboperation_study ATTACH PARTITION query.suboperation_default_study_instance_uid_idx;
ALTER INDEX routing.attempt_delivery ATTACH PARTITION routing.attempt_default_delivery_idx;
ALTER INDEX routing.attempt_pkey ATTACH PARTITION routing.attempt_default_pkey;
ALTER INDEX routing.delivery_ended_badly ATTACH PARTITION routing.delivery_default_destination_finished_at_idx;
ALTER INDEX routing.delivery_done ATTACH PARTITION routing.delivery_default_destination_finished_at_idx1;
ALTER INDEX routing.delivery_work ATTACH PARTITION routing.delivery_default_destination_priority_next_attempt_at_id_idx;
ALTER INDEX routing.delivery_in_doubt ATTACH PARTITION routing.delivery_default_destination_state_idx;
ALTER INDEX routing.delivery_committable ATTACH PARTITION routing.delivery_default_finished_at_idx;
ALTER INDEX routing.delivery_held ATTACH PARTITION routing.delivery_default_hold_destination_idx;
ALTER INDEX routing.delivery_instead_of ATTACH PARTITION routing.delivery_default_instead_of_idx;
ALTER INDEX routing.delivery_held_job ATTACH PARTITION routing.delivery_default_job_idx;
ALTER INDEX routing.delivery_shut_job ATTACH PARTITION routing.delivery_default_job_idx1;
ALTER INDEX routing.delivery_job ATTACH PARTITION routing.delivery_default_job_state_idx;
ALTER INDEX routing.delivery_pkey ATTACH PARTITION routing.delivery_default_pkey;
ALTER INDEX routing.delivery_received_at_sop_instance_uid_revision_destination__key ATTACH PARTITION routing.delivery_default_received_at_sop_instance_uid_revision_dest_key;
ALTER INDEX routing.delivery_of_rule ATTACH PARTITION routing.delivery_default_rule_idx;
ALTER INDEX routing.delivery_scheduled ATTACH PARTITION routing.delivery_default_schedule_idx;
ALTER INDEX routing.delivery_shut_rule ATTACH PARTITION routing.delivery_default_schedule_idx1;
ALTER INDEX routing.delivery_sent_uid ATTACH PARTITION routing.delivery_default_sent_sop_instance_uid_idx;
ALTER INDEX routing.delivery_shut ATTACH PARTITION routing.delivery_default_shut_destination_idx;
ALTER INDEX routing.delivery_instance ATTACH PARTITION routing.delivery_default_sop_instance_uid_destination_idx;
ALTER INDEX routing.delivery_of_source ATTACH PARTITION routing.delivery_default_source_idx;
ALTER INDEX routing.delivery_study ATTACH PARTITION routing.delivery_default_study_instance_uid_idx;
ALTER INDEX routing.delivery_awaiting ATTACH PARTITION routing.delivery_default_study_instance_uid_idx1;
ALTER INDEX routing.evaluation_pkey ATTACH PARTITION routing.evaluation_default_pkey;
ALTER INDEX routing.evaluation_unmatched ATTACH PARTITION routing.evaluation_default_received_at_idx;
ALTER INDEX routing.evaluation_late ATTACH PARTITION routing.evaluation_default_received_at_idx1;
ALTER INDEX routing.evaluation_instance ATTACH PARTITION routing.evaluation_default_sop_instance_uid_idx;
ALTER INDEX runtime.outbox_unpublished ATTACH PARTITION runtime.outbox_default_attempts_id_idx;
ALTER INDEX runtime.outbox_replayed ATTACH PARTITION runtime.outbox_default_id_idx;
ALTER INDEX runtime.outbox_pkey ATTACH PARTITION runtime.outbox_default_pkey;
ALTER INDEX storage.fact_patient ATTACH PARTITION storage.fact_default_left_idx;
ALTER INDEX storage.fact_pkey ATTACH PARTITION storage.fact_default_pkey;
ALTER INDEX storage.identity_pkey ATTACH PARTITION storage.identity_00_pkey;
ALTER INDEX storage.identity_sop_instance_uid_sha256_key ATTACH PARTITION storage.identity_00_sop_instance_uid_sha256_key;
ALTER INDEX storage.identity_hidden ATTACH PARTITION storage.identity_00_state_at_idx;
ALTER INDEX storage.identity_study ATTACH PARTITION storage.identity_00_study_instance_uid_idx;
ALTER INDEX storage.identity_pkey ATTACH PARTITION storage.identity_01_pkey;
ALTER INDEX storage.identity_sop_instance_uid_sha256_key ATTACH PARTITION storage.identity_01_sop_instance_uid_sha256_key;
ALTER INDEX storage.identity_hidden ATTACH PARTITION storage.identity_01_state_at_idx;
ALTER INDEX storage.identity_study ATTACH PARTITION storage.identity_01_study_instance_uid_idx;
ALTER INDEX storage.identity_pkey ATTACH PARTITION storage.identity_02_pkey;
ALTER INDEX storage.identity_sop_instance_uid_sha256_key ATTACH PARTITION storage.identity_02_sop_instance_uid_sha256_key;
ALTER INDEX storage.identity_hidden ATTACH PARTITION storage.identity_02_state_at_idx;
ALTER INDEX storage.identity_study ATTACH PARTITION storage.identity_02_study_instance_uid_idx;
ALTER INDEX storage.identity_pkey ATTACH PARTITION storage.identity_03_pkey;
ALTER INDEX storage.identity_sop_instance_uid_sha256_key ATTACH PARTITION storage.identity_03_sop_instance_uid_sha256_key;
ALTER INDEX storage.identity_hidden ATTACH PARTITION storage.identity_03_state_at_idx;
ALTER INDEX storage.identity_study ATTACH PARTITION storage.identity_03_study_instance_uid_idx;
ALTER INDEX storage.identity_pkey ATTACH PARTITION storage.identity_04_pkey;
ALTER INDEX storage.identity_sop_instance_uid_sha256_key ATTACH PARTITION storage.identity_04_sop_instance_uid_sha256_key;
ALTER INDEX storage.identity_hidden ATTACH PARTITION storage.identity_04_state_at_idx;
ALTER INDEX storage.identity_study ATTACH PARTITION storage.identity_04_study_instance_uid_idx;
ALTER INDEX storage.identity_pkey ATTACH PARTITION storage.identity_05_pkey;
ALTER INDEX storage.identity_sop_instance_uid_sha256_key ATTACH PARTITION storage.identity_05_sop_instance_uid_sha256_key;
ALTER INDEX storage.identity_hidden ATTACH PARTITION storage.identity_05_state_at_idx;
ALTER INDEX storage.identity_study ATTACH PARTITION storage.identity_05_study_instance_uid_idx;
ALTER INDEX storage.identity_pkey ATTACH PARTITION storage.identity_06_pkey;
ALTER INDEX storage.identity_sop_instance_uid_sha256_key ATTACH PARTITION storage.identity_06_sop_instance_uid_sha256_key;
ALTER INDEX storage.identity_hidden ATTACH PARTITION storage.identity_06_state_at_idx;
ALTER INDEX storage.identity_study ATTACH PARTITION storage.identity_06_study_instance_uid_idx;
ALTER INDEX storage.identity_pkey ATTACH PARTITION storage.identity_07_pkey;
ALTER INDEX storage.identity_sop_instance_uid_sha256_key ATTACH PARTITION storage.identity_07_sop_instance_uid_sha256_key;
ALTER INDEX storage.identity_hidden ATTACH PARTITION storage.identity_07_state_at_idx;
ALTER INDEX storage.identity_study ATTACH PARTITION storage.identity_07_study_instance_uid_idx;
ALTER INDEX storage.identity_pkey ATTACH PARTITION storage.identity_08_pkey;
ALTER INDEX storage.identity_sop_instance_uid_sha256_key ATTACH PARTITION storage.identity_08_sop_instance_uid_sha256_key;
ALTER INDEX storage.identity_hidden ATTACH PARTITION storage.identity_08_state_at_idx;
ALTER INDEX storage.identity_study ATTACH PARTITION storage.identity_08_study_instance_uid_idx;
ALTER INDEX storage.identity_pkey ATTACH PARTITION storage.identity_09_pkey;
ALTER INDEX storage.identity_sop_instance_uid_sha256_key ATTACH PARTITION storage.identity_09_sop_instance_uid_sha256_key;
ALTER INDEX storage.identity_hidden ATTACH PARTITION storage.identity_09_state_at_idx;
ALTER INDEX storage.identity_study ATTACH PARTITION storage.identity_09_study_instance_uid_idx;
ALTER INDEX storage.identity_pkey ATTACH PARTITION storage.identity_10_pkey;
ALTER INDEX storage.identity_sop_instance_uid_sha256_key ATTACH PARTITION storage.identity_10_sop_instance_uid_sha256_key;
ALTER INDEX storage.identity_hidden ATTACH PARTITION storage.identity_10_state_at_idx;
ALTER INDEX storage.identity_study ATTACH PARTITION storage.identity_10_study_instance_uid_idx;
ALTER INDEX storage.identity_pkey ATTACH PARTITION storage.identity_11_pkey;
ALTER INDEX storage.identity_sop_instance_uid_sha256_key ATTACH PARTITION storage.identity_11_sop_instance_uid_sha256_key;
ALTER INDEX storage.identity_hidden ATTACH PARTITION storage.identity_11_state_at_idx;
ALTER INDEX storage.identity_study ATTACH PARTITION storage.identity_11_study_instance_uid_idx;
ALTER INDEX storage.identity_pkey ATTACH PARTITION storage.identity_12_pkey;
ALTER INDEX storage.identity_sop_instance_uid_sha256_key ATTACH PARTITION storage.identity_12_sop_instance_uid_sha256_key;
ALTER INDEX storage.identity_hidden ATTACH PARTITION storage.identity_12_state_at_idx;
ALTER INDEX storage.identity_study ATTACH PARTITION storage.identity_12_study_instance_uid_idx;
ALTER INDEX storage.identity_pkey ATTACH PARTITION storage.identity_13_pkey;
ALTER INDEX storage.identity_sop_instance_uid_sha256_key ATTACH PARTITION storage.identity_13_sop_instance_uid_sha256_key;
ALTER INDEX storage.identity_hidden ATTACH PARTITION storage.identity_13_state_at_idx;
ALTER INDEX storage.identity_study ATTACH PARTITION storage.identity_13_study_instance_uid_idx;
ALTER INDEX storage.identity_pkey ATTACH PARTITION storage.identity_14_pkey;
ALTER INDEX storage.identity_sop_instance_uid_sha256_key ATTACH PARTITION storage.identity_14_sop_instance_uid_sha256_key;
ALTER INDEX storage.identity_hidden ATTACH PARTITION storage.identity_14_state_at_idx;
ALTER INDEX storage.identity_study ATTACH PARTITION storage.identity_14_study_instance_uid_idx;
ALTER INDEX storage.identity_pkey ATTACH PARTITION storage.identity_15_pkey;
ALTER INDEX storage.identity_sop_instance_uid_sha256_key ATTACH PARTITION storage.identity_15_sop_instance_uid_sha256_key;
ALTER INDEX storage.identity_hidden ATTACH PARTITION storage.identity_15_state_at_idx;
ALTER INDEX storage.identity_study ATTACH PARTITION storage.identity_15_study_instance_uid_idx;
ALTER INDEX storage.receipt_sender ATTACH PARTITION storage.receipt_default_calling_aet_received_at_idx;
ALTER INDEX storage.receipt_object_key ATTACH PARTITION storage.receipt_default_object_key_idx;
ALTER INDEX storage.receipt_to_delete ATTACH PARTITION storage.receipt_default_object_state_idx;
ALTER INDEX storage.receipt_pkey ATTACH PARTITION storage.receipt_default_pkey;
ALTER INDEX storage.receipt_too_often ATTACH PARTITION storage.receipt_default_received_at_idx;
ALTER INDEX storage.receipt_recorded_at ATTACH PARTITION storage.receipt_default_recorded_at_idx;
ALTER INDEX storage.receipt_instance ATTACH PARTITION storage.receipt_default_sop_instance_uid_idx;
ALTER INDEX storage.receipt_study ATTACH PARTITION storage.receipt_default_study_instance_uid_idx;
CREATE TRIGGER put_into_outbox AFTER INSERT ON audit.entry FOR EACH ROW EXECUTE FUNCTION audit.put_into_outbox();
CREATE TRIGGER rule_set_never_changes BEFORE DELETE OR UPDATE OR TRUNCATE ON config.rule_set FOR EACH STATEMENT EXECUTE FUNCTION config.refuse_change_of_rule_set();
CREATE TRIGGER note_first_outage AFTER INSERT ON routing.destination FOR EACH ROW WHEN ((new.open_since IS NOT NULL)) EXECUTE FUNCTION routing.note_outage();
CREATE TRIGGER note_outage AFTER UPDATE OF open_since ON routing.destination FOR EACH ROW WHEN ((old.open_since IS DISTINCT FROM new.open_since)) EXECUTE FUNCTION routing.note_outage();
ALTER TABLE ONLY commitment.attempt
    ADD CONSTRAINT attempt_commitment_fkey FOREIGN KEY (commitment) REFERENCES commitment.commitment(id);
ALTER TABLE ONLY commitment.commitment
    ADD CONSTRAINT commitment_repeats_fkey FOREIGN KEY (repeats) REFERENCES commitment.commitment(id);
ALTER TABLE ONLY config.erasure_item
    ADD CONSTRAINT erasure_item_erasure_fkey FOREIGN KEY (erasure) REFERENCES config.erasure(id);
ALTER TABLE ONLY config.notice
    ADD CONSTRAINT notice_event_fkey FOREIGN KEY (event) REFERENCES config.notice_event(id) ON DELETE CASCADE;
ALTER TABLE ONLY config.pull
    ADD CONSTRAINT pull_title_fkey FOREIGN KEY (title) REFERENCES config.station(title) ON DELETE CASCADE;
ALTER TABLE ONLY config.pulled
    ADD CONSTRAINT pulled_title_fkey FOREIGN KEY (title) REFERENCES config.station(title) ON DELETE CASCADE;
ALTER TABLE ONLY config.rule_set_activation
    ADD CONSTRAINT rule_set_activation_rule_set_fkey FOREIGN KEY (rule_set) REFERENCES config.rule_set(number);
ALTER TABLE ONLY config.rule_set
    ADD CONSTRAINT rule_set_copied_from_fkey FOREIGN KEY (copied_from) REFERENCES config.rule_set(number);
ALTER TABLE ONLY config.session
    ADD CONSTRAINT session_account_fkey FOREIGN KEY (account) REFERENCES config.account(name) ON DELETE CASCADE;
ALTER TABLE ONLY config.station
    ADD CONSTRAINT station_commit_on_fkey FOREIGN KEY (commit_on) REFERENCES config.station(title);
ALTER TABLE ONLY index.instance
    ADD CONSTRAINT instance_study_instance_uid_series_instance_uid_fkey FOREIGN KEY (study_instance_uid, series_instance_uid) REFERENCES index.series(study_instance_uid, series_instance_uid);
ALTER TABLE ONLY index.series
    ADD CONSTRAINT series_study_instance_uid_fkey FOREIGN KEY (study_instance_uid) REFERENCES index.study(study_instance_uid);
ALTER TABLE ONLY index.study
    ADD CONSTRAINT study_patient_fkey FOREIGN KEY (patient) REFERENCES index.patient(id);
ALTER TABLE ONLY routing.job_association
    ADD CONSTRAINT job_association_job_fkey FOREIGN KEY (job) REFERENCES routing.job(id);
ALTER TABLE ONLY routing.retrieval
    ADD CONSTRAINT retrieval_job_fkey FOREIGN KEY (job) REFERENCES routing.job(id);
ALTER TABLE ONLY routing.retrieval_move
    ADD CONSTRAINT retrieval_move_job_fkey FOREIGN KEY (job) REFERENCES routing.retrieval(job);
