"""The settings of all services, for commands that speak for each of them."""

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Final

from services.cli.names import LISTENING
from services.runtime import traces
from services.runtime.errors import UsageError
from services.runtime.settings import RuntimeSettings, Settings

NO_SETTINGS: Final = frozenset({"GATEWAY_EXTRAS", "GATEWAY_PASSWORD", "GATEWAY_FAIL_POINT"})
"""What ``deploy/local/up``, the compose file and the tests of faults read of the environment besides."""


def classes() -> tuple[type[Settings], ...]:
    """Those of every service; imported here, because most commands need none of them."""
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

    return (
        DicomSettings, IngestSettings, QuerySettings, StorageSettings, IndexSettings, ForwarderSettings,
        CommitmentSettings, AdminSettings, OidcSettings, SyslogSettings, NoticeSettings, BackupSettings,
    )  # fmt: skip


def variables() -> frozenset[str]:
    """The name of every setting there is, such as ``GATEWAY_DICOM_PORT``."""
    every: tuple[type[Settings], ...] = (RuntimeSettings, *classes())
    return frozenset(
        f"{settings.model_config.get('env_prefix', '')}{field}".upper()
        for settings in every
        for field in settings.model_fields
    )


def unknown(environment: Iterable[str], known: frozenset[str]) -> list[str]:
    """Which variables look like settings and are none, each with what may have been meant (pure)."""
    known |= {f"{name}_FILE" for name in known}
    found = []
    for name in sorted({each for each in environment if each.startswith("GATEWAY_")} - known - NO_SETTINGS):
        meant = get_close_matches(name, known, 1)
        found.append(f"{name} is no setting" + (f", {meant[0]} is one" if meant else ""))
    return found


def faults() -> list[str]:
    """What would keep one of the services from starting, each with its cure; empty if nothing would."""
    found = []
    loads: list[Callable[[], object]] = [lambda: traces.check(RuntimeSettings.load())]
    for load in loads + [each.load for each in classes()]:
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
