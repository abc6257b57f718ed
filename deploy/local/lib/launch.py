"""What deploy/local/up ends in: private PostgreSQL and RabbitMQ, migrations, then `gateway up`, all ended together.

Run by the environment's interpreter. A private server that dies is started again on its port. SIGINT and SIGTERM drain
the gateway, then stop the servers; SIGHUP (not from a terminal) goes to the gateway, which replaces its receiving
processes. Nothing survives this process: the kernel ends its children when it dies.
"""

import argparse
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType

from private_servers.errors import PrivateServerError
from private_servers.ports import LOOPBACK, choose_port
from private_servers.postgresql import PrivatePostgresql
from private_servers.processes import end, start_with_us
from private_servers.rabbitmq import PrivateRabbitmq
from private_servers.server import PIPELINE_NICENESS, PrivateServer, write_private
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from services.dicom.profile import profile_for
from services.dicom.settings import DicomSettings
from services.runtime.errors import UsageError
from services.runtime.settings import ROLES, HomeFile, RuntimeSettings

LIB = Path(__file__).resolve().parent
DEMO = LIB.parent / "demo" / "run.py"
GATEWAY = Path(sys.executable).with_name("gateway")
READY_SECONDS = 180
LATE_SECONDS = 20
DRAIN_SECONDS = 60
DEMO_SECONDS = 600
DEMO_DRAIN_SECONDS = 10
WATCH_SECONDS = 1
SHOWN_LINES = 15
# Title and DICOM port by profile (conformance data R10).
PROFILES = {"gateway": ("GATEWAY", 11112), "xeleris": ("XELERIS", 104)}
HTTP_PORT = 8080
SERVERS = ("DATABASE", "AMQP")
FIRST_FREE_FOR_ALL = 1024


class Ended(BaseException):
    """A signal asks to end."""


class GivenSettings(RuntimeSettings):
    """What the environment says, whatever an earlier start has written into gateway.json."""

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], *sources: PydanticBaseSettingsSource, **named: PydanticBaseSettingsSource
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """As every service, without the home's file."""
        found = super().settings_customise_sources(settings_cls, *sources, **named)
        return tuple(source for source in found if not isinstance(source, HomeFile))


