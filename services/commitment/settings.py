"""Settings of commitment."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.dicom.profile import Profile
from services.runtime.errors import UsageError
from services.runtime.settings import Settings

Seconds = Annotated[float, Field(gt=0)]


class CommitmentSettings(Settings):
    """Environment ``GATEWAY_COMMITMENT_…``. What a station states for itself replaces what is said here."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_COMMITMENT_")

    limit_seconds: Annotated[int, Field(ge=1, le=2_592_000)] = 86_400
    """R80: from the acceptance of a request to its FAILURE without a report."""
    quiet_seconds: Annotated[int, Field(ge=0, le=86_400)] = 10
    """From the last delivery of a study to its request: many archives store only after they have answered."""
    retry_hours: Annotated[int, Field(ge=1, le=720)] = 24
    """How long a request is tried while its station cannot be reached; then it is FAILURE."""
    answer_seconds: Seconds = 600
    """After a lost answer a report is waited for so long, then it is asked again under a new Transaction UID."""
    most_unanswered: Annotated[int, Field(ge=1, le=100)] = 3
    """So many answers may get lost; then only the report is waited for."""
    linger_seconds: Annotated[float, Field(ge=0, le=60)] = 2
    """Profile gateway: how long an association stays open for a report after its request was accepted."""
    associations: Annotated[int, Field(ge=1, le=64)] = 8
    """Requests of one process under way at a time; half as many reports besides, which never wait for requests."""
    archive_history: bool = False
    """R110: an Archive History entry for each instance that was archived."""
    repair_late: bool = False
    """A late report of success still flags its instances, and may turn FAILURE into SUCCESS."""
    request_again: Annotated[int, Field(ge=0, le=10)] = 0
    """How often what failed is asked again by itself (R112: never in profile xeleris)."""
    send_again: bool = False
    """Whether what was refused with 0112 (no such object) is sent again by itself (R112: never in profile xeleris)."""

    report_hours: Annotated[int, Field(ge=1, le=720)] = 72
    """How long the report about what we were asked to commit is tried."""
    downstream_hours: Annotated[int, Field(ge=1, le=2160)] = 48
    """How long what we were asked to commit waits for archives downstream; what is missing then fails with 0110."""
    most_references: Annotated[int, Field(ge=1, le=100_000)] = 50_000
    """A request that names more instances is answered with failure reason 0213 for all of them."""

    batch: Annotated[int, Field(ge=1, le=1000)] = 100
    lease_seconds: Seconds = 60
    connect_seconds: Seconds = 10
    poll_seconds: Seconds = 1
    reconcile_seconds: Seconds = 10
    reconcile_age_seconds: Annotated[float, Field(ge=0)] = 10
    sweep_seconds: Seconds = 5
    object_days: Annotated[int, Field(ge=1)] = 30
    """How long the objects of recorded reports and requests are kept."""
    record_months: Annotated[int, Field(ge=1)] = 60

    @property
    def reports_at_once(self) -> int:
        """Reports to peers of one process under way at a time."""
        return max(1, self.associations // 2)

    def fit(self, profile: Profile) -> "CommitmentSettings":
        """Itself, if the profile allows it. Raises ``UsageError``: in profile xeleris only people ask again (R112)."""
        if profile.xeleris:
            for name, wanted in (("request_again", self.request_again), ("send_again", self.send_again)):
                if wanted:
                    raise UsageError(
                        f"GATEWAY_COMMITMENT_{name.upper()}={wanted}: profile xeleris never asks or sends again by "
                        "itself (R112); leave it unset and use "
                        "'gateway commitments retry', or use profile gateway"
                    )
        return self
