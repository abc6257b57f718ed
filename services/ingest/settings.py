"""Settings of ingest."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.runtime.settings import Settings


class IngestSettings(Settings):
    """Environment ``GATEWAY_INGEST_…``. Times in seconds."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_INGEST_", populate_by_name=True)

    dicom_fd: Annotated[int, Field(ge=0)] | None = Field(None, validation_alias="GATEWAY_DICOM_FD")
    """An inherited listening socket, shared with other processes; None: a socket of our own."""
    associations: Annotated[int, Field(ge=1, le=4096)] = 64
    """Incoming associations at a time, of all ingest processes that share the home folder."""
    associations_per_station: Annotated[int, Field(ge=1, le=4096)] | None = None
    """How many of them one calling AE may have; None: three quarters. One is left for the others in any case."""
    snapshot_poll_seconds: Annotated[float, Field(gt=0, le=2)] = 1.0
    clock_check_seconds: Annotated[float, Field(gt=0)] = 10.0
    revision_check_seconds: Annotated[float, Field(gt=0)] = 1.0
    """How long PostgreSQL has to say whether a UID is known, for stations whose revisions are refused."""
    publish_backlog: Annotated[int, Field(ge=1)] = 2000
    publish_at_once: Annotated[int, Field(ge=1, le=1000)] = 64
    abandoned_seconds: Annotated[int, Field(ge=60)] = 900
    """A write without progress for so long is dead (design.md section 3)."""

    @property
    def share(self) -> int:
        """Associations of one calling AE at a time, so that one that takes all it can get does not shut others out."""
        wanted = self.associations * 3 // 4 if self.associations_per_station is None else self.associations_per_station
        return max(1, min(wanted, self.associations - 1))
