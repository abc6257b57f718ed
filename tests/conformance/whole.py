"""A whole gateway in profile xeleris, and objects of every class it takes, sent to it by real clients."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from pydicom import Dataset

from deploy.local.demo.nuclear_medicine import encoded, part_10
from tests.conformance.expected import EXPLICIT
from tests.running_gateway import RunningGateway
from tests.stations import RawSender, StationReceiver
from tests.waiting import until

TITLE: Final = "XELERIS"
DCMJS: Final = Path(__file__).parent / "dcmjs"


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


def written(name: str, data_set: Dataset, folder: Path, syntax: str = EXPLICIT) -> Sent:
    """The object as a Part 10 file."""
    path = folder / f"{name.replace(' ', '-')}-{data_set.SOPInstanceUID}.dcm"
    path.write_bytes(part_10(data_set, syntax))
    return Sent(name, data_set, path, syntax)


def store(port: int, sent: Sent, calling: str = "SCANNER1") -> int:
    """C-STORE on an association of its own; the status."""
    with RawSender(port, calling, TITLE, [(sent.sop_class, sent.syntax)]) as sender:
        return sender.store(sent.sop_class, sent.uid, sent.syntax, sent.content)


def dcmtk(program: str, port: int, *arguments: str, calling: str = "DCMTK") -> subprocess.CompletedProcess[str]:
    """Run one of DCMTK's clients against the gateway; what it says is in ``stderr``."""
    return subprocess.run(
        [program, "-aet", calling, "-aec", TITLE, *arguments[:-1], "127.0.0.1", str(port), *arguments[-1:]]
        if arguments
        else [program, "-v", "-aet", calling, "-aec", TITLE, "127.0.0.1", str(port)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def install_dcmjs() -> None:
    """dcmjs-dimse as package-lock.json says, kept beside it for the next run. Fails with what to do."""
    installed = DCMJS / "node_modules" / ".package-lock.json"
    wanted = DCMJS / "package-lock.json"
    if installed.exists() and installed.stat().st_mtime >= wanted.stat().st_mtime:
        return
    command = [str(Path(sys.executable).with_name("npm")), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(
        command, cwd=DCMJS, env=_with_node(), capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, (
        f"dcmjs-dimse could not be installed from the npm registry ({done.returncode}).\n{done.stderr[-2000:]}\n"
        f"Is the registry reachable? Try by hand: cd {DCMJS} && {' '.join(command)}"
    )
    installed.touch()


def dcmjs(operation: str, port: int, calling: str = "DCMJS", **asked: Any) -> dict[str, Any]:
    """Run the client of dcmjs-dimse; its statuses, matches, and the fault of the network."""
    command = [str(Path(sys.executable).with_name("node")), "client.js", operation, str(port), calling, TITLE]
    done = subprocess.run(
        [*command, json.dumps(asked)],
        cwd=DCMJS,
        env=_with_node(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _with_node() -> dict[str, str]:
    return os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def indexed(gateway: RunningGateway, sent: Sent, limit: float = 20) -> None:
    """Wait until queries find the object."""
    statement = "select 1 from index.instance where sop_instance_uid = %s"
    until(lambda: gateway.rows(statement, sent.uid), limit=limit, what=f"{sent.name} to be indexed")


def delivered(receiver: StationReceiver, sent: Sent, limit: float = 30) -> None:
    """Wait until the receiver has the object."""
    until(lambda: sent.uid in receiver.uids, limit=limit, what=f"{sent.name} at {receiver.title}")
