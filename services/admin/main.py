"""The service: metrics, partitions of its schemas, nights; the runtime serves health and metrics over HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.admin.observation import observe
from services.admin.pulling.pulls import pulling
from services.admin.reconciling.nights import nightly
from services.admin.settings import AdminSettings
from services.dicom.profile import profile_of
from services.dicom.settings import DicomSettings
from services.runtime import partitions
from services.runtime.app import Runtime


@asynccontextmanager
async def service(runtime: Runtime) -> AsyncIterator[None]:
    """Run until the process drains."""
    settings = AdminSettings.load()
    runtime.supervisor.spawn(
        "audit partitions", lambda: partitions.maintain(runtime, "audit", {"entry": settings.audit_months})
    )
    runtime.supervisor.spawn("overview", lambda: observe(runtime, settings.observe_seconds))
    profile = profile_of(runtime.settings.profile, DicomSettings.load())
    if not profile.xeleris:
        runtime.supervisor.spawn("nightly reconciliation", lambda: nightly(runtime, settings, profile))
        runtime.supervisor.spawn("pulling", lambda: pulling(runtime, profile))
    yield
