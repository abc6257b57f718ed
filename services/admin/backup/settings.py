"""Settings of backups."""

from typing import Any

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.runtime.settings import Settings


class BackupSettings(Settings):
    """``GATEWAY_BACKUP_S3_…``: how the place of backups is reached, where it is not as the object store is."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_BACKUP_")

    s3_endpoint: str | None = None
    s3_region: str | None = None
    s3_access_key_id: str | None = Field(None, repr=False)
    s3_secret_access_key: str | None = Field(None, repr=False)

    def store(self, url: str) -> dict[str, Any]:
        """Values of the gateway's settings for a store of backups: no room in it is kept free for others."""
        given = {name: value for name, value in self.model_dump().items() if value is not None}
        return {"objects_url": url, "minimum_free_bytes": 0, "minimum_free_fraction": 0.0, **given}
