"""Gateways in profile xeleris, started once: receiving processes alone in each variant, and a whole one."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from schemas.snapshot import SnapshotStation
from tests.conformance.clients import install_dcmjs
from tests.conformance.whole import Objects, Sent, WholeGateway, indexed, store, whole_gateway, written
from tests.ingest_process import IngestProcess, snapshot
from tests.running_gateway import FreshServers
from tests.xeleris_objects import MADE_BY_XELERIS, SENT_ON, made

XELERIS = {"GATEWAY_PROFILE": "xeleris", "GATEWAY_AET": "XELERIS"}


def started(
    stack: ExitStack, tmp_path_factory: pytest.TempPathFactory, settings: dict[str, str], *, ready: bool = True
) -> IngestProcess:
    """A receiving process that knows SCANNER1, and NEARBY only at 127.0.0.2."""
    process = IngestProcess(tmp_path_factory.mktemp("receiving"), settings, services=("ingest", "query"))
    stack.callback(process.end)
    nearby = SnapshotStation(title="NEARBY", addresses=["127.0.0.2/32"])
    process.configure(snapshot(stations=[SnapshotStation(title="SCANNER1"), nearby]))
    process.start(ready=ready)
    return process


@pytest.fixture(scope="package")
def variants(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], IngestProcess]]:
    """The receiving process of a variant, started when it is first asked for."""
    running: dict[str, IngestProcess] = {}
    with ExitStack() as stack:

        def of(variant: str) -> IngestProcess:
            if variant not in running:
                running[variant] = started(stack, tmp_path_factory, XELERIS | {"GATEWAY_VARIANT": variant})
            return running[variant]

        yield of


@pytest.fixture(scope="package")
def receiving(variants: Callable[[str], IngestProcess]) -> IngestProcess:
    """The receiving process of variant 4dr."""
    return variants("4dr")


@pytest.fixture(scope="package")
def profile_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IngestProcess]:
    """A receiving process in profile gateway."""
    with ExitStack() as stack:
        yield started(stack, tmp_path_factory, {})


@pytest.fixture(scope="package")
def xeleris(tmp_path_factory: pytest.TempPathFactory, fresh_servers: FreshServers) -> Iterator[WholeGateway]:
    """The whole gateway, variant 4dr, knowing the senders of the suite; what it receives stays unless rules are set."""
    with (
        fresh_servers() as shared,
        whole_gateway(tmp_path_factory.mktemp("whole") / "home", XELERIS, shared) as running,
    ):
        for title in ("SCANNER1", "DCMTK", "DCMJS"):
            running.add_station(title)
        running.wait_configured()
        yield running


@pytest.fixture(scope="package")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Objects:
    """A new object of a kind (a name of tests/xeleris_objects.py) with these elements: other UIDs every time."""
    folder, seeds = tmp_path_factory.mktemp("objects"), itertools.count(1000)

    def new(name: str, **elements: object) -> Sent:
        data_set = made(name, next(seeds))
        for keyword, value in elements.items():
            setattr(data_set, keyword, value)
        return written(name, data_set, folder)

    return new


@pytest.fixture(scope="package")
def kept(xeleris: WholeGateway, objects: Objects) -> dict[str, Sent]:
    """One object of every kind, stored in the gateway and found by queries."""
    sent = {name: objects(name) for name in (*MADE_BY_XELERIS, *SENT_ON)}
    for each in sent.values():
        assert store(xeleris.dicom_port, each) == 0, each.name
    for each in sent.values():
        indexed(xeleris, each)
    return sent


@pytest.fixture(scope="package")
def dcmjs_client() -> None:
    """dcmjs-dimse, installed."""
    install_dcmjs()
