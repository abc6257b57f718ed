"""Every setting there is, by the name of its environment variable."""

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
from services.runtime.settings import RuntimeSettings
from services.storage.settings import StorageSettings

ALL = (
    RuntimeSettings, DicomSettings, IngestSettings, QuerySettings, StorageSettings, IndexSettings, ForwarderSettings,
    CommitmentSettings, AdminSettings, OidcSettings, SyslogSettings, NoticeSettings, BackupSettings,
)  # fmt: skip


def variables() -> set[str]:
    """Names such as ``GATEWAY_DICOM_PORT``."""
    return {
        f"{settings.model_config.get('env_prefix', '')}{field}".upper()
        for settings in ALL
        for field in settings.model_fields
    }
