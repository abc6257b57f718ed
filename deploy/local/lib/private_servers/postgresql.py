"""A private PostgreSQL: 127.0.0.1 only, scram passwords, fsync on, no Unix socket, its own data folder."""

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from private_servers import processes
from private_servers.accounts import Account, account_for, command_prefix
from private_servers.errors import PrivateServerError
from private_servers.logins import LOGINS, password_of
from private_servers.ports import LOOPBACK
from private_servers.postgresql_binaries import find_binaries
from private_servers.server import PrivateServer, write_private

USER = "gateway"
DATABASE = "gateway"
_INITDB_SECONDS = 120
_STATUS_LINE = 7  # of postmaster.pid: "ready", "starting" … (PostgreSQL source, src/include/utils/pidfile.h)


class PrivatePostgresql(PrivateServer):
    """PostgreSQL with one superuser ``gateway`` and one database ``gateway``. ``settings`` are server settings."""

    name = "PostgreSQL"
    stop_signal = signal.SIGINT  # fast shutdown (PostgreSQL 15 documentation, 19.5)
    stop_seconds = 30

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(folder)
        self.data = self.folder / "data"
        self.settings = dict(settings or {})

    @property
    def url(self) -> str:
        """Connection URL of the database ``gateway``."""
        return self.database_url(DATABASE)

    def database_url(self, database: str) -> str:
        """Connection URL of some database of this server."""
        return f"postgresql://{USER}:{self.password}@{LOOPBACK}:{self.port}/{database}"

    def service_urls(self, database: str = DATABASE) -> dict[str, str]:
        """URLs of the services' logins, as settings; ``gateway roles`` makes the logins."""
        return {f"{service}_database_url": self._login_url(login, database) for service, login in LOGINS.items()}

    def _login_url(self, login: str, database: str) -> str:
        return f"postgresql://{login}:{password_of(login, self.password)}@{LOOPBACK}:{self.port}/{database}"

    def stop_immediately(self) -> None:
        """Stop without a checkpoint, as after a crash; the next start replays the log."""
        if self._process is not None:
            processes.end(self._process, signal.SIGQUIT, limit=self.stop_seconds)
        self._ended()

    def _launch(self, lock: int, log: IO[bytes]) -> "subprocess.Popen[bytes]":
        binaries = find_binaries(self.data)
        account = account_for(self.data)
        if account is not None:
            os.chown(self.folder, account.uid, account.gid)
        prefix = command_prefix(account, [self.folder, binaries / "postgres", Path(processes.interpreter())])
        if not self.data.exists():
            self._create_data(binaries, prefix, account)
        (self.data / "postmaster.pid").unlink(missing_ok=True)  # the folder's lock says nobody else runs here
        options = [option for item in self._settings().items() for option in ("-c", "=".join(item))]
        return processes.start_with_us(
            [str(binaries / "postgres"), "-D", str(self.data), *options],
            folder=self.folder,
            stdout=log,
            environment=self._environment(),
            privileges=prefix,
            end_signal=signal.SIGQUIT,
            keep_open=[lock],
        )

    def _settings(self) -> dict[str, str]:
        return {
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "on",
            "max_connections": "200",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_line_prefix": "%m [%p] %a ",
            **self.settings,
        }

    def _ready(self) -> bool:
        """As pg_ctl does: the status in postmaster.pid, if the file is of our process."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) > _STATUS_LINE and lines[0] == str(self.pid) and lines[_STATUS_LINE].strip() == "ready"

    def _create_data(self, binaries: Path, prefix: list[str], account: Account | None) -> None:
        """initdb beside the final place, so that a half-made data folder is never taken for a whole one."""
        half = self.folder / "data.half"
        shutil.rmtree(half, ignore_errors=True)
        password_file = self.folder / "password"
        write_private(password_file, self.password)
        if account is not None:
            os.chown(password_file, account.uid, account.gid)
        try:
            initdb = [*prefix, str(binaries / "initdb"), "-D", str(half), "-U", USER, f"--pwfile={password_file}"]
            self._run([*initdb, "--auth=scram-sha-256", "--locale=C.UTF-8", "--encoding=UTF8", "--data-checksums"])
            create = f"CREATE DATABASE {DATABASE};\n"
            self._run([*prefix, str(binaries / "postgres"), "--single", "-D", str(half), "template1"], create)
        finally:
            password_file.unlink()
        half.rename(self.data)

    def _run(self, command: list[str], given: str = "") -> None:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self._environment(),
            input=given,
            capture_output=True,
            text=True,
            timeout=_INITDB_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise PrivateServerError(f"{' '.join(command)} ended with status {done.returncode}:\n{done.stderr}")

    def _environment(self) -> dict[str, str]:
        """Nothing of ours: PG* variables, libraries and locales of the caller do not reach the server."""
        return {"PATH": os.defpath, "LANG": "C.UTF-8", "HOME": str(self.folder)}
