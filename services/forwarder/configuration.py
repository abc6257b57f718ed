"""What people configured, as the forwarder knows it: stations as they are, rule sets by number, compiled once."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import structlog
from psycopg import AsyncConnection
from psycopg.rows import DictRow

from schemas.rules import from_stored
from services.dicom.profile import Profile
from services.dicom.rules import ByClass, CompiledRules, compile_rules
from services.dicom.status import statuses
from services.forwarder import balance
from services.forwarder.classify import Failing
from services.forwarder.delivery import named
from services.forwarder.pace import Pace
from services.forwarder.retry import Policy
from services.runtime.backoff import Backoff
from services.runtime.db import Database, load_queries

QUERIES = load_queries(__package__, "evaluation.sql")

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Station:
    """A destination, or what is retrieved from. ``associations`` may be open to it at a time, each for
    ``association_instances`` deliveries (None: any number); ``commits``: somebody can be asked to commit what it was
    sent. The other fields are as in ``services/admin/station.py``.
    """

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
    commits: bool = False
    store: bool = True
    retry_statuses: Sequence[str] = ("A7xx", "0110", "0213")
    retry_errors: Sequence[str] = tuple(Failing)
    retry_first_seconds: int = 1
    retry_factor: float = 2
    retry_most_seconds: int = 300
    retry_attempts: int | None = None
    instances_per_second: float | None = None
    megabytes_per_second: float | None = None
    idle_seconds: int | None = None
    association_instances: int | None = None
    failover: str | None = None
    failover_seconds: int = 600
    balance_with: Sequence[str] = ()
    order: str = "oldest"
    query_retrieve: bool = False
    skip_present: bool = False
    find_seconds: int | None = None
    move_seconds: int | None = None
    complete_on_release: bool = False
    tls: bool = False
    certificates: Sequence[str] = ()

    @cached_property
    def policy(self) -> Policy:
        """What becomes of deliveries that fail."""
        return Policy(
            hold=self.unknown_policy == "hold",
            retry_hours=self.retry_hours,
            attempts=self.retry_attempts,
            retried=frozenset(map(Failing, self.retry_errors)),
            backoff=Backoff(self.retry_first_seconds, self.retry_factor, self.retry_most_seconds),
        )

    @cached_property
    def pace(self) -> Pace:
        """How fast it is sent to."""
        return Pace(self.instances_per_second, self.megabytes_per_second)

    @cached_property
    def retried_statuses(self) -> frozenset[int]:
        """Failures it may answer after which it is tried again."""
        return frozenset(status for pattern in self.retry_statuses for status in statuses(pattern))


@dataclass
class Configuration:
    """Stations by title, the holds in force and the schedules that are closed (kind, name), refreshed when the
    generation moved, a hold has ended or a schedule has opened or closed; at most ``rule_sets`` compiled rule sets."""

    database: Database
    rule_sets: int
    profile: Profile
    generation: int = -1
    stations: dict[str, Station] = field(default_factory=dict)
    holds: frozenset[tuple[str, str]] = frozenset()
    _in_force: tuple[list[int], list[list[str]]] = ([], [])
    _compiled: OrderedDict[int, CompiledRules] = field(default_factory=OrderedDict)

    async def refresh(self) -> None:
        """Read the stations again if anything was changed."""
        async with self.database.transaction() as connection:
            await self.refresh_within(connection)

    async def refresh_within(self, connection: AsyncConnection[DictRow]) -> None:
        """As ``refresh``, in a transaction under way: what decides about a delivery asks before it decides."""
        generation = await (await connection.execute(QUERIES.select_generation)).fetchone()
        if generation is None:
            return
        in_force = generation["holds"], generation["open"]
        if (generation["number"], in_force) == (self.generation, self._in_force):
            return
        rows = await (await connection.execute(QUERIES.select_stations)).fetchall()
        self.stations = {row["title"]: Station(**row) for row in rows}
        held = await (await connection.execute(QUERIES.select_holds)).fetchall()
        shut = await (await connection.execute(QUERIES.select_shut)).fetchall()
        self.holds = frozenset(
            [*((row["kind"], row["name"]) for row in held), *(named(row["schedule"]) for row in shut)]
        )
        self.generation, self._in_force = generation["number"], in_force
        log.info("configuration_read", generation=self.generation, stations=len(self.stations))

    def refusal(self, title: str) -> str | None:
        """Why nothing can be sent to a title, or None."""
        station = self.stations.get(title)
        if station is None:
            return f"destination {title} is not defined: add the station, then retry the job"
        if not station.enabled:
            return f"destination {title} is disabled: enable the station, then retry the job"
        return None

    def member(self, title: str, study_instance_uid: str, *, source: str = "", commits: bool = False) -> str:
        """Where what a rule sends to a title goes: to it, or to one of those that share it and are enabled.

        ``source``: the one that it came from and is not to get it back; ``commits``: it has to be committed there.
        """
        station = self.stations.get(title)
        if station is None or not station.balance_with:
            return title
        members = [each for each in (title, *station.balance_with) if not self.refusal(each) and each != source]
        able = [each for each in members if self.stations[each].commits or not commits]
        return balance.member(study_instance_uid, able) if able else title

    @property
    def by_class(self) -> ByClass:
        """What becomes of instances for their SOP class (R96, R122)."""
        station = next((station.title for station in self.stations.values() if station.pet_raw), None)
        return ByClass(self.profile.pet_raw, self.profile.unsendable, station)

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
