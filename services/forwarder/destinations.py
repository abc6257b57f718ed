"""Destinations in PostgreSQL: circuit and pace of each. Every function runs in its caller's transaction, and those that
change something after ``ledger.lock_destination``."""

from collections.abc import Collection

from services.forwarder.circuit import Circuit, Setback
from services.runtime.db import Connection, load_queries

QUERIES = load_queries(__package__, "destinations.sql")


async def circuit(connection: Connection, destination: str) -> Circuit:
    """The circuit of a destination; closed if nothing ever went wrong there."""
    found = await (await connection.execute(QUERIES.select_circuit, {"destination": destination})).fetchone()
    if found is None:
        return Circuit()
    return Circuit(
        open=found["circuit"] != "CLOSED",
        failures=found["consecutive_failures"],
        may_probe=found["may_probe"],
        answered=found["circuit"] == "HALF-OPEN",
        open_seconds=found["open_seconds"],
    )


async def close_circuit(connection: Connection, destination: str, *, succeeded: bool, refusal: str | None) -> None:
    """The destination answered: whether it took anything, and why it refused what it did not take."""
    parameters = {"destination": destination, "succeeded": succeeded, "refusal": refusal and refusal[:500]}
    await connection.execute(QUERIES.close_circuit, parameters)


async def set_back(connection: Connection, destination: str, setback: Setback, reason: str) -> None:
    """The destination failed."""
    parameters = {
        "destination": destination,
        "circuit": "OPEN" if setback.circuit.open else "CLOSED",
        "failures": setback.circuit.failures,
        "delay": setback.delay,
        "reason": reason[:500],
    }
    await connection.execute(QUERIES.fail_destination, parameters)


async def hold_probe(connection: Connection, destination: str, lease: float) -> None:
    """One association probes; nobody else does meanwhile."""
    await connection.execute(QUERIES.hold_probe, {"destination": destination, "lease": lease})


async def end_probe(connection: Connection, destination: str) -> None:
    """The probe ended without a word from the destination."""
    await connection.execute(QUERIES.end_probe, {"destination": destination})


async def wanting_echo(connection: Connection, destinations: Collection[str]) -> set[str]:
    """Those of the destinations that are to be asked for a C-ECHO."""
    parameters = {"titles": list(destinations)}
    rows = await (await connection.execute(QUERIES.select_wanting_echo, parameters)).fetchall()
    return {row["title"] for row in rows}


async def half_open(connection: Connection, destination: str) -> None:
    """A C-ECHO was answered: the next delivery tries."""
    await connection.execute(QUERIES.half_open, {"destination": destination})


async def pause_seconds(connection: Connection, destination: str) -> float:
    """How long nothing may be claimed, for what was claimed before."""
    found = await (await connection.execute(QUERIES.select_pace, {"destination": destination})).fetchone()
    return found["seconds"] if found else 0.0


async def charge(connection: Connection, destination: str, seconds: float) -> None:
    """What was claimed takes so long at the station's pace."""
    await connection.execute(QUERIES.charge_pace, {"destination": destination, "seconds": seconds})
