"""The settings of all services, for commands that speak for each of them."""

from services.cli.names import LISTENING
from services.runtime import traces
from services.runtime.errors import UsageError
from services.runtime.settings import RuntimeSettings


def faults() -> list[str]:
    """What would keep one of the services from starting, each with its cure; empty if nothing would."""
    from services.admin.access.oidc.settings import OidcSettings
    from services.admin.audit_messages.settings import SyslogSettings
    from services.admin.backup.settings import BackupSettings
    from services.admin.notices.settings import NoticeSettings
    from services.admin.settings import AdminSettings
    from services.commitment.settings import CommitmentSettings
    from services.dicom.settings import DicomSettings
    from services.forwarder.settings import ForwarderSettings
    from services.index.settings import IndexSettings
    from services.ingest.settings import IngestSettings
    from services.query.settings import QuerySettings
    from services.storage.settings import StorageSettings

    models = (
        DicomSettings, IngestSettings, QuerySettings, StorageSettings, IndexSettings, ForwarderSettings,
        CommitmentSettings, AdminSettings, OidcSettings, SyslogSettings, NoticeSettings, BackupSettings,
    )  # fmt: skip
    found = []
    for load in (lambda: traces.check(RuntimeSettings.load()), *(model.load for model in models)):
        try:
            load()
        except UsageError as fault:
            found.append(str(fault))
    return found


def refuse_faults() -> None:
    """Raises ``UsageError`` with all that would keep a service from starting, so that it is said once and not by a
    process that is started again and again."""
    from services.commitment.settings import CommitmentSettings
    from services.dicom.profile import profile_for
    from services.dicom.settings import DicomSettings
    from services.storage.settings import StorageSettings

    if found := faults():
        raise UsageError("\n".join(found))
    runtime = RuntimeSettings.load()
    runtime.database_of(LISTENING)
    runtime.amqp_of(LISTENING)
    profile = profile_for(runtime, DicomSettings.load())
    CommitmentSettings.load().fit(profile)
    StorageSettings.load().fit(profile)
