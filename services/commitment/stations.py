"""Stations as commitment knows them: whom it asks, and who asks it."""

from dataclasses import dataclass, field
from typing import Any

from services.commitment.settings import CommitmentSettings
from services.runtime.db import Connection, Database, load_queries

QUERIES = load_queries(__package__, "stations.sql")


@dataclass(frozen=True)
class Station:
    """A remote AE. Its own limits (None: as the settings say) are in ``services.admin.station.Station``."""

    title: str
    host: str
    port: int
    enabled: bool
    associations: int
    commit_server: bool
    commit_on: str | None
    action_seconds: int | None
    commit_limit_seconds: int | None
    commit_quiet_seconds: int | None
    commit_retry_hours: int | None
    commit_size: int | None
    report_titles: tuple[str, ...]
    commit_downstream: tuple[str, ...]
    tls: bool = False
    certificates: tuple[str, ...] = ()

    def limit_seconds(self, settings: CommitmentSettings) -> int:
        """R80: from the acceptance of a request to its FAILURE."""
        return self.commit_limit_seconds or settings.limit_seconds

    def quiet_seconds(self, settings: CommitmentSettings) -> int:
        """From the last delivery of a study to its request."""
        return settings.quiet_seconds if self.commit_quiet_seconds is None else self.commit_quiet_seconds

    def retry_hours(self, settings: CommitmentSettings) -> int:
        """How long a request is tried while the station cannot be reached."""
        return self.commit_retry_hours or settings.retry_hours

    @property
    def server(self) -> str:
        """Who is asked about what the station holds: itself, or the station it commits on (R71, R123)."""
        return self.title if self.commit_server else self.commit_on or self.title

    def reports_as(self, calling_aet: str) -> bool:
        """Whether a report of that calling AE title is the station's (R109)."""
        return calling_aet == self.title or calling_aet in self.report_titles


@dataclass
class Stations:
    """By title, read again when the configuration's number moved."""

    database: Database
    number: int = -1
    known: dict[str, Station] = field(default_factory=dict)

    async def refresh(self) -> None:
        """Read them again if anything was changed."""
        async with self.database.transaction() as connection:
            await self.refresh_within(connection)

    async def refresh_within(self, connection: Connection) -> None:
        """As ``refresh``, in a transaction under way."""
        generation = await (await connection.execute(QUERIES.select_generation)).fetchone()
        if generation is None or generation["number"] == self.number:
            return
        rows = await (await connection.execute(QUERIES.select_stations)).fetchall()
        self.known = {row["title"]: Station(**{name: _value(value) for name, value in row.items()}) for row in rows}
        self.number = generation["number"]

    def get(self, title: str) -> Station | None:
        """The station of that title, if it is known."""
        return self.known.get(title)


def _value(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
