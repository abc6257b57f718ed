"""deploy/local/up: nothing of it survives it, a second start finds everything, and odd places do not trouble it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from private_servers.processes import is_running

from services.cli.names import LISTENING, SERVICES
from tests.deploy.launching import READY_SECONDS, Launched, launched
from tests.deploy.upgrade.frozen import every_version
from tests.waiting import until

pytestmark = pytest.mark.timeout(300)


def remember(launcher: Launched) -> None:
    """Leave a mark in the database."""
    with psycopg.connect(launcher.addresses()["database_url"]) as connection:
        connection.execute("CREATE TABLE public.mark AS SELECT 7 AS number")


def remembers(launcher: Launched) -> bool:
    """Whether the mark is there."""
    with psycopg.connect(launcher.addresses()["database_url"]) as connection:
        return connection.execute("SELECT number FROM public.mark").fetchone() == (7,)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launched]:
    """A gateway for the tests that do not end it."""
    with launched(tmp_path_factory.mktemp("shared") / "home") as launcher:
        launcher.wait_ready()
        yield launcher


@pytest.fixture
def closed_home(tmp_path: Path) -> Path:
    """A home whose name has spaces, below a folder that only we may enter."""
    closed = tmp_path / "only ours"
    closed.mkdir(mode=0o700)
    return closed / "the gateway's home"


def test_killed_with_9_leaves_nothing_and_a_second_start_finds_its_data_and_says_what_died(closed_home: Path) -> None:
    with launched(closed_home, "--restore", str(every_version()[-1].folder)) as launcher:
        launcher.wait_ready()
        with psycopg.connect(launcher.addresses()["database_url"]) as connection:
            assert connection.execute("select 1 from config.station where title = 'SCANNER1'").fetchone() == (1,)
        running = launcher.command_lines()
        for program in ("bin/postgres", "beam.smp", "epmd", "gateway run storage"):
            assert program in running
        before = launcher.addresses()
        remember(launcher)
        assert launcher.end(signal.SIGKILL) == -signal.SIGKILL
    with launched(closed_home) as launcher:
        ready = launcher.wait_ready()
        assert ready["home"] == str(closed_home)
        assert ready["dicom"].startswith("127.0.0.1:")
        assert remembers(launcher)
        after = launcher.addresses()
        assert (after["database_url"], after["amqp_url"]) == (before["database_url"], before["amqp_url"])
        assert len(launcher.processes()) > 6
        (card,) = (closed_home / "run").glob("up-*.json")
        os.kill(json.loads(card.read_text())["pid"], signal.SIGKILL)
        assert launcher.process.wait(90) == 128 + signal.SIGKILL
        assert "gateway up died of SIGKILL" in launcher.errors.read_text()
    assert_it_shows_only_what_it_logged(closed_home)


def assert_it_shows_only_what_it_logged(home: Path) -> None:
    """A start that fails shows the reason, and nothing of what earlier ones logged."""
    before = home.with_name(f"{home.name}.stderr").stat().st_size
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with launched(home, GATEWAY_DICOM_PORT=str(port)) as launcher:
            assert launcher.process.wait(READY_SECONDS) != 0
    shown = launcher.errors.read_bytes()[before:].decode()
    assert f"DICOM address 127.0.0.1:{port}: Address already in use" in shown
    assert '{"' not in shown


def test_asked_to_end_while_starting_it_ends_everything(tmp_path: Path) -> None:
    with launched(tmp_path / "home") as launcher:
        until(lambda: "beam.smp" in launcher.command_lines(), limit=60, what="the broker's start")
        assert launcher.end(signal.SIGTERM) == 0


def test_one_that_does_not_become_ready_says_where_the_reason_is(tmp_path: Path) -> None:
    """With too little room it runs and refuses instances; nobody at the terminal would know."""
    with launched(tmp_path / "home", GATEWAY_MINIMUM_FREE_BYTES=str(1 << 60)) as launcher:
        until(lambda: "not ready yet: 'gateway status'" in launcher.errors.read_text(), limit=90, what="what it says")
        command = [str(Path(sys.executable).with_name("gateway")), "status", "--json"]
        told = subprocess.run(
            command, env={"PATH": os.environ["PATH"], "GATEWAY_HOME": str(launcher.home)},
            capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        assert "less than the watermark; make room" in told.stdout


def test_every_socket_is_on_loopback(shared: Launched) -> None:
    listening = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True, check=True, timeout=30).stdout
    ours = {str(pid) for pid in shared.processes()}
    addresses = [line.split()[3] for line in listening.splitlines() if ours & set(re.findall(r"pid=(\d+)", line))]
    assert len(addresses) > 4
    assert {address.rpartition(":")[0] for address in addresses} <= {"127.0.0.1", "[::1]"}
    assert not {"5432", "5672", "4369"} & {address.rpartition(":")[2] for address in addresses}


def test_one_process_for_each_service_and_two_that_receive(shared: Launched) -> None:
    """All are copies of one that has a single thread: of several, locks might be held at that moment."""
    cards = [json.loads(card.read_text()) for card in (shared.home / "run").glob("*-*.json")]
    listening = "-".join(LISTENING)
    expected = [listening, listening, *(name for name in SERVICES if name not in LISTENING)]
    running = [card["service"] for card in cards if is_running(card["pid"]) and card["service"] in expected]
    assert sorted(running) == sorted(expected)
    assert {card["pid"] for card in cards if card["service"] in expected} <= set(shared.processes())
    (supervisor,) = [card["pid"] for card in cards if card["service"] == "up" and is_running(card["pid"])]
    assert len(list(Path(f"/proc/{supervisor}/task").iterdir())) == 1


def test_taken_ports_are_replaced_and_named_and_an_interrupt_ends_everything(shared: Launched, tmp_path: Path) -> None:
    with launched(tmp_path / "home") as second:
        ready = second.wait_ready()
        assert ready["dicom"] != shared.addresses()["dicom"]
        assert ready["http"] != shared.addresses()["http"]
        assert "DICOM port 11112 is taken" in second.errors.read_text()
        assert len(second.processes()) > 6
        assert second.end(signal.SIGINT) == 0


def test_a_home_in_use_is_refused(shared: Launched) -> None:
    with launched(shared.home) as second:
        assert second.process.wait(60) == 1
        assert f"GATEWAY_HOME={shared.home}: a gateway runs there; stop it first" in second.errors.read_text()
    assert shared.process.poll() is None


def test_a_server_that_dies_is_started_again_in_place(shared: Launched) -> None:
    remember(shared)
    postmaster = int((shared.home / "postgresql" / "data" / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGKILL)
    until(lambda: not is_running(postmaster), what="the database's end")
    assert until(lambda: reconnects(shared), limit=60, what="the database's return")


def test_when_asked_it_ends_with_everything(shared: Launched) -> None:
    assert shared.end(signal.SIGTERM) == 0


def reconnects(launcher: Launched) -> bool:
    """Whether the database answers and has its data."""
    try:
        return remembers(launcher)
    except psycopg.OperationalError:
        return False
