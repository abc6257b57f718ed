"""One process of the gateway from outside: starts, tells its health, drains in reverse order, ends with a status."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from private_servers.postgresql import PrivatePostgresql
from prometheus_client.parser import text_string_to_metric_families
from psycopg import sql

from tests.conftest import execute, fresh_database, migrate
from tests.waiting import until

RUN = "import sys; from services.runtime.app import run; sys.exit(run(sys.argv[1:]))"
STEADY = """
    from contextlib import asynccontextmanager
    STANDS_ALONE = True

    @asynccontextmanager
    async def service(runtime):
        say("entered")
        yield
        say("drained")
"""
NOWHERE = "postgresql://nobody@127.0.0.1:1/none"


@dataclass
class Process:
    """A process with services written by the test."""

    home: Path
    process: subprocess.Popen[str]

    def said(self) -> list[str]:
        """What its services said, in order."""
        file = self.home / "said"
        return file.read_text().split("\n")[:-1] if file.exists() else []

    def found(self) -> dict[str, Any]:
        """Its file in the run folder, once it is there."""

        def file() -> Path | None:
            return next((self.home / "run").glob(f"*-{self.process.pid}.json"), None)

        path = until(lambda: file() or self.process.poll(), limit=20, what="the file in run/")
        assert isinstance(path, Path), self.log()
        return dict(json.loads(path.read_text()))

    def get(self, path: str, *, timeout: float = 5, **headers: str) -> tuple[int, str]:
        """Status and text of one of its pages."""
        try:
            asked = urllib.request.Request(self.found()["http"] + path, headers=headers)  # noqa: S310
            with urllib.request.urlopen(asked, timeout=timeout) as response:  # noqa: S310
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def ready(self) -> bool:
        return self.get("/readyz")[0] == 200

    def log(self) -> str:
        return (self.home.parent / "log").read_text()


Start = Callable[..., Process]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """``start("a", "b", a=source, b=source, GATEWAY_X=value)``: one process with the services a and b."""
    started: list[subprocess.Popen[str]] = []
    say = f"def say(text):\n    open({str(tmp_path / 'home' / 'said')!r}, 'a').write(f'{{__package__}} {{text}}\\n')\n"

    def start_one(*names: str, **given: str) -> Process:
        environment = {name: value for name, value in given.items() if name.startswith("GATEWAY_")}
        for name in names:
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / "main.py").write_text(say + textwrap.dedent(given.get(name, STEADY)))
        values = {
            "GATEWAY_HOME": str(tmp_path / "home"), "GATEWAY_HEALTH_PORT": "0", "GATEWAY_DRAIN_SECONDS": "5",
            "GATEWAY_DATABASE_URL": NOWHERE, "GATEWAY_AMQP_URL": "amqp://guest:guest@127.0.0.1:1/",
            "GATEWAY_MINIMUM_FREE_BYTES": "0", "GATEWAY_MINIMUM_FREE_FRACTION": "0",
            "PYTHONPATH": os.pathsep.join([str(tmp_path), os.getcwd()]),
        }  # fmt: skip
        with (tmp_path / "log").open("a") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", RUN, *(f"{name}.main:service" for name in names)],
                env={**os.environ, **values, **environment}, stdout=log, stderr=log, text=True,
            )  # fmt: skip
        started.append(process)
        return Process(tmp_path / "home", process)

    yield start_one
    for process in started:
        process.kill()
        process.wait()


def test_a_small_answer_on_a_connection_that_is_kept_waits_for_no_acknowledgement(start: Start) -> None:
    """With Nagle's algorithm each but the first takes 40 ms, until the client's delayed ACK."""
    process = start("steady")
    until(process.ready, limit=20, what="ready")
    connection = http.client.HTTPConnection(process.found()["http"].removeprefix("http://"), timeout=5)
    took = []
    for _ in range(15):
        began = time.monotonic()
        connection.request("GET", "/livez")
        connection.getresponse().read()
        took.append(time.monotonic() - began)
    connection.close()
    assert sorted(took)[5] < 0.03


def test_a_process_says_where_it_is_serves_and_drains(start: Start) -> None:
    one = start("steady")
    found = one.found()
    place = {"http": found["http"], "host": socket.gethostname()}
    assert found == {"service": "steady", "pid": one.process.pid, **place}
    until(one.ready, what="readiness")
    assert json.loads(one.get("/readyz")[1]) == {"ready": True, "checks": {"process": None, "objects": None}}
    assert one.get("/livez")[0] == 200
    assert one.get("/") == (200, "dicom-gateway process; see /livez /readyz /metrics\n")
    assert one.get("/nothing")[0] == 404
    one.process.terminate()
    assert one.process.wait(10) == 0
    assert one.said() == ["steady entered", "steady drained"]
    assert list((one.home / "run").iterdir()) == []
    assert all(json.loads(line)["service"] == "steady" for line in one.log().splitlines())


def test_its_metrics_parse_and_name_the_build(start: Start) -> None:
    one = start("steady")
    families = {family.name: family for family in text_string_to_metric_families(one.get("/metrics")[1])}
    assert families["gateway_build_info"].samples[0].labels["services"] == "steady"
    assert families["gateway_runtime_loop_lag_seconds"].samples[0].value < 5
    assert "gateway_runtime_task_restarts" in families


def test_without_database_and_broker_it_starts_and_is_not_ready(start: Start) -> None:
    one = start("dependent", dependent=STEADY.replace("STANDS_ALONE = True", ""))
    until(lambda: one.said() == ["dependent entered"], what="the start")
    status, text = one.get("/readyz")
    assert status == 503
    checks = json.loads(text)["checks"]
    assert checks["database"]
    assert checks["broker"]
    assert checks["process"] is None
    assert one.get("/livez")[0] == 200
    one.process.terminate()
    assert one.process.wait(10) == 0


def test_with_database_and_broker_it_is_ready(start: Start, database_url: str, amqp_url: str) -> None:
    dependent = STEADY.replace("STANDS_ALONE = True", "")
    one = start("dependent", dependent=dependent, GATEWAY_DATABASE_URL=database_url, GATEWAY_AMQP_URL=amqp_url)
    until(one.ready, limit=30, what="readiness")
    assert set(json.loads(one.get("/readyz")[1])["checks"]) == {"process", "objects", "database", "broker"}
    one.process.terminate()
    assert one.process.wait(10) == 0


def test_several_services_share_a_process_and_drain_in_reverse(start: Start) -> None:
    one = start("first", "second", "third")
    until(one.ready, what="readiness")
    assert one.found()["service"] == "first-second-third"
    one.process.send_signal(signal.SIGINT)
    assert one.process.wait(10) == 0
    order = ["first entered", "second entered", "third entered", "third drained", "second drained", "first drained"]
    assert one.said() == order


def test_a_service_that_cannot_enter_ends_the_process_with_1(start: Start) -> None:
    broken = """
        from contextlib import asynccontextmanager

        @asynccontextmanager
        async def service(runtime):
            raise OSError("no listener")
            yield
    """
    one = start("steady", "broken", broken=broken)
    assert one.process.wait(20) == 1
    assert one.said() == ["steady entered", "steady drained"]
    assert '"event": "service_failed"' in one.log()
    assert "OSError: no listener" in one.log()


def test_the_crash_of_a_task_drains_and_ends_with_1(start: Start) -> None:
    crashing = """
        from contextlib import asynccontextmanager
        STANDS_ALONE = True

        async def work():
            raise OSError("gone")

        @asynccontextmanager
        async def service(runtime):
            runtime.supervisor.spawn("listener", work, restart=False)
            yield
            say("drained")
    """
    one = start("crashing", crashing=crashing)
    assert one.process.wait(20) == 1
    assert one.said() == ["crashing drained"]
    assert '"event": "task_crashed"' in one.log()


def test_a_signal_while_starting_ends_with_0(start: Start) -> None:
    waiting = """
        import asyncio
        from contextlib import asynccontextmanager

        @asynccontextmanager
        async def service(runtime):
            say("starting")
            await asyncio.Event().wait()
            yield
    """
    one = start("steady", "waiting", waiting=waiting)
    until(lambda: "waiting starting" in one.said(), what="the start")
    assert json.loads(one.get("/readyz")[1])["checks"]["process"] == "starting"
    one.process.terminate()
    assert one.process.wait(10) == 0
    assert one.said() == ["steady entered", "waiting starting", "steady drained"]


DRAINS_FOR_EVER = """
    import asyncio
    from contextlib import asynccontextmanager
    STANDS_ALONE = True

    @asynccontextmanager
    async def service(runtime):
        yield
        say("draining")
        await asyncio.Event().wait()
