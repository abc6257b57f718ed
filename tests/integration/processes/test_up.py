"""`gateway up` with small services: starts, announces, restarts, replaces without a reset, drains, dies whole."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from services.runtime.forking import NICE
from tests.waiting import until

HERE = Path(__file__).parent
UP = """
import sys
from services.runtime.errors import UsageError
from services.runtime.processes import Plan, up
sys.path.append(sys.argv[1])
import small_service
plans = [Plan(("listening",), 2, listens=True), Plan(("quiet",), gives_way=True), Plan(("public",), http=True)]
try:
    sys.exit(up(plans, small_service.run, int(sys.argv[2]) if len(sys.argv) > 2 else None))
except UsageError as error:
    sys.exit(str(error))
"""


@dataclass
class Gateway:
    """A running `up` and what its home folder says."""

    home: Path
    process: subprocess.Popen[str]

    def ready_line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def pids(self, service: str) -> set[int]:
        return {int(file.stem.rpartition("-")[2]) for file in (self.home / "run").glob(f"{service}-*.json")}

    def found(self) -> dict[str, Any]:
        return dict(json.loads((self.home / "gateway.json").read_text()))

    def address(self) -> tuple[str, int]:
        host, _, port = self.found()["dicom"].rpartition(":")
        return host, int(port)


Start = Callable[..., Gateway]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def start_one(
        environment: Mapping[str, str] | None = None, home: Path = tmp_path / "home", tls_port: int | None = None
    ) -> Gateway:
        values = {"GATEWAY_HOME": str(home), "GATEWAY_DICOM_HOST": "127.0.0.1", "GATEWAY_DICOM_PORT": "0"}
        values |= {"GATEWAY_HTTP_PORT": "0", "GATEWAY_DRAIN_SECONDS": "5", "PYTHONUNBUFFERED": "1"}
        more = [] if tls_port is None else [str(tls_port)]
        with (tmp_path / "log").open("a") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", UP, str(HERE), *more], env={**os.environ, **values, **(environment or {})},
                stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True,
            )  # fmt: skip
        started.append(process)
        return Gateway(home, process)

    yield start_one
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def alive(pid: int) -> bool:
    try:
        return Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_it_says_where_it_is_when_all_are_ready(start: Start) -> None:
    gateway = start()
    line = gateway.ready_line()
    found = gateway.found()
    assert line == f"ready AET=GATEWAY dicom={found['dicom']} http={found['http']} home={gateway.home}"
    assert oct((gateway.home / "gateway.json").stat().st_mode & 0o777) == "0o600"
    assert [len(gateway.pids(name)) for name in ("listening", "quiet", "public", "up")] == [2, 1, 1, 1]
    with socket.create_connection(gateway.address()) as client:
        client.sendall(b"?\n")
        assert int(client.recv(100)) in gateway.pids("listening")


def test_the_processes_share_a_socket_for_tls_too(start: Start) -> None:
    gateway = start(tls_port=0)
    line, found = gateway.ready_line(), gateway.found()
    assert f" dicom={found['dicom']} http={found['http']} tls={found['tls']} home=" in line
    assert found["tls"] != found["dicom"]
    host, _, port = found["tls"].rpartition(":")
    with socket.create_connection((host, int(port))) as client:
        client.sendall(b"?\n")
        assert int(client.recv(100)) in gateway.pids("listening")


def test_what_nobody_waits_for_gives_way(start: Start) -> None:
    """By the nice value of the process and, where the kernel shares processors among sessions, of its session."""
    gateway = start()
    gateway.ready_line()
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    expected = {"quiet": usual + NICE, "listening": usual, "public": usual}
    for service, nice in expected.items():
        for pid in gateway.pids(service):
            assert os.getpriority(os.PRIO_PROCESS, pid) == nice
            session = Path(f"/proc/{pid}/autogroup")
            assert not session.exists() or session.read_text().split()[-1] == str(NICE if service == "quiet" else 0)


def test_it_keeps_what_others_wrote_into_its_home_file(start: Start, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "gateway.json").write_text('{"database_url": "postgresql://kept", "dicom": ""}')
    gateway = start()
    gateway.ready_line()
    assert gateway.found()["database_url"] == "postgresql://kept"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_all_and_ends_with_0(start: Start, number: signal.Signals) -> None:
    gateway = start()
    gateway.ready_line()
    pids = gateway.pids("*")
    with socket.create_connection(gateway.address()) as client:
        client.sendall(b"?\n")
        served_by = int(client.recv(100))
        os.killpg(gateway.process.pid, number)  # as a terminal does at Ctrl-C
        until(lambda: {pid for pid in pids if alive(pid)} == {served_by, gateway.process.pid}, what="the drain")
        client.sendall(b"?\n")
        assert int(client.recv(100)) == served_by
    assert gateway.process.wait(10) == 0
    assert not any(alive(pid) for pid in pids)
    assert list((gateway.home / "run").glob("*.json")) == []


def test_a_second_signal_kills(start: Start) -> None:
    gateway = start({"SMALL_SERVICE_STUBBORN": "1", "GATEWAY_DRAIN_SECONDS": "1000"})
    gateway.ready_line()
    pids = gateway.pids("*")
    gateway.process.terminate()
    log = gateway.home.parent / "log"
    until(lambda: "processes_draining" in log.read_text(), what="the drain")
    gateway.process.terminate()
    assert gateway.process.wait(10) == 0
    assert not any(alive(pid) for pid in pids)


def test_who_does_not_drain_in_time_is_killed(start: Start) -> None:
    gateway = start({"SMALL_SERVICE_STUBBORN": "1", "GATEWAY_DRAIN_SECONDS": "0"})
    gateway.ready_line()
    pids = gateway.pids("*")
    gateway.process.terminate()
    assert gateway.process.wait(20) == 0
    assert not any(alive(pid) for pid in pids)


def test_a_process_that_dies_is_started_again(start: Start) -> None:
    gateway = start()
    gateway.ready_line()
    (killed,) = gateway.pids("quiet")
    os.kill(killed, signal.SIGKILL)
    until(lambda: gateway.pids("quiet") not in (set(), {killed}), what="its successor")
    assert gateway.process.poll() is None


def test_who_serves_http_is_found_at_the_same_place_after_a_restart(start: Start) -> None:
    gateway = start()
    gateway.ready_line()
    (killed,) = gateway.pids("public")
    os.kill(killed, signal.SIGKILL)
    (pid,) = until(lambda: gateway.pids("public") - {killed}, what="its successor")
    file = gateway.home / "run" / f"public-{pid}.json"
    assert json.loads(file.read_text())["http"] == gateway.found()["http"]


def test_a_process_that_cannot_start_is_tried_again_and_no_ready_is_said_before(start: Start, tmp_path: Path) -> None:
    obstacle = tmp_path / "obstacle"
    obstacle.write_text("3")
    gateway = start({"SMALL_SERVICE_FAILS": str(obstacle)})
    until(lambda: (tmp_path / "log").read_text().count('"status": 3') >= 4, what="failed starts")
    assert not (gateway.home / "gateway.json").exists()
    obstacle.unlink()
    assert gateway.ready_line().startswith("ready ")


def test_a_process_whose_settings_are_wrong_is_not_started_again_at_once(start: Start, tmp_path: Path) -> None:
    """It has said what is wrong and what to do; a person has to do it."""
    obstacle = tmp_path / "obstacle"
    obstacle.write_text("2")
    start({"SMALL_SERVICE_FAILS": str(obstacle)})
    deaths = until(lambda: [row for row in _log(tmp_path) if row.get("status") == 2][:4], what="failed starts")
    assert {(row["event"], row["delay_seconds"]) for row in deaths} == {("process_has_wrong_settings", 30.0)}


def _log(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log").read_text().splitlines() if line.startswith("{")]


def test_nothing_outlives_a_killed_supervisor_and_a_second_start_works(start: Start) -> None:
    gateway = start()
    gateway.ready_line()
    pids = gateway.pids("*")
    gateway.process.kill()
    gateway.process.wait()
    until(lambda: not any(alive(pid) for pid in pids), what="the end of the children")
    again = start()
    assert again.ready_line().startswith("ready ")
    assert not pids & again.pids("*")


def test_a_second_one_in_the_same_home_is_refused_with_the_cure(start: Start) -> None:
    first = start()
    first.ready_line()
    second = start()
    assert second.process.wait(20) == 1
    assert "stop it first" in (first.home.parent / "log").read_text()
    assert first.process.poll() is None


def test_a_taken_dicom_port_is_named_with_the_cure(start: Start, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert start({"GATEWAY_DICOM_PORT": str(port)}).process.wait(20) == 1
    assert f"127.0.0.1:{port}: Address already in use; set GATEWAY_DICOM_PORT" in (tmp_path / "log").read_text()


@dataclass
class Clients:
    """Sixteen senders that connect, ask twice, close and begin again, until told to stop."""

    address: tuple[str, int]
    faults: list[str] = field(default_factory=list)
    answers: dict[str, int] = field(default_factory=dict)
    ended: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Clients":
        self.threads = [threading.Thread(target=self._connect_again_and_again) for _ in range(16)]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        for thread in self.threads:
            thread.join()

    def _connect_again_and_again(self) -> None:
        while not self.ended.is_set():
            try:
                with socket.create_connection(self.address, timeout=30) as client:
                    for _ in range(2):
                        client.sendall(b"?\n")
                        answer = client.recv(100).decode().strip()
                        self.answers[answer] = self.answers.get(answer, 0) + 1
            except OSError as error:
                self.faults.append(repr(error))


def test_20_replacements_under_16_connecting_clients_reset_nothing(start: Start, tmp_path: Path) -> None:
    gateway = start()
    gateway.ready_line()
    with Clients(gateway.address()) as clients:
        for _ in range(10):
            before = gateway.pids("listening")
            gateway.process.send_signal(signal.SIGHUP)
            until(
                lambda old=before: len(gateway.pids("listening")) == 2 and not old & gateway.pids("listening"),
                limit=30, what="two successors",
            )  # fmt: skip
    assert clients.faults == []
    assert "" not in clients.answers
    assert (tmp_path / "log").read_text().count("process_replaced") == 20
    assert len(clients.answers) >= 20
    gateway.process.terminate()
    assert gateway.process.wait(20) == 0


def test_a_successor_that_cannot_start_leaves_the_old_ones(start: Start, tmp_path: Path) -> None:
    obstacle = tmp_path / "obstacle"
    gateway = start({"SMALL_SERVICE_FAILS": str(obstacle)})
    gateway.ready_line()
    before = gateway.pids("listening")
    obstacle.write_text("3")
    gateway.process.send_signal(signal.SIGHUP)
    until(lambda: "replacement_failed" in (tmp_path / "log").read_text(), what="the failed replacement")
    assert gateway.pids("listening") == before
    with socket.create_connection(gateway.address()) as client:
        client.sendall(b"?\n")
        assert int(client.recv(100)) in before
    obstacle.unlink()
    gateway.process.send_signal(signal.SIGHUP)
    until(lambda: len(now := gateway.pids("listening")) == 2 and not before & now, what="two successors")


def test_ending_during_a_replacement_ends_the_successor_too(start: Start, tmp_path: Path) -> None:
    obstacle = tmp_path / "obstacle"
    gateway = start({"SMALL_SERVICE_NEVER_READY": str(obstacle)})
    gateway.ready_line()
    obstacle.touch()
    gateway.process.send_signal(signal.SIGHUP)
    until(lambda: len(gateway.pids("listening")) == 3, what="a successor that is not ready")
    pids = gateway.pids("*")
    gateway.process.terminate()
    assert gateway.process.wait(20) == 0
    assert not any(alive(pid) for pid in pids)
