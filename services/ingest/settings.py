"""Settings of ingest."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.runtime.settings import Settings


class IngestSettings(Settings):
    """Environment ``GATEWAY_INGEST_…``. Times in seconds."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_INGEST_")

    clock_check_seconds: Annotated[float, Field(gt=0)] = 10.0
    revision_check_seconds: Annotated[float, Field(gt=0)] = 1.0
    """How long PostgreSQL has to say whether a UID is known, for stations whose revisions are refused."""
    publish_backlog: Annotated[int, Field(ge=1)] = 2000
    publish_at_once: Annotated[int, Field(ge=1, le=1000)] = 64
    abandoned_seconds: Annotated[int, Field(ge=60)] = 900
    """A write without progress for so long is dead (design.md section 3)."""
    report_wait_seconds: Annotated[float, Field(ge=0, le=60)] = 5.0
    """Profile gateway: how long after a commitment request its association serves for the report (0: never)."""
