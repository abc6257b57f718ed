"""Settings of storage."""

from typing import Annotated, Self

from pydantic import AwareDatetime, Field
from pydantic_settings import SettingsConfigDict

from services.dicom.profile import Profile
from services.runtime.errors import UsageError
from services.runtime.settings import Settings

Seconds = Annotated[float, Field(gt=0)]


class StorageSettings(Settings):
    """Environment ``GATEWAY_STORAGE_…``. Times in seconds."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_STORAGE_")

    batch: Annotated[int, Field(ge=1, le=1000)] = 100
    lease_seconds: Seconds = 10
    """How long the process that sweeps may be silent before another takes over."""
    sweep_seconds: Seconds = 5
    folder_open_seconds: Seconds = 7200
    """A folder without a change for so long is closed once everything in it is recorded."""
    all_folders_seconds: Seconds = 600
    """How often folders of earlier days are looked at for a changed modification time."""
    full_sweep_seconds: Seconds = 86_400
    deletion_wait_seconds: Annotated[float, Field(ge=0)] = 60
    """Between hiding an instance and deleting its object: longer than any lease that may still use it."""
    deletion_poll_seconds: Seconds = 5
    scrub_bytes_per_second: Annotated[int, Field(ge=0)] = 5_000_000
    """How fast stored objects are read again to check their hashes; 0: not at all."""
    most_receipts: Annotated[int, Field(ge=1)] = 3
    """Receipts of one SOP Instance UID within ``receipts_seconds``; more are an alarm: stations send it in a circle."""
    receipts_seconds: Seconds = 3600
    recovered_before: AwareDatetime | None = None
    """Objects received before then that have no row are recorded as RECOVERED and not routed (set after a restore)."""
    retention_days: Annotated[int, Field(ge=1, le=36_500)] | None = None
    """Days from the last receipt of a study until it is deleted if it may be, unless its station says otherwise."""
    retention_unmatched: bool = False
    """Whether retention also deletes what no rule sends anywhere."""
    retention_poll_seconds: Seconds = 60
    retention_studies: Annotated[int, Field(ge=1, le=1000)] = 50
    """Studies that retention looks at before it asks again what its policy is."""

    def fit(self, profile: Profile) -> Self:
        """Itself, if the profile allows it. Raises ``UsageError``: in profile xeleris only users delete (R94)."""
        if profile.xeleris and self.retention_days is not None:
            raise UsageError(
                f"GATEWAY_STORAGE_RETENTION_DAYS={self.retention_days}: profile xeleris keeps everything until a user "
                "deletes it (R94); leave it unset, or use GATEWAY_PROFILE=gateway"
            )
        return self
