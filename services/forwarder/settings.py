"""Settings of the forwarder."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.runtime.settings import Settings

Seconds = Annotated[float, Field(gt=0)]


class ForwarderSettings(Settings):
    """Environment ``GATEWAY_FORWARDER_…``. Times in seconds. How many associations may be open at a time is a matter of
    the application entity (``GATEWAY_OUTGOING_ASSOCIATIONS``), how long a response is waited for one of the station.

    ``cancel_seconds``: what the object under way may still take once its job was cancelled; then the association is
    aborted. ``aging_seconds``: after so long what waits behind more urgent deliveries rises by a priority, to high at
    most; 0: never.
    """

    model_config = SettingsConfigDict(env_prefix="GATEWAY_FORWARDER_")

    batch: Annotated[int, Field(ge=1, le=1000)] = 100
    in_doubt: Annotated[int, Field(ge=1, le=1000)] = 16
    lease_seconds: Seconds = 60
    idle_seconds: Annotated[float, Field(ge=0)] = 2
    poll_seconds: Seconds = 1
    connect_seconds: Seconds = 10
    cancel_seconds: Annotated[float, Field(ge=0)] = 0.3
    slow_retry_seconds: Seconds = 300
    aging_seconds: Annotated[float, Field(ge=0)] = 1800
    reconcile_seconds: Seconds = 10
    reconcile_age_seconds: Annotated[float, Field(ge=0)] = 10
    reopen_seconds: Annotated[float, Field(ge=0)] = 60
    rule_sets: Annotated[int, Field(ge=1, le=1000)] = 16
    attempt_months: Annotated[int, Field(ge=1)] = 12
    ledger_months: Annotated[int, Field(ge=1)] = 60