"""


def test_the_second_signal_kills(start: Start) -> None:
    one = start("steady", "slow", slow=DRAINS_FOR_EVER, GATEWAY_DRAIN_SECONDS="1000")
    until(one.ready, what="readiness")
    one.process.terminate()
    until(lambda: "slow draining" in one.said(), what="the drain")
    assert json.loads(one.get("/readyz")[1])["checks"]["process"] == "draining"
    one.process.terminate()
    assert one.process.wait(10) == -signal.SIGTERM


def test_the_drain_has_a_limit_after_which_nothing_is_left(start: Start) -> None:
    one = start("steady", "slow", slow=DRAINS_FOR_EVER, GATEWAY_DRAIN_SECONDS="1")
    until(one.ready, what="readiness")
    one.process.terminate()
    started = time.monotonic()
    assert one.process.wait(20) == 1
    assert time.monotonic() - started < 10
    assert one.said() == ["steady entered", "slow draining"]
    assert list((one.home / "run").iterdir()) == []
    assert '"event": "drain_limit_reached"' in one.log()


def test_a_thread_that_never_ends_does_not_keep_the_process(start: Start) -> None:
    threaded = """
        import threading
        from contextlib import asynccontextmanager
        STANDS_ALONE = True

        @asynccontextmanager
        async def service(runtime):
            threading.Thread(target=threading.Event().wait).start()
            yield
    """
    one = start("threaded", threaded=threaded, GATEWAY_DRAIN_SECONDS="1")
    until(one.ready, what="readiness")
    one.process.terminate()
    assert one.process.wait(20) == 1
    assert '"event": "process_killed_by_drain_limit"' in one.log()


def test_readiness_names_what_database_and_broker_lack_with_the_cure(
    start: Start, postgresql: PrivatePostgresql
) -> None:
    with fresh_database(postgresql, "template1") as url:
        one = start("worker", worker=STEADY.replace("STANDS_ALONE = True", ""), GATEWAY_DATABASE_URL=url)
        until(lambda: "run 'gateway migrate'" in one.get("/readyz")[1], limit=20, what="the cure")
        checks = json.loads(one.get("/readyz")[1])["checks"]
        assert "gateway migrate" in checks["database"]
        assert checks["broker"] == "the broker does not answer"
        one.process.kill()
        one.process.wait()


DESK = "from services.admin.main import *\n"
AWAY = {
    "GATEWAY_OBJECTS_URL": "s3://bucket/main", "GATEWAY_S3_ENDPOINT": "http://127.0.0.1:1",
    "GATEWAY_S3_ACCESS_KEY_ID": "none", "GATEWAY_S3_SECRET_ACCESS_KEY": "none",
}  # fmt: skip


def test_the_desk_is_reached_when_people_need_it(start: Start, postgresql: PrivatePostgresql) -> None:
    """Neither broker nor object store, nor a database that goes away, takes it from who looks why; one that it cannot
    work with does, so that nobody is led to it in a desk's place that can."""
    with fresh_database(postgresql, "template1") as url:
        one = start("desk", desk=DESK, GATEWAY_DATABASE_URL=url, GATEWAY_HTTP_PORT="0", **AWAY)
        until(lambda: "run 'gateway migrate'" in one.get("/readyz")[1], limit=40, what="the cure")
        migrate(url)
        until(one.ready, limit=20, what="readiness without broker and object store")
        assert one.get("/login")[0] == 200
        name = sql.Identifier(url.rpartition("/")[2].partition("?")[0])
        execute(postgresql.url, sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(name))
        execute(postgresql.url, sql.SQL("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {}")
                .format(name.as_string().strip('"')))  # fmt: skip
        until(
            lambda: "gateway_database_available 0.0" in one.get("/metrics")[1], limit=20, what="the database to be away"
        )
        assert one.ready()
        status, text = one.get("/stations", timeout=20, Cookie="gateway_session=" + 43 * "x")
        assert (status, "gateway check" in text) == (503, True), text
        one.process.kill()
        one.process.wait()


