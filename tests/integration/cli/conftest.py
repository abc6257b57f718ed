"""``gateway …`` as a process of its own, against a real database."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from services.admin import requests
from services.cli import command_line, exits
from services.runtime.errors import GatewayError
from tests import forked

LIMIT_SECONDS = 60


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    status: int
    out: str
    err: str

    def json(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Gateway:
    """The command line of one home folder."""

    home: Path
    settings: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str, **settings: str) -> Ran:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
        environment |= {"GATEWAY_HOME": str(self.home), **self.settings, **settings}
        done = forked.run(arguments, environment, LIMIT_SECONDS)
        assert "Traceback" not in done.stderr, done.stderr
        return Ran(done.returncode, done.stdout, done.stderr)

    def done(self, *arguments: str) -> Ran:
        """Run a command that has to succeed."""
        ran = self(*arguments)
        assert ran.status == 0, ran
        return ran

    def station(self, title: str, *options: str, port: int = 104) -> None:
        """Define a station on this machine."""
        self.done("station", "add", title, "--host", "127.0.0.1", "--port", str(port), *options)

    def file(self, name: str, text: str) -> str:
        """A file in the home folder."""
        path = self.home / name
        path.write_text(text, encoding="utf-8")
        return str(path)


class InThisProcess(Gateway):
    """The same commands without a process for each: many commands, few seconds."""

    def __call__(self, *arguments: str, **settings: str) -> Ran:
        environment: dict[str, str | None] = {name: None for name in os.environ if name.startswith("GATEWAY_")}
        environment |= {"GATEWAY_HOME": str(self.home), **self.settings, **settings}
        with capture_logs():  # a command's own process logs nothing on standard output
            done = CliRunner().invoke(command_line(arguments[0]), arguments, env=environment)
        if isinstance(done.exception, GatewayError):
            return Ran(exits.status_of(done.exception), done.stdout, f"{done.stderr}Error: {done.exception}")
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Ran(done.exit_code, done.stdout_bytes.decode(), done.stderr)  # with the line ends that were written


@pytest.fixture
def process(tmp_path: Path, database_url: str) -> Gateway:
    """A home folder whose gateway.json names a migrated database; each command is a process of its own."""
    (tmp_path / "gateway.json").write_text(json.dumps({"database_url": database_url, "aet": "OURGATEWAY"}))
    return Gateway(tmp_path)


@pytest.fixture
def gateway(process: Gateway, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    """As ``process``, in this process; no forwarder runs that could answer, so nobody waits long for one."""
    monkeypatch.setattr(requests, "ANSWER_SECONDS", 0.5)
    return InThisProcess(process.home)
