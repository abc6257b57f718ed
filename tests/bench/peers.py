"""What the gateway is compared with, started for as long as a context lasts."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from private_servers.postgresql import PrivatePostgresql

from tests.bench import orthanc
from tests.bench.dcmtk import Storescp
from tests.bench.orthanc import Orthanc
from tests.bench.rounds import Receiver

STORESCP, BIT_PRESERVING = "storescp", "storescp +B"
SQLITE, POSTGRESQL = "Orthanc SQLite", "Orthanc PostgreSQL"


@contextmanager
def peer(name: str, folder: Path) -> Iterator[Receiver]:
    """One of them by its name."""
    place = folder / name.replace(" ", "-").replace("+", "")
    if name in (STORESCP, BIT_PRESERVING):
        with Storescp(place, options=["+B"] if name == BIT_PRESERVING else []) as storescp:
            yield storescp
    elif name == SQLITE:
        with Orthanc(place) as server:
            yield server
    else:
        database = PrivatePostgresql(place / "postgresql")
        database.start()
        try:
            with Orthanc(place, postgresql=database) as server:
                yield server
        finally:
            database.stop()


def available(*names: str) -> tuple[list[str], str]:
    """Those of these that this machine can run, and why not the others."""
    if not (why := orthanc.absent()):
        return list(names), ""
    return [name for name in names if name not in (SQLITE, POSTGRESQL)], why
