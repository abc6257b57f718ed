"""The demo's stations and rules in the gateway; what a person configured is never touched."""

from pathlib import Path
from typing import Any

from services.admin import stations
from services.admin.rules import rule_sets
from services.admin.station import Station, build
from services.runtime.db import Database
from services.runtime.errors import GatewayError

RULES = Path(__file__).with_name("rules.yaml")
SCANNER = "DEMO_SCANNER"
COMMITTING = frozenset({"ARCHIVE1"})
"""Stations that are commit servers."""
QUIET_SECONDS = 1
"""From the last delivery of a study to the request for commitment: who watches need not wait for a slow archive."""
ACTOR = "demo"
MARK = "Demo station of deploy/local/up --demo"
COMMENT = "Rules of deploy/local/up --demo"
PORT_OF_NOBODY = 104


class NotOurs(GatewayError):
    """The gateway holds a configuration that is not the demo's."""


async def configure(database: Database, ports: dict[str, int]) -> None:
    """Register the scanner and the stations at their ports and make the demo's rules live.

    Raises ``NotOurs`` if a rule set is live or a station of such a title is defined that is not the demo's.
    """
    live = await _live(database)
    if live is not None and live["comment"] != COMMENT:
        raise NotOurs(
            f"rule set {live['number']} is live and is not the demo's; the demo would replace it. Run the demo with "
            "another GATEWAY_HOME"
        )
    known = {station.title: station for station in await stations.list_all(database)}
    wanted = _wanted(ports)
    for station in wanted:
        if station.title in known and known[station.title].description != MARK:
            raise NotOurs(
                f"station {station.title} is defined and is not the demo's; run the demo with another GATEWAY_HOME"
            )
    for station in wanted:
        await _define(database, station, known.get(station.title))
    text = RULES.read_text(encoding="utf-8")
    if live is None or live["source"] != text:
        await rule_sets.apply(database, ACTOR, text, COMMENT)


def _wanted(ports: dict[str, int]) -> list[Station]:
    scanner = {"title": SCANNER, "host": "127.0.0.1", "port": PORT_OF_NOBODY, "description": MARK}
    receivers = [
        {"title": title, "host": "127.0.0.1", "port": port, "description": MARK, "store": True} | _committing(title)
        for title, port in ports.items()
    ]
    return [build(fields) for fields in (scanner, *receivers)]


def _committing(title: str) -> dict[str, Any]:
    return {"commit_server": True, "commit_quiet_seconds": QUIET_SECONDS} if title in COMMITTING else {}


async def _define(database: Database, wanted: Station, known: Station | None) -> None:
    if known is None:
        await stations.add(database, ACTOR, wanted)
    elif known != wanted:
        await stations.set_fields(database, ACTOR, wanted.title, wanted.model_dump())


async def _live(database: Database) -> dict[str, Any] | None:
    numbers = [row["number"] for row in await rule_sets.history(database) if row["live"]]
    return await rule_sets.show(database, numbers[0]) if numbers else None
