"""Fixtures of every tier: real private servers, started lazily once a run; fresh databases and virtual hosts; switches.

``postgresql`` and ``rabbitmq`` are shared by the whole run: never stop them. A test that stops, kills or suspends a
server takes its own with ``private_postgresql`` or ``private_rabbitmq``.
"""

import asyncio
import itertools
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
import structlog
from private_servers.postgresql import PrivatePostgresql
from private_servers.rabbitmq import PrivateRabbitmq
from psycopg import sql
from xdist.remote import Producer
from xdist.scheduler.loadscope import LoadScopeScheduling

from services.runtime import migrate as migrations
from services.runtime import roles
from tests import canary
from tests.bench import figures
from tests.conformance import table
from tests.faults import summary
from tests.running_gateway import FreshServers, Servers
from tests.waiting import until

if TYPE_CHECKING:
    from tests.desk import Desk

CHECKOUT = Path(__file__).resolve().parent.parent
TESTS = CHECKOUT / "tests"
CONFORMANCE, FAULTS = "tests/conformance", "tests/faults"
_SEED = re.compile(r"(?<=\[)[1-9][0-9]?(?=[-\]])")
"""In the id of a test that takes ``seed``."""
BUSY = (
    "faults/", "deploy/test_bare_machine", "deploy/test_built_image", "deploy/test_launcher",
    "e2e/test_rolling_restart", "integration/ingest/test_replacement", "ui/",
)  # fmt: skip
PROMPT = ("integration/forwarder/test_sending", "integration/runtime/test_database", "integration/dicom/", "unit/")
"""What allows the gateway a second, and what is quick: apart from what keeps both processors busy, at the end."""
CHECKS_SECONDS = 300
LEAKED = pytest.StashKey[list[str]]()
BENCHES = ("shows", "all")
"""Values of ``--bench`` that are no name of one."""
_TEMPLATE = "template_migrated"
_SWITCHES = {"bench": "--bench", "all_faults": "--faults", "large": "--large"}
_LASTING = {"storm": "--storm", "soak": "--soak"}
"""A minute of each is in every run; with its switch it lasts as long as that says, and nothing else runs."""
_AFTERWARDS_SECONDS = 3600
"""What a long storm or soak may take besides: until nothing is under way, and until all of it is accounted for."""
_numbers = itertools.count(1)


def seconds(text: str) -> float:
    """A duration such as 90, 90s, 30m or 2h. Raises ValueError."""
    units = {"s": 1, "m": 60, "h": 3600}
    return float(text[:-1]) * units[text[-1]] if text and text[-1] in units else float(text)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The switches of tests/run."""
    group = parser.getgroup("dicom-gateway")
    group.addoption("--seeds", type=int, default=None, help="seeds of randomised fault tests: 2, 5 with --faults=all")
    group.addoption("--faults", choices=["all"], default=None, help="all: the long list of faults too")
    group.addoption(
        "--large", action="store_const", const=True, default=None, help="what takes gigabytes or tens of thousands too"
    )
    group.addoption("--storm", type=seconds, default=None, metavar="T", help="mixed load with random faults, so long")
    group.addoption("--storm-seed", type=int, default=None, metavar="N", help="brings the storm of this seed again")
    group.addoption("--soak", type=seconds, default=None, metavar="T", help="traffic at half of the capacity, so long")
    group.addoption(
        "--bench",
        nargs="?",
        const="shows",
        default=None,
        help="only measurements: those the project shows, all of them, or the one of this name",
    )
    group.addoption("--walk", action="store_true", help="write docs/walk.md and its pictures from the walk at the desk")
    group.addoption("--pictures", type=Path, default=None, help="folder for pictures of every page, to be looked at")
    group.addoption("--checks", type=Path, default=None, help="file that will tell which static checks failed")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The table of requirements, if their tests ran; what was measured; which static checks failed."""
    table.write(terminalreporter)
    summary.write(terminalreporter)
    reports = [
        each for found in terminalreporter.stats.values() for each in found if getattr(each, "when", "") == "call"
    ]
    for told in (value for report in reports for name, value in report.user_properties if name == figures.PROPERTY):
        terminalreporter.section("measured")
        terminalreporter.write("".join(f"{line}\n" for line in figures.lines(told)))
    if leaked := config.stash.get(LEAKED, []):
        terminalreporter.write_sep("=", "patients or passwords in the logs of services", red=True)
        terminalreporter.write("".join(f"{line}\n" for line in leaked))
    if (told := config.getoption("--checks")) and (failed := _failed_checks(told)):
        terminalreporter.write_sep("=", f"failed beside pytest: {failed}", red=True)


def _failed_checks(told: Path) -> str:
    """The static checks that failed; they have begun when pytest has, and may take longer than a few tests."""
    until(told.exists, limit=CHECKS_SECONDS, what="the end of the static checks")
    return told.read_text()


