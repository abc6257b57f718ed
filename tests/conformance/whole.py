"""A whole gateway in profile xeleris, and objects of every class it takes."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final, Protocol

from pydicom import Dataset
from structlog.testing import capture_logs
from typer.testing import CliRunner

from deploy.local.demo.nuclear_medicine import encoded, part_10
from services.cli import command_line
from services.cli.exits import status_of
from services.runtime.errors import GatewayError
from tests.conformance.expected import EXPLICIT
from tests.running_gateway import RunningGateway, Servers
from tests.stations import RawSender, StationReceiver
from tests.waiting import until

TITLE: Final = "XELERIS"


class WholeGateway(RunningGateway):
    """Its commands run in the test's process: starting an interpreter for each would take most of the suite's time."""

    def cli(
        self, *arguments: str, status: int = 0, limit: float = 60, environment: Mapping[str, str] | None = None
    ) -> str:
        """Run a command; its output. Fails unless it ends with ``status``."""
        del limit
        variables = self.environment() | dict(environment or {})
        with capture_logs():  # the command line logs nothing; this process would, to its standard output
            done = CliRunner().invoke(command_line(arguments[0]), arguments, env=variables, prog_name="gateway")
        fault = done.exception if isinstance(done.exception, GatewayError) else None
        ended = status_of(fault) if fault else done.exit_code
        assert ended == status, f"gateway {' '.join(arguments)} ended with {ended}\n{done.output}{fault or ''}"
        return done.stdout


@contextmanager
def whole_gateway(home: Path, settings: Mapping[str, str], shared: Servers | None = None) -> Iterator[WholeGateway]:
    """A started gateway that is ended afterwards."""
    gateway = WholeGateway(home, settings=settings, shared=shared)
    try:
        gateway.start()
        yield gateway
    finally:
        gateway.end()


@dataclass(frozen=True)
class Sent:
    """An object of the suite."""

    name: str
    data_set: Dataset
    path: Path
    syntax: str = EXPLICIT

    @property
    def uid(self) -> str:
        """SOP Instance UID."""
        return str(self.data_set.SOPInstanceUID)

    @property
    def study(self) -> str:
        """Study Instance UID."""
        return str(self.data_set.StudyInstanceUID)

    @property
    def sop_class(self) -> str:
        """SOP Class UID."""
        return str(self.data_set.SOPClassUID)

    @property
    def content(self) -> bytes:
        """The data set as it is sent."""
        return encoded(self.data_set, self.syntax)

    @property
    def digest(self) -> str:
        """SHA-256 of the data set."""
        return sha256(self.content).hexdigest()


class Objects(Protocol):
    """Makes a new object of a kind with some elements."""

    def __call__(self, name: str, **elements: object) -> Sent: ...


def written(name: str, data_set: Dataset, folder: Path, syntax: str = EXPLICIT) -> Sent:
    """The object as a Part 10 file."""
    path = folder / f"{name.replace(' ', '-')}-{data_set.SOPInstanceUID}.dcm"
    path.write_bytes(part_10(data_set, syntax))
    return Sent(name, data_set, path, syntax)


def store(port: int, sent: Sent, calling: str = "SCANNER1") -> int:
    """C-STORE on an association of its own; the status."""
    with RawSender(port, calling, TITLE, [(sent.sop_class, sent.syntax)]) as sender:
        return sender.store(sent.sop_class, sent.uid, sent.syntax, sent.content)


def indexed(gateway: RunningGateway, sent: Sent, limit: float = 20) -> None:
    """Wait until queries find the object."""
    statement = "select 1 from index.instance where sop_instance_uid = %s"
    until(lambda: gateway.rows(statement, sent.uid), limit=limit, what=f"{sent.name} to be indexed")


def delivered(receiver: StationReceiver, sent: Sent, limit: float = 30) -> None:
    """Wait until the receiver has the object."""
    until(lambda: sent.uid in receiver.uids, limit=limit, what=f"{sent.name} at {receiver.title}")
