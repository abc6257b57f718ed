"""What a backup says of itself: the document that is written last and makes it one."""

from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from schemas.database.version import SCHEMA_VERSION
from services.admin.errors import Refused

SCHEMAS: Final = ("audit", "commitment", "config", "index", "query", "routing", "runtime", "storage")
LEFT_OUT: Final = frozenset(
    {
        "config.oidc_attempt",
        "config.session",
        "runtime.configuration_taken",
        "runtime.lease",
        "runtime.version",
        "storage.folder",
    }
)
"""What is true of running processes and their object store alone, who was logged in, and the versions, which a restore
writes itself. Without storage's folders the sweep compares every object with the restored receipts."""
TOPS: Final = ("objects", "reports", "requests")
"""The top folders of the object store that hold what cannot be made again."""

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
TableName = Annotated[str, Field(pattern="^[a-z_]+[.][a-z0-9_]+$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SavedTable(_Part):
    """A table's rows in PostgreSQL's text format of COPY, packed by gzip; ``sha256`` is that of the text."""

    name: TableName
    columns: list[str]
    rows: int
    sha256: Sha256
    months: list[Annotated[str, Field(pattern="^[0-9]{6}$")]] = []
    """Months that have a partition of their own, such as 202611."""


class SavedSequence(_Part):
    """Where a sequence stands."""

    name: TableName
    value: int
    called: bool


class Manifest(_Part):
    """One backup. ``made_at`` is the database's time of its snapshot."""

    format: Literal[1] = 1
    name: Annotated[str, Field(pattern="^[0-9]{8}t[0-9]{6}[.][0-9]{6}z$")]
    made_at: AwareDatetime
    gateway: str
    """Version of the gateway that made it."""
    schema_version: int
    aet: str
    profile: str
    tables: list[SavedTable]
    sequences: list[SavedSequence]
    objects: int
    bytes: int
    list_sha256: Sha256
    """Of the list of objects, unpacked: lines as ``sha256sum`` reads them."""


def manifest_key(backup: str) -> str:
    """Where a backup's manifest lies (pure)."""
    return f"backups/{backup}.json"


def list_key(backup: str) -> str:
    """Where the list of a backup's objects lies (pure). It is there, empty, as soon as a backup is begun."""
    return f"lists/{backup}.gz"


def tables_folder(backup: str) -> str:
    """Where the rows of a backup's tables lie (pure)."""
    return f"tables/{backup}"


def table_key(backup: str, table: str) -> str:
    """Where a table's rows of a backup lie (pure)."""
    return f"{tables_folder(backup)}/{table}.gz"


def refuse_newer_schema(manifest: Manifest) -> None:
    """Raises ``Refused``: this code knows no such schema. An older one is made, filled and then migrated (pure)."""
    if manifest.schema_version > SCHEMA_VERSION:
        raise Refused(
            f"backup {manifest.name} has schema version {manifest.schema_version}, this gateway {SCHEMA_VERSION}: "
            f"restore it with gateway {manifest.gateway} or a newer one"
        )