class Launcher:
    """The servers and the gateway of one home folder."""

    def __init__(self, home: Path, environment: Mapping[str, str], restore: str | None = None) -> None:
        self.home, self.restore = home, restore
        self.postgresql = PrivatePostgresql(home / "postgresql")
        self.rabbitmq = PrivateRabbitmq(home / "rabbitmq")
        for server in self.servers:
            server.niceness = PIPELINE_NICENESS
        self.given = environment
        self.environment = dict(environment)
        self.gateway: subprocess.Popen[bytes] | None = None
        self.demo: subprocess.Popen[bytes] | None = None
        self._ready = threading.Event()
        self._logged_before = 0  # bytes in the log before this start

    @property
    def servers(self) -> tuple[PrivateServer, ...]:
        """In the order in which they are started."""
        return (self.rabbitmq, self.postgresql)

    def start(self) -> None:
        """Servers, gateway.json, migrations or a backup, what services may do, gateway. Raises PrivateServerError."""
        for server in self.servers:
            server.begin()
        self.postgresql.wait_ready()
        self.rabbitmq.wait_ready()
        # Ports are chosen as late as possible: another gateway may be starting on this machine.
        self.environment = gateway_environment(self.home, self.given)
        write_private(self.home / "gateway.json", json.dumps(self._addresses(), indent=2) + "\n")
        if self.restore is not None:
            self._restore(self.restore)
        else:
            self._command("migrate")
        self._command("roles")
        self.rabbitmq.import_definitions(self._command("broker-definitions"))
        self._start_gateway()

    def wait_ready(self) -> bool:
        """Whether the gateway said that it is ready, before it ended or the time was up."""
        for _ in range(READY_SECONDS):
            if self._ready.wait(WATCH_SECONDS) or self._ended():
                break
        return self._ready.is_set() and not self._ended()

    def watch(self) -> int:
        """Keep the servers running until the gateway ends; its exit status. One that is late, because the disk is full
        perhaps, is no fault, and the person at the terminal is told where the reason stands."""
        watched = 0
        while not self._ended():
            watched += WATCH_SECONDS
            if watched == LATE_SECONDS and not self.was_ready:
                say(f"not ready yet: 'gateway status' tells who waits for what; the log is {self.log}")
            for server in self.servers:
                if not server.running:
                    say(f"{server.name} has ended; it is started again")
                    server.start()
            with suppress(subprocess.TimeoutExpired):
                self._gateway().wait(WATCH_SECONDS)
        return self._gateway().returncode

    def demonstrate(self) -> int:
        """Run the demo against the gateway; its exit status."""
        demo = self.start_demo()
        try:
            return demo.wait(DEMO_SECONDS)
        except subprocess.TimeoutExpired:
            say(f"the demo did not end within {DEMO_SECONDS} s")
            return 1

    def start_demo(self, *options: str) -> "subprocess.Popen[bytes]":
        """Start the demo, which ``stop`` ends. With ``--keep`` its stations go on until then."""
        self.demo = start_with_us(
            [sys.executable, str(DEMO), *options], folder=Path.cwd(), environment=self.environment, stdout=1, stderr=2
        )
        return self.demo

    @property
    def was_ready(self) -> bool:
        """Whether the gateway has said that it is ready, even if it has ended since."""
        return self._ready.is_set()

    @property
    def log(self) -> Path:
        """Where the gateway's processes log."""
        return self.home / "logs" / "gateway.log"

    def log_tail(self) -> list[str]:
        """The end of what was logged since this start."""
        with self.log.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            since = self._logged_before if self._logged_before <= size else 0  # it may have been truncated since
            log.seek(max(since, size - 65536))
            return log.read().decode("utf-8", "replace").splitlines()[-SHOWN_LINES:]

    def forward(self, what: signal.Signals) -> None:
        """Send a signal to the gateway."""
        if self.gateway is not None and self.gateway.poll() is None:
            self.gateway.send_signal(what)

    def stop(self) -> None:
        """End the demo, drain the gateway, then end the servers."""
        if self.demo is not None:
            end(self.demo, signal.SIGTERM, limit=DEMO_DRAIN_SECONDS)
        if self.gateway is not None:
            end(self.gateway, signal.SIGTERM, limit=DRAIN_SECONDS)
        for server in self.servers:
            server.ask_to_stop()
        for server in self.servers:
            server.stop()

    def _start_gateway(self) -> None:
        self.log.parent.mkdir(mode=0o700, exist_ok=True)
        say(f"starting the gateway; its log is {self.log}")
        with self.log.open("ab") as errors:
            self._logged_before = errors.tell()
            self.gateway = start_with_us(
                [str(GATEWAY), "up"],
                folder=Path.cwd(),
                environment=self.environment,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        threading.Thread(target=self._pass_on, args=(self.gateway,), name="gateway-output", daemon=True).start()

    def _pass_on(self, gateway: "subprocess.Popen[bytes]") -> None:
        """What the gateway prints is our output, one line that says ready; the first password is for the person at the
        terminal alone."""
        for line in gateway.stdout or ():
            text = line.decode("utf-8", "replace")
            if line.startswith(b"first login: "):
                say(text.rstrip("\n"))
                continue
            sys.stdout.write(text)
            sys.stdout.flush()
            if line.startswith(b"ready "):
                self._ready.set()

    def _restore(self, place: str) -> None:
        say(f"restoring {place}")
        try:
            self._command("restore", place)
        except PrivateServerError as error:
            raise PrivateServerError(
                f"{error}\nThe home {self.home} has a database and objects of its own. Where they are in use, a backup "
                f"is brought back into a new one: GATEWAY_HOME=FOLDER deploy/local/up --restore {place}"
            ) from None

    def _command(self, *words: str) -> str:
        done = subprocess.run([str(GATEWAY), *words], env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise PrivateServerError(
                f"gateway {' '.join(words)} ended with status {done.returncode}:\n{done.stdout}{done.stderr}"
            )
        return done.stdout

    def _addresses(self) -> dict[str, str]:
        """What a command in another shell needs to find this gateway."""
        given = self.environment
        return {
            "database_url": self.postgresql.url,
            **self.postgresql.service_urls(),
            "amqp_url": self.rabbitmq.url,
            **self.rabbitmq.service_urls(),
            "objects_url": given.get("GATEWAY_OBJECTS_URL") or (self.home / "objects").as_uri(),
            "aet": given["GATEWAY_AET"],
            "dicom": f"{given['GATEWAY_DICOM_HOST']}:{given['GATEWAY_DICOM_PORT']}",
            "http": f"http://{given['GATEWAY_HTTP_HOST']}:{given['GATEWAY_HTTP_PORT']}",
            "home": str(self.home),
            "profile": given["GATEWAY_PROFILE"],
        }

    def _gateway(self) -> "subprocess.Popen[bytes]":
        if self.gateway is None:
            raise PrivateServerError("the gateway has not been started")
        return self.gateway

    def _ended(self) -> bool:
        return self._gateway().poll() is not None


def gateway_environment(home: Path, given: Mapping[str, str]) -> dict[str, str]:
    """The environment of `gateway up`: the caller's, else profile, title and ports of the last start, else the usual.

    Empty variables are as none. Ports that are taken are replaced. The servers are found by gateway.json.
    """
    given = {name: value for name, value in given.items() if value or not name.startswith("GATEWAY_")}
    before = addresses_before(home)
    profile = given.get("GATEWAY_PROFILE") or profile_before(before)
    if profile != profile_before(before):
        before = {}
    title, dicom_port = PROFILES[profile]
    host = given.get("GATEWAY_DICOM_HOST", LOOPBACK)
    http_host = given.get("GATEWAY_HTTP_HOST", LOOPBACK)
    dicom_port, http_port = port_of(before.get("dicom"), dicom_port), port_of(before.get("http"), HTTP_PORT)
    urls = {f"GATEWAY_{who}{server}_URL" for who in ("", *(f"{role.upper()}_" for role in ROLES)) for server in SERVERS}
    ours = {*urls, *(f"{url}_FILE" for url in urls)}
    return {
        **{name: value for name, value in given.items() if name not in ours},
        "GATEWAY_HOME": str(home),
        "GATEWAY_PROFILE": profile,
        "GATEWAY_AET": given.get("GATEWAY_AET") or before.get("aet") or title,
        "GATEWAY_DICOM_HOST": host,
        "GATEWAY_DICOM_PORT": given.get("GATEWAY_DICOM_PORT") or free_port("DICOM", dicom_port, host),
        "GATEWAY_HTTP_HOST": http_host,
        "GATEWAY_HTTP_PORT": given.get("GATEWAY_HTTP_PORT") or free_port("HTTP", http_port, http_host),
    }


def addresses_before(home: Path) -> dict[str, str]:
    """What the last start in this home wrote down; empty for a new home or a file that cannot be read."""
    try:
        found = json.loads((home / "gateway.json").read_text())
    except (OSError, ValueError):
        return {}
    return {name: value for name, value in found.items() if isinstance(value, str)} if isinstance(found, dict) else {}


def profile_before(before: Mapping[str, str]) -> str:
    """The profile of the last start."""
    return before["profile"] if before.get("profile") in PROFILES else "gateway"


def check_settings(home: Path, given: Mapping[str, str]) -> None:
    """Raises UsageError that names a wrong setting, or one that contradicts the profile."""
    profile = {} if given.get("GATEWAY_PROFILE") else {"profile": profile_before(addresses_before(home))}
    profile_for(GivenSettings.load(**profile), DicomSettings.load())


def port_of(address: str | None, otherwise: int) -> int:
    """The port at the end of an address, such as 127.0.0.1:11112 or http://127.0.0.1:8080."""
    port = (address or "").rpartition(":")[2]
    return int(port) if port.isdecimal() and 0 < int(port) < 65536 else otherwise


def free_port(use: str, wanted: int, host: str) -> str:
    """The usual port, or another one, said aloud, when it is taken or not for this user."""
    port = choose_port(wanted, host)
    if port != wanted:
        why = "is taken" if wanted >= FIRST_FREE_FOR_ALL or os.geteuid() == 0 else "is taken or only for root"
        say(f"{use} port {wanted} {why} on {host}, using {port}; set GATEWAY_{use}_PORT to choose one")
    return str(port)


def say(*lines: str) -> None:
    """Tell the person, beside the output that programs read."""
    sys.stderr.write("".join(f"{line}\n" for line in lines))
    sys.stderr.flush()


def run(launcher: Launcher, *, demo: bool, once: bool) -> int:
    """Start, serve or demonstrate; the exit status. Raises PrivateServerError, Ended."""
    launcher.start()
    if demo or once:
        if not launcher.wait_ready():
            say(f"the gateway did not become ready; the end of {launcher.log}:", *launcher.log_tail())
            return 1
        if once:
            return launcher.demonstrate() if demo else 0
        launcher.start_demo("--keep")
    status = launcher.watch()
    if status < 0:
        say(f"gateway up died of {signal_name(-status)}; its processes have ended with it, the servers are stopped")
    if status != 0 and not launcher.was_ready:
        say(f"the gateway did not become ready; the end of {launcher.log}:", *launcher.log_tail())
    elif status > 0:
        say(f"gateway up ended with status {status}; the end of {launcher.log}:", *launcher.log_tail())
    return status if status >= 0 else 128 - status


def signal_name(number: int) -> str:
    """SIGKILL for 9; the number where it has no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


@contextmanager
def only_one(home: Path) -> Iterator[None]:
    """One launcher a home; no child inherits its lock, so that it is free as soon as the launcher is gone.

    Raises PrivateServerError.
    """
    with (home / "launch.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PrivateServerError(f"GATEWAY_HOME={home}: a gateway runs there; stop it first") from None
        yield


def handle_signals(launcher: Launcher) -> None:
    """SIGINT and SIGTERM end the run (a second one kills what drains); SIGHUP goes to the gateway."""
    seen: list[int] = []

    def asked_to_end(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        if len(seen) == 1:
            say("draining; Ctrl-C again ends at once")
            raise Ended
        launcher.forward(signal.SIGTERM)

    def hang_up(number: int, frame: FrameType | None) -> None:
        launcher.forward(signal.SIGHUP)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, asked_to_end)
    signal.signal(signal.SIGHUP, asked_to_end if sys.stdin is not None and sys.stdin.isatty() else hang_up)


def main() -> int:
    """Parse the command line, run, and leave nothing behind."""
    parser = argparse.ArgumentParser(prog="deploy/local/up", description="Set the gateway up here and run it.")
    parser.add_argument("--demo", action="store_true", help="start demo stations and send sample studies through")
    parser.add_argument("--once", action="store_true", help="exit after the demo, status 0 if all went as expected")
    parser.add_argument("--restore", metavar="FOLDER|s3://…", help="bring back the newest backup there, in a new home")
    options = parser.parse_args()
    home = Path(os.environ.get("GATEWAY_HOME") or ".gateway").absolute()
    os.umask(0o077)  # what is received, and what is logged, is nobody else's
    try:
        check_settings(home, os.environ)
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        launcher = Launcher(home, os.environ, options.restore)
        with ExitStack() as stack:
            stack.enter_context(only_one(home))
            stack.callback(launcher.stop)
            handle_signals(launcher)
            return run(launcher, demo=options.demo, once=options.once)
    except Ended:
        return 0
    except UsageError as error:
        say(str(error))
        return 2
    except (PrivateServerError, OSError) as error:
        say(str(error))
        return 1


if __name__ == "__main__":
    sys.exit(main())
