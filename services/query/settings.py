"""Settings of query."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.runtime.settings import Settings


class QuerySettings(Settings):
    """Environment ``GATEWAY_QUERY_…``. Times in seconds."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_QUERY_")

    concurrent: Annotated[int, Field(ge=1, le=64)] = 4
    """Queries of one process at a time; each holds a connection to PostgreSQL while it is answered."""
    wait_seconds: Annotated[float, Field(gt=0)] = 5.0
    """How long a query waits for its turn before it is answered A700."""
    statement_seconds: Annotated[float, Field(gt=0, le=15)] = 10.0
    """For finding the first matches, and then for each further batch of them."""
    slot_seconds: Annotated[float, Field(ge=0, le=600)] = 30.0
    """How long a C-MOVE waits for an outgoing association, sending Pending, before it is answered A702."""
    connect_seconds: Annotated[float, Field(gt=0, le=60)] = 10.0
    abandoned_seconds: Annotated[float, Field(ge=60)] = 600.0
    """After so long without news, a retrieval that nobody ended is closed in the records."""
    retrieval_months: Annotated[int, Field(ge=1)] = 12
    result_limit: Annotated[int, Field(ge=1)] | None = None
    """Matches after which a query ends with A700; None: all are sent (R97)."""