def pytest_configure(config: pytest.Config) -> None:
    """Nothing of the caller's environment decides a test."""
    for name in list(os.environ):
        if name.startswith(("GATEWAY_", "PG", "AWS_", "RABBITMQ_", "PROMETHEUS_")):
            del os.environ[name]
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
    os.environ["TZ"] = "UTC"
    # Faults that the tests' own process logs: with the values of all variables, as usual, each takes up to a minute.
    console = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], console])
    if not hasattr(config, "workerinput"):
        canary.begin()
    # pynetdicom brings programs of DCMTK's names; the tests mean DCMTK's.
    ours = str(Path(sys.executable).parent)
    active = str(Path(os.environ.get("VIRTUAL_ENV", ours)) / "bin")
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    others = [folder for folder in folders if folder not in (ours, active)]
    os.environ["PATH"] = os.pathsep.join([*others, ours])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marked tests run only when their switch is given; those that need root are skipped where it is not to be had."""
    unwanted = [name for name, switch in _SWITCHES.items() if config.getoption(switch) is None]
    _skip_what_needs_root(items)
    left_out = [item for item in items if any(item.get_closest_marker(name) for name in unwanted)]
    bench = config.getoption("--bench")
    left_out += [item for item in items if item not in left_out and not _asked(item, bench)]
    if lasting := {name: long for name, switch in _LASTING.items() if (long := config.getoption(switch)) is not None}:
        left_out = [item for item in items if not _lasts(item, lasting)]
    if bench not in (None, *BENCHES) and len(left_out) == len(items):
        raise pytest.UsageError(f"--bench={bench}: there is no such bench; tests/README.md names them")
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    items[:] = _spread(items)
    table.note(items)


def _skip_what_needs_root(items: list[pytest.Item]) -> None:
    marked = [item for item in items if item.get_closest_marker("root")]
    if not marked or os.geteuid() == 0:
        return
    if subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode != 0:
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="needs root, or sudo without a password"))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """How processes share the tests."""
    return _ByFile(config, log)


class _ByFile(LoadScopeScheduling):
    """A file at a time; all of conformance, whose files share whole gateways, as if it were one. With every fault some
    files would take as long as the whole run may: each seed of theirs counts as a file."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        seed = _SEED.search(nodeid) if self.config.getoption("--faults") and path.startswith(FAULTS) else None
        return CONFORMANCE if path.startswith(CONFORMANCE) else path + (seed[0] if seed else "")


def _spread(items: list[pytest.Item]) -> list[pytest.Item]:
    """Files that keep both processors busy lie apart from each other, so that those which wait run beside them; what
    has to be prompt comes after all of them."""
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    busy, prompt = (
        [path for path in files if path.relative_to(TESTS).as_posix().startswith(names)] for names in (BUSY, PROMPT)
    )
    others = [path for path in files if path not in busy and path not in prompt]
    gap = len(others) / max(len(busy), 1)
    placed = [(number * gap, path) for number, path in enumerate(busy)] + list(enumerate(others))
    order = [path for _, path in sorted(placed, key=lambda each: each[0])]
    return [item for path in (*order, *prompt) for item in files[path]]


def _lasts(item: pytest.Item, lasting: Mapping[str, float]) -> bool:
    """Whether it is of what is to last; then it may."""
    asked = [seconds for name, seconds in lasting.items() if item.get_closest_marker(name)]
    for seconds in asked:
        item.add_marker(pytest.mark.timeout(seconds + _AFTERWARDS_SECONDS), append=False)
    return bool(asked)


def _asked(item: pytest.Item, bench: str | None) -> bool:
    """Benches run without other tests: all, those that are shown, or one by its name."""
    marker = item.get_closest_marker("bench")
    if bench is None or marker is None:
        return bench is None
    return bench == "all" or marker.args == (bench,) or (bench == "shows" and marker.kwargs.get("show", False))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes ``seed`` runs once for every seed."""
    if "seed" in metafunc.fixturenames:
        usual = 2 if metafunc.config.getoption("--faults") is None else 5
        metafunc.parametrize("seed", range(1, (metafunc.config.getoption("--seeds") or usual) + 1))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Nothing that a service logged in the whole run names a patient or a password."""
    if not hasattr(session.config, "workerinput"):
        session.config.stash[LEAKED] = canary.end()
        if session.config.stash[LEAKED]:
            session.exitstatus = canary.FOUND


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivatePostgresql]:
    """The run's PostgreSQL. Shared: never stop it; then nothing asks whether its disk keeps what it was given."""
    forgetful = {"fsync": "off", "full_page_writes": "off"}
    server = PrivatePostgresql(tmp_path_factory.mktemp("postgresql"), forgetful)
    server.start()
    with kept_connection(server.url):
        yield server
    server.kill()


