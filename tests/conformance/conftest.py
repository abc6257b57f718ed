"""Gateways in profile xeleris, started once: receiving processes alone in each variant, and a whole one."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from schemas.snapshot import SnapshotStation
from tests.ingest_process import IngestProcess, snapshot

XELERIS = {"GATEWAY_PROFILE": "xeleris", "GATEWAY_AET": "XELERIS"}


def started(stack: ExitStack, tmp_path_factory: pytest.TempPathFactory, settings: dict[str, str]) -> IngestProcess:
    """A receiving process that knows SCANNER1, and NEARBY only at 127.0.0.2."""
    process = IngestProcess(tmp_path_factory.mktemp("receiving"), settings, services=("ingest", "query"))
    stack.callback(process.end)
    nearby = SnapshotStation(title="NEARBY", addresses=["127.0.0.2/32"])
    process.configure(snapshot(stations=[SnapshotStation(title="SCANNER1"), nearby]))
    process.start()
    return process


@pytest.fixture(scope="session")
def variants(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], IngestProcess]]:
    """The receiving process of a variant, started when it is first asked for."""
    running: dict[str, IngestProcess] = {}
    with ExitStack() as stack:

        def of(variant: str) -> IngestProcess:
            if variant not in running:
                running[variant] = started(stack, tmp_path_factory, XELERIS | {"GATEWAY_VARIANT": variant})
            return running[variant]

        yield of


@pytest.fixture(scope="session")
def receiving(variants: Callable[[str], IngestProcess]) -> IngestProcess:
    """The receiving process of variant 4dr."""
    return variants("4dr")


@pytest.fixture(scope="session")
def profile_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IngestProcess]:
    """A receiving process in profile gateway."""
    with ExitStack() as stack:
        yield started(stack, tmp_path_factory, {})
