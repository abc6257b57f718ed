"""What the service counts: the state of the whole gateway as its database tells it."""

from prometheus_client import Counter, Gauge

STATIONS = Gauge("gateway_admin_stations", "Stations that are defined")
LIVE_RULE_SET = Gauge("gateway_admin_live_rule_set", "Number of the live rule set, 0 before the first is applied")
CONFIGURATION = Gauge("gateway_admin_configuration", "Number of the configuration; every change adds one")
JOBS = Gauge("gateway_admin_jobs", "Jobs that are open or ended within 24 hours", ["state"])
RECONCILE_MISSING = Gauge(
    "gateway_admin_reconcile_missing", "Instances that a station had not got in its last night", ["station"]
)
RECONCILE_FAILING = Gauge(
    "gateway_admin_reconcile_failing", "1: the night of a station could not be done yet", ["station"]
)
PULL_MISSING = Gauge(
    "gateway_admin_pull_missing",
    "Studies of which a station has more than was ever here, although they were retrieved",
    ["station"],
)
PULL_FAILING = Gauge("gateway_admin_pull_failing", "1: a station that is pulled from could not be asked", ["station"])
DEAD_LETTERS = Gauge("gateway_admin_dead_letters", "Dead letters that nobody has replayed or discarded")
AUDIT_MESSAGES = Counter("gateway_admin_audit_messages", "DICOM audit messages that the syslog server has taken")
AUDIT_MESSAGE_FAILURES = Counter(
    "gateway_admin_audit_message_failures", "Attempts to send audit messages that failed; what waits is kept"
)
AUDIT_MESSAGES_UNSENT = Gauge(
    "gateway_admin_audit_messages_pending", "Audit entries whose messages wait to be sent, 100,000 at most"
)
AUDIT_MESSAGES_OLDEST = Gauge(
    "gateway_admin_audit_messages_oldest_seconds", "How long the oldest audit entry waits for its message to be sent"
)
NOTICES = Counter(
    "gateway_admin_notices_total", "Notices by what came of trying to send them", ["type", "channel", "outcome"]
)
NOTICES_WAITING = Gauge("gateway_admin_notices_pending", "Notices that wait to be sent, in digests and quiet hours too")
OLDEST_NOTICE = Gauge(
    "gateway_admin_oldest_notice_seconds", "Age of the oldest notice that waits to be sent, 0 if none"
)
BACKUP_AGE = Gauge(
    "gateway_admin_backup_age_seconds",
    "How long ago a backup was made whole; before the first 0, or since the installation where backups are expected",
)
VOLUME_FREE = Gauge(
    "gateway_admin_volume_free_bytes", "Room on the volume of a server whose data lie in the home folder", ["volume"]
)
VOLUME_SIZE = Gauge("gateway_admin_volume_size_bytes", "Size of that volume", ["volume"])
