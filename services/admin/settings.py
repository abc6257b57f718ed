"""Settings of the service."""

from datetime import time
from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.runtime.settings import Settings


class AdminSettings(Settings):
    """``GATEWAY_ADMIN_*``. Audit entries are kept for ``audit_days``, or for ever; the metrics are read every
    ``observe_seconds``.

    ``reconcile_at``: when, in UTC, the nightly comparison with stations begins. Who logged in has to do it again after
    ``session_idle_minutes`` without a click, and after ``session_hours``. ``hide_names_from_viewers``: who has the role
    viewer sees no patient's name, ID or birth date, nor anything else that names a person. An uploaded file may have
    ``max_import_bytes``; its instances are sent to ``import_at`` (HOST:PORT), where the gateway is reached from here,
    else to its own port on this machine, and so are those of ``gateway import``. ``stations_in_files``,
    ``rules_in_files``: they are applied from files, as a chart does, and people and programs change nothing of them at
    the desk. ``backup_expected``: something makes backups, so that it is told when there never was one.
    """

    model_config = SettingsConfigDict(env_prefix="GATEWAY_ADMIN_")

    audit_days: Annotated[int, Field(ge=30, le=36_525)] | None = None
    observe_seconds: Annotated[float, Field(gt=0)] = 15
    reconcile_at: time = time(2)
    session_idle_minutes: Annotated[int, Field(ge=1, le=1440)] = 60
    session_hours: Annotated[int, Field(ge=1, le=168)] = 12
    hide_names_from_viewers: bool = False
    max_import_bytes: Annotated[int, Field(ge=1 << 20)] = 2 << 30
    stations_in_files: bool = False
    rules_in_files: bool = False
    backup_expected: bool = False
    import_at: Annotated[str, Field(pattern=r"^(\S+:[0-9]{1,5})?$")] = ""
