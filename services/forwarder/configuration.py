"""What people configured, as the forwarder knows it: stations as they are, rule sets by number, compiled once."""

from collections import OrderedDict
from dataclasses import dataclass, field

import structlog
from psycopg import AsyncConnection
from psycopg.rows import DictRow

from schemas.rules import from_stored
from services.dicom.profile import Profile
from services.dicom.rules import CompiledRules, compile_rules
from services.forwarder.classify import UNSENDABLE
from services.forwarder.outcomes import Policy
from services.runtime.db import Database, load_queries

QUERIES = load_queries(__package__, "evaluation.sql")

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Station:
    """A destination. ``associations`` may be open to it at a time."""

    title: str
    host: str
    port: int
    enabled: bool
    associations: int
    unknown_policy: str
    retry_hours: int
    store_seconds: int | None = None
    reduce_level_1: bool = False
    pet_raw: bool = False
    held: bool = False

    @property
    def policy(self) -> Policy:
        """What becomes of deliveries that fail."""
        return Policy(hold=self.unknown_policy == "hold", retry_hours=self.retry_hours)


@dataclass
class Configuration:
    """Stations by title and the holds in force (kind, name), refreshed when the generation moved or a hold has ended;
    at most ``rule_sets`` compiled rule sets."""

    database: Database
    rule_sets: int
    profile: Profile
    generation: int = -1
    stations: dict[str, Station] = field(default_factory=dict)
    holds: frozenset[tuple[str, str]] = frozenset()
    _in_force: list[int] = field(default_factory=list)
    _compiled: OrderedDict[int, CompiledRules] = field(default_factory=OrderedDict)

    async def refresh(self) -> None:
        """Read the stations again if anything was changed."""
        async with self.database.transaction() as connection:
            await self.refresh_within(connection)

    async def refresh_within(self, connection: AsyncConnection[DictRow]) -> None:
        """As ``refresh``, in a transaction under way: what decides about a delivery asks before it decides."""
        generation = await (await connection.execute(QUERIES.select_generation)).fetchone()
        if generation is None or (generation["number"], generation["holds"]) == (self.generation, self._in_force):
            return
        rows = await (await connection.execute(QUERIES.select_stations)).fetchall()
        self.stations = {row["title"]: Station(**row) for row in rows}
        held = await (await connection.execute(QUERIES.select_holds)).fetchall()
        self.holds = frozenset((row["kind"], row["name"]) for row in held)
        self.generation, self._in_force = generation["number"], generation["holds"]
        log.info("configuration_read", generation=self.generation, stations=len(self.stations))

    def refusal(self, title: str) -> str | None:
        """Why nothing can be sent to a title, or None."""
        station = self.stations.get(title)
        if station is None:
            return f"destination {title} is not defined: add the station, then retry the job"
        if not station.enabled:
            return f"destination {title} is disabled: enable the station, then retry the job"
        return None

    def unsendable(self, sop_class_uid: str) -> str:
        """Why no instance of a class is sent anywhere, or ""."""
        return UNSENDABLE if sop_class_uid in self.profile.unsendable else ""

    def pet_raw_station(self) -> str | None:
        """Where PET raw data goes besides the rules (R122)."""
        return next((station.title for station in self.stations.values() if station.pet_raw), None)

    def enabled(self) -> list[str]:
        """Titles that may be sent to."""
        return [station.title for station in self.stations.values() if station.enabled]

    def not_held(self) -> list[str]:
        """Titles that may be sent to at this moment."""
        return [title for title in self.enabled() if not self.stations[title].held]

    async def rules(self, connection: AsyncConnection[DictRow], number: int) -> CompiledRules | None:
        """The rule set of that number, compiled; None if there is none (0: none was live; else it is lost)."""
        if number in self._compiled:
            self._compiled.move_to_end(number)
            return self._compiled[number]
        found = await (await connection.execute(QUERIES.select_rule_set, {"number": number})).fetchone()
        if found is None:
            return None
        compiled = compile_rules(from_stored(found["document"]))
        self._compiled[number] = compiled
        while len(self._compiled) > self.rule_sets:
            self._compiled.popitem(last=False)
        return compiled
