"""Settings of the index."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.runtime.settings import Settings


class IndexSettings(Settings):
    """Environment ``GATEWAY_INDEX_…``. Times in seconds."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_INDEX_")

    batch: Annotated[int, Field(ge=1, le=1000)] = 100
    reconcile_seconds: Annotated[float, Field(gt=0)] = 10
    reconcile_age_seconds: Annotated[float, Field(ge=0)] = 10
