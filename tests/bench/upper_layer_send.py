"""A process that sends files over one association of the gateway's Upper Layer and verifies their hashes meanwhile, as
the forwarder does: ``python -m`` this with PORT TITLE and the files. It prints the seconds from the request for the
association to its release. The ledger of deliveries is not part of it."""

import hashlib
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from services.dicom.contexts import ProposedContext
from services.dicom.guards import Guards
from services.dicom.requestor import Peer, Requestor
from services.dicom.verified import VerifiedSource
from tests.stations.part10 import part10


@dataclass(frozen=True)
class Stored:
    """What the forwarder knows of an object from its ledger."""

    path: Path
    sop_class: str
    sop_instance: str
    transfer_syntax: str
    offset: int
    size: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> "Stored":
        """Read it once."""
        found = part10(path)
        size = len(found.data_set)
        offset = path.stat().st_size - size
        sha256 = hashlib.sha256(found.data_set).hexdigest()
        return cls(path, found.sop_class, found.sop_instance, found.transfer_syntax, offset, size, sha256)


def main() -> None:
    """Send all files; fails on the first that is not answered 0000."""
    port, title, *names = sys.argv[1:]
    stored = [Stored.of(Path(name)) for name in names]
    pairs = sorted({(each.sop_class, each.transfer_syntax) for each in stored})
    proposed = [ProposedContext(sop_class, (syntax,)) for sop_class, syntax in pairs]
    began = time.perf_counter()
    with Requestor.connect(Peer("127.0.0.1", int(port), title, "GATEWAY"), proposed, Guards()) as requestor:
        for each in stored:
            send(requestor, each)
    sys.stdout.write(f"{time.perf_counter() - began}\n")


def send(requestor: Requestor, stored: Stored) -> None:
    """One C-STORE."""
    context = requestor.context_for(stored.sop_class, stored.transfer_syntax)
    assert context is not None, f"{stored.sop_class} was not accepted"
    with stored.path.open("rb", buffering=0) as file:
        source = cast("BinaryIO", VerifiedSource(file, stored.offset, stored.size, stored.sha256))
        answer = requestor.store(context, stored.sop_class, stored.sop_instance, source, stored.offset, stored.size)
    assert answer.status == 0, f"{stored.sop_instance}: {answer.status:04X}"


if __name__ == "__main__":
    main()