def test_the_desk_may_have_a_port_for_itself(start: Start, database_url: str) -> None:
    """Whoever reaches it, through a proxy that leads everything there, reads neither metrics nor health."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    one = start("desk", desk=DESK, GATEWAY_DATABASE_URL=database_url, GATEWAY_HTTP_PORT=str(port))
    until(one.ready, limit=40, what="readiness")
    assert one.get("/login")[0] == 404
    site = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    found = {}
    for path in ("/login", "/metrics", "/readyz", "/livez"):
        site.request("GET", path)
        answer = site.getresponse()
        answer.read()
        found[path] = (answer.status, answer.getheader("Location"))
    site.close()
    no_page = {path: (303, f"/login?next={path}") for path in ("/metrics", "/readyz", "/livez")}
    assert found == {"/login": (200, None), **no_page}
    one.process.terminate()
    assert one.process.wait(20) == 0


def test_a_readiness_check_decides_and_a_broken_one_is_a_reason(start: Start) -> None:
    checked = """
        from contextlib import asynccontextmanager
        from pathlib import Path
        STANDS_ALONE = True

        def broken():
            raise KeyError("Doe^Jane")

        @asynccontextmanager
        async def service(runtime):
            here = Path(runtime.settings.home, "snapshot")
            runtime.health.add_readiness("snapshot", lambda: None if here.exists() else "no snapshot yet")
            if Path(runtime.settings.home, "break").exists():
                runtime.health.add_readiness("broken", broken)
            yield
    """
    one = start("checked", checked=checked)
    until(lambda: "no snapshot yet" in one.get("/readyz")[1], what="the reason")
    (one.home / "snapshot").touch()
    assert one.ready()
    (one.home / "break").touch()
    other = start("checked", checked=checked)
    until(lambda: '"check failed: KeyError"' in other.get("/readyz")[1], what="the reason")
    assert "Doe" not in other.get("/readyz")[1] + other.log()


def test_a_loop_that_does_not_turn_is_not_alive(start: Start) -> None:
    stuck = """
        import threading, time
        from contextlib import asynccontextmanager
        from pathlib import Path
        STANDS_ALONE = True

        @asynccontextmanager
        async def service(runtime):
            async def work():
                while not Path(runtime.settings.home, "stick").exists():
                    await runtime.supervisor.pause(0.05)
                say("stuck")
                while Path(runtime.settings.home, "stick").exists():
                    time.sleep(0.05)
                await runtime.supervisor.stopping.wait()
            runtime.supervisor.spawn("sticking", work)
            yield
    """
    one = start("stuck", stuck=stuck)
    until(one.ready, what="readiness")
    (one.home / "stick").touch()
    until(lambda: one.said() == ["stuck stuck"], what="the stuck loop")
    with pytest.raises(TimeoutError):
        one.get("/livez", timeout=0.5)
    (one.home / "stick").unlink()
    assert one.get("/livez")[0] == 200


def test_wrong_settings_end_with_2_and_name_the_variable(start: Start) -> None:
    one = start("steady", GATEWAY_DICOM_PORT="many")
    assert one.process.wait(20) == 2
    assert one.log().startswith("settings: GATEWAY_DICOM_PORT: ")


def test_a_taken_http_port_ends_with_2_and_names_the_cure(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        one = start("steady", GATEWAY_HEALTH_PORT=str(port))
        assert one.process.wait(20) == 2
    assert f"HTTP address 127.0.0.1:{port}: Address already in use; set GATEWAY_HEALTH_PORT" in one.log()


@pytest.mark.parametrize(
    ("targets", "text"),
    [([], "name at least one"), (["services.nothing.main:service"], "services.nothing"), (["json:nothing"], "json")],
)
def test_what_is_no_service_ends_with_2(targets: list[str], text: str) -> None:
    command = [sys.executable, "-c", RUN, *targets]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 2
    assert text in ended.stderr


BREAKING = """
from contextlib import asynccontextmanager
import asyncio, errno, os

STANDS_ALONE = True

def fail(fd):
    raise OSError(errno.EIO, "broken disk")

@asynccontextmanager
async def service(runtime):
    os.fdatasync = os.fsync = fail
    try:
        await asyncio.to_thread(runtime.objects.put_bytes, "config/some", b"x")
    except Exception as error:
        say(type(error).__name__)
    yield
"""


def test_a_full_disk_is_no_reason_for_those_who_do_not_receive(start: Start) -> None:
    one = start("steady", GATEWAY_MINIMUM_FREE_FRACTION="0.999999")
    until(lambda: one.said() == ["steady entered"], what="the start")
    assert one.get("/readyz")[0] == 200


def test_a_failed_fsync_makes_the_process_unready(start: Start) -> None:
    one = start("breaking", breaking=BREAKING)
    until(lambda: one.said() == ["breaking StoreFailed"], what="the start")
    status, text = one.get("/readyz")
    assert status == 503
    assert "check the disk, then restart" in json.loads(text)["checks"]["objects"]
