"""A private RabbitMQ: the distribution's package started through the upstream script with an environment of its own.

The distribution's wrapper insists on the user rabbitmq and the system's folders; the upstream script does not. Its
Erlang port mapper (epmd) listens on a private port and runs as our child instead of as a daemon, so that both end with
us. The data belong to the node name, which is therefore constant; a private epmd for each broker makes that possible.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import IO

from private_servers import processes
from private_servers.errors import PrivateServerError
from private_servers.logins import LOGINS, password_of
from private_servers.ports import LOOPBACK, choose_port
from private_servers.server import PrivateServer, write_private

USER = "gateway"
NODE = "gateway@localhost"
_PACKAGES = Path("/usr/lib/rabbitmq/lib")
_PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
_METHOD_FRAME = 1
_CALL_SECONDS = 60


class PrivateRabbitmq(PrivateServer):
    """RabbitMQ with one administrator ``gateway`` and the virtual host ``/``, without plugins."""

    name = "RabbitMQ"
    stop_signal = signal.SIGTERM
    stop_seconds = 40

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._port_mapper: subprocess.Popen[bytes] | None = None
        self._ports: dict[str, int] = {}

    @property
    def url(self) -> str:
        """Connection URL of the virtual host ``/``."""
        return self.virtual_host_url("/")

    def virtual_host_url(self, name: str) -> str:
        """Connection URL of some virtual host of this broker."""
        return self._url_of(USER, self.password, name)

    def service_urls(self, virtual_host: str = "/") -> dict[str, str]:
        """URLs of the services' users, as settings; what ``gateway broker-definitions`` prints makes them."""
        return {
            f"{service}_amqp_url": self._url_of(login, password_of(login, self.password), virtual_host)
            for service, login in LOGINS.items()
            if service != "backup"
        }

    def _url_of(self, user: str, password: str, virtual_host: str) -> str:
        return f"amqp://{user}:{password}@{LOOPBACK}:{self.port}/{'%2F' if virtual_host == '/' else virtual_host}"

    def import_definitions(self, document: str) -> None:
        """Have the broker hold what a definitions file says, besides what it holds. Raises PrivateServerError."""
        write_private(self.folder / "definitions.json", document)
        path = str(self.folder / "definitions.json").encode().hex()
        self.evaluate(
            f'{{ok, Document}} = file:read_file(binary:decode_hex(<<"{path}">>)), '
            "ok = rabbit_definitions:import_raw(Document)"
        )

    def add_virtual_host(self, name: str) -> str:
        """Create a virtual host and return its connection URL. Raises PrivateServerError."""
        self.evaluate(
            f'ok = rabbit_vhost:add(<<"{name}">>, <<"{USER}">>), '
            f'ok = rabbit_auth_backend_internal:set_permissions(<<"{USER}">>, <<"{name}">>, '
            f'<<".*">>, <<".*">>, <<".*">>, <<"{USER}">>)'
        )
        return self.virtual_host_url(name)

    def delete_virtual_host(self, name: str) -> None:
        """Remove a virtual host with all its queues. Raises PrivateServerError."""
        self.evaluate(f'ok = rabbit_vhost:delete(<<"{name}">>, <<"{USER}">>)')

    def evaluate(self, expressions: str) -> None:
        """Evaluate these Erlang expressions in the broker. Raises PrivateServerError when one of them fails.

        rabbitmqctl, which starts an Erlang of its own, would take a second for each.
        """
        done = subprocess.run(
            [_program("erl_call"), "-sname", NODE, "-e"],
            cwd=self.folder,
            env=self._environment(),
            input=f"{expressions}.\n",
            capture_output=True,
            text=True,
            timeout=_CALL_SECONDS,
            check=False,
        )
        if done.returncode != 0 or not done.stdout.startswith("{ok, "):
            raise PrivateServerError(f"{expressions}: {done.stdout}{done.stderr}")

    def _load_state(self) -> None:
        super()._load_state()
        state = self._read_state()
        taken = {self.port}
        for use in ("distribution", "port_mapper"):
            port = choose_port(state.get(use))
            while port in taken:
                port = choose_port()
            taken.add(port)
            self._ports[use] = port
        self._save_state({**state, **self._ports})

    def _launch(self, lock: int, log: IO[bytes]) -> "subprocess.Popen[bytes]":
        scripts = find_scripts()
        self._write_configuration()
        self._start_port_mapper(lock, log)
        return processes.start_with_us(
            [str(scripts / "rabbitmq-server")],
            folder=self.folder,
            stdout=log,
            environment=self._environment(),
            keep_open=[lock],
        )

    def _start_port_mapper(self, lock: int, log: IO[bytes]) -> None:
        self._port_mapper = processes.start_with_us(
            [_program("epmd"), "-address", LOOPBACK, "-port", str(self._ports["port_mapper"])],
            folder=self.folder,
            stdout=log,
            environment=self._environment(),
            keep_open=[lock],
        )

    def _ended(self) -> None:
        if self._port_mapper is not None:
            processes.end(self._port_mapper, signal.SIGTERM, limit=5)
            self._port_mapper = None
        super()._ended()

    def _ready(self) -> bool:
        """The listener opens last in the boot; it is ready when it answers a protocol header with Connection.Start."""
        with suppress(OSError), socket.create_connection((LOOPBACK, self.port), timeout=2) as connection:
            connection.sendall(_PROTOCOL_HEADER)
            return connection.recv(1) == bytes([_METHOD_FRAME])
        return False

    def _write_configuration(self) -> None:
        lines = (
            f"listeners.tcp.1 = {LOOPBACK}:{self.port}",
            f"default_user = {USER}",
            f"default_pass = {self.password}",
            "log.console = true",
            "log.file = false",
            "disk_free_limit.absolute = 50MB",
        )
        write_private(self.folder / "rabbitmq.conf", "\n".join(lines) + "\n")
        write_private(self.folder / "enabled_plugins", "[].\n")
        cookie = self.folder / ".erlang.cookie"
        if not cookie.exists():
            write_private(cookie, secrets.token_hex(20))
        for name in ("mnesia", "log", "generated"):
            (self.folder / name).mkdir(exist_ok=True)

    def _environment(self) -> dict[str, str]:
        folder = self.folder
        return {
            "PATH": os.defpath,
            "LANG": "C.UTF-8",
            "HOME": str(folder),  # the Erlang cookie is read from here
            "RUNNING_UNDER_SYSTEMD": "true",  # the script becomes the broker instead of waiting for it
            "RABBITMQ_NODENAME": NODE,
            # Our folder, whatever its name: the disk monitor puts this path between apostrophes into a shell command.
            "RABBITMQ_MNESIA_BASE": "/proc/self/cwd/mnesia",
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "none"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "generated"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_DIST_PORT": str(self._ports["distribution"]),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": ("-kernel inet_dist_use_interface {127,0,0,1} -start_epmd false"),
            "ERL_EPMD_PORT": str(self._ports["port_mapper"]),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "ERL_CRASH_DUMP": str(folder / "log" / "erl_crash.dump"),
        }


def find_scripts() -> Path:
    """The folder of the upstream scripts. Raises PrivateServerError naming the cure."""
    found = sorted(_PACKAGES.glob("rabbitmq_server-*/sbin/rabbitmq-server"))
    if not found:
        raise PrivateServerError("RabbitMQ is missing; run: apt-get install --no-install-recommends rabbitmq-server")
    return found[-1].parent


def _program(name: str) -> str:
    """Path of a program of Erlang's. Raises PrivateServerError naming the cure."""
    found = shutil.which(name)
    if found is None:
        raise PrivateServerError(f"{name} is missing; run: apt-get install erlang-base")
    return found