@pytest.fixture(scope="session")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateRabbitmq]:
    """The run's RabbitMQ. Shared: never stop it."""
    server = PrivateRabbitmq(tmp_path_factory.mktemp("rabbitmq"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def private_postgresql(tmp_path: Path) -> Iterator[PrivatePostgresql]:
    """A PostgreSQL of the test's own, started, its database ``gateway`` migrated; may be stopped, killed, suspended."""
    server = PrivatePostgresql(tmp_path / "postgresql")
    server.start()
    migrate(server.url)
    yield server
    server.kill()


@pytest.fixture
def private_rabbitmq(tmp_path: Path) -> Iterator[PrivateRabbitmq]:
    """A RabbitMQ of the test's own, started; may be stopped, killed, suspended."""
    server = PrivateRabbitmq(tmp_path / "rabbitmq")
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def migrated_template(postgresql: PrivatePostgresql) -> str:
    """Name of a migrated database that others are copied from."""
    execute(postgresql.url, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(_TEMPLATE)))
    migrate(postgresql.database_url(_TEMPLATE))
    make_roles(postgresql, _TEMPLATE)
    return _TEMPLATE


@pytest.fixture
def database_url(postgresql: PrivatePostgresql, migrated_template: str) -> Iterator[str]:
    """A fresh migrated database for one test."""
    with fresh_database(postgresql, migrated_template) as url:
        yield url


@pytest.fixture(scope="module")
def module_database_url(postgresql: PrivatePostgresql, migrated_template: str) -> Iterator[str]:
    """A fresh migrated database for one test module."""
    with fresh_database(postgresql, migrated_template) as url:
        yield url


@pytest.fixture
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """What makes guessing slow takes a second of each test of the desk; tests/ui logs in with the real parameters."""
    from argon2 import PasswordHasher

    from services.admin.access import passwords

    monkeypatch.setattr(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture
async def desk(database_url: str, tmp_path: Path, quick_passwords: None) -> AsyncIterator["Desk"]:
    """The admin's desk over a fresh migrated database, with a browser of each role that is logged in."""
    # No other test needs the whole web application.
    from tests.desk import opened_desk

    async with opened_desk(database_url, tmp_path) as opened:
        yield opened


@pytest.fixture(scope="module")
def amqp_url(rabbitmq: PrivateRabbitmq) -> Iterator[str]:
    """A fresh virtual host for one test module."""
    name = f"tests-{next(_numbers)}"
    yield rabbitmq.add_virtual_host(name)
    rabbitmq.delete_virtual_host(name)


@pytest.fixture(scope="session")
def fresh_servers(postgresql: PrivatePostgresql, migrated_template: str, rabbitmq: PrivateRabbitmq) -> FreshServers:
    """What a running gateway lives on whose test stops none of its servers: ``with fresh_servers() as shared:``."""

    @contextmanager
    def made() -> Iterator[Servers]:
        name = f"gateway-{next(_numbers)}"
        with fresh_database(postgresql, migrated_template) as database_url:
            urls = postgresql.service_urls(database_url.rpartition("/")[2])
            yield Servers(database_url, rabbitmq.add_virtual_host(name), urls)
        rabbitmq.delete_virtual_host(name)

    return made


@contextmanager
def fresh_database(server: PrivatePostgresql, template: str) -> Iterator[str]:
    """A copy of ``template`` that exists while the context does."""
    name = f"test_{next(_numbers)}"
    identifier = sql.Identifier(name)
    # By files: half the processor time of PostgreSQL's default, which writes every block of a small database as a log.
    copy = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
    kept_connection(server.url).execute(copy.format(identifier, sql.Identifier(template)))
    try:
        yield server.database_url(name)
    finally:
        kept_connection(server.url).execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(identifier))


@cache
def kept_connection(url: str) -> psycopg.Connection:
    """One for all databases that are made and dropped: a process of PostgreSQL for each costs more than they do."""
    return psycopg.connect(url, autocommit=True)


def execute(url: str, statement: sql.Composed) -> None:
    """Run one statement outside a transaction."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)


def migrate(url: str) -> None:
    """Apply all migrations, on a loop of their own: a fixture may be asked for while a test's loop runs."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(migrations.migrate(url))).result()


def make_roles(server: PrivatePostgresql, database: str) -> None:
    """The services' roles, and their logins, for a migrated database and its copies."""
    urls = {name.removesuffix("_database_url"): url for name, url in server.service_urls(database).items()}
    with ThreadPoolExecutor(1) as thread:
        made = roles.make(server.database_url(database), roles.logins_of(urls))
        thread.submit(lambda: asyncio.run(made)).result()
