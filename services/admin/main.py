"""The service: the web application with the API, partitions of its schemas, nights, notices, metrics."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from services.admin import audit_retention
from services.admin.access.first_account import first_account
from services.admin.access.oidc.settings import OidcSettings
from services.admin.access.sessions import Lifetime
from services.admin.access.tidying import tidying
from services.admin.audit_messages.sending import Sender
from services.admin.audit_messages.settings import SyslogSettings
from services.admin.erasing.carrying_out import Erasing
from services.admin.notices.notifying import notify
from services.admin.observation import observe
from services.admin.pulling.pulls import pulling
from services.admin.reconciling.nights import nightly
from services.admin.settings import AdminSettings
from services.admin.web.desk import Desk
from services.admin.web.live import Live
from services.admin.web.site import site
from services.dicom.profile import profile_of
from services.dicom.settings import DicomSettings
from services.runtime import partitions
from services.runtime.app import Runtime

if TYPE_CHECKING:
    from services.admin.access.oidc.provider import Provider


STANDS_ALONE = True
NEEDS_OBJECTS = False
"""What is away is what people come to the desk for: it tells them, as far as it can, and says what it cannot."""
REPLAYS = True
"""It is people who have dead letters sent again."""


@asynccontextmanager
async def service(runtime: Runtime) -> AsyncIterator[None]:
    """Run until the process drains."""
    settings, oidc = AdminSettings.load(), OidcSettings.load()
    profile = profile_of(runtime.settings.profile, DicomSettings.load())
    supervisor = runtime.supervisor
    live = Live(runtime.db, supervisor)
    sender = Sender(runtime.db, SyslogSettings.load(), runtime.settings.aet)
    supervisor.spawn("audit partitions", lambda: partitions.maintain(runtime, "audit"))
    if (days := settings.audit_days) is not None:
        supervisor.spawn("audit retention", lambda: audit_retention.nightly(runtime, days))
    supervisor.spawn("overview", lambda: observe(runtime, settings.observe_seconds, backups=settings.backup_expected))
    supervisor.spawn("first account", lambda: first_account(runtime), restart=False)
    supervisor.spawn("audit messages", lambda: sender.sending(runtime))
    supervisor.spawn("live view", live.watching)
    lifetime = Lifetime(settings.session_idle_minutes, settings.session_hours)
    supervisor.spawn("old sessions", lambda: tidying(runtime, lifetime))
    if not profile.xeleris:
        supervisor.spawn("nightly reconciliation", lambda: nightly(runtime, settings, profile))
        supervisor.spawn("pulling", lambda: pulling(runtime, profile))
    provider = _provider(oidc) if oidc.issuer else None
    desk = Desk(runtime, settings, profile, provider)
    supervisor.spawn("erasures", Erasing(runtime, desk.pictures.forget).run)
    notify(runtime, desk.notices)
    runtime.health.add_readiness("schema", lambda: runtime.db.unfit)
    runtime.health.serve(site(desk, live))
    yield
    await desk.imports.ended()
    await sender.end()


def _provider(settings: OidcSettings) -> "Provider":
    from services.admin.access.oidc.provider import Provider  # its libraries take a while to load

    return Provider(settings)
