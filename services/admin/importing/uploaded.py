"""Import of one uploaded file: a DICOM file, or a ZIP of them."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from services.admin.errors import Refused
from services.admin.importing import line
from services.admin.importing.beginning import begin
from services.admin.importing.ending import end
from services.admin.importing.place import source
from services.admin.importing.sending import Import
from services.admin.importing.sources import sources
from services.dicom.requestor import Peer
from services.runtime.db import Database
from services.runtime.errors import UsageError
from services.runtime.supervise import Supervisor

ASSOCIATIONS: Final = 2
"""Of one upload; pages send several files at a time."""


@dataclass(frozen=True)
class Port:
    """Where the gateway hears instances, as this process reaches it, and as whom it answers there."""

    host: str
    port: int
    called: str
    xeleris: bool


async def bring_in(
    database: Database,
    supervisor: Supervisor,
    actor: str,
    title: str,
    port: Port,
    upload: Path,
    size: int,
    largest: int,
    folder: Path,
) -> dict[str, Any]:
    """Send what is in the file as station ``title`` would; how it went, as ``gateway import --json`` tells it. Large
    members of a ZIP are unpacked in ``folder``.

    The audit gets no names of files: people put patients' names there. Raises ``UsageError``, ``NotFound``,
    ``Refused``, ``Unavailable``, ``Stopped`` when the process does.
    """
    address = await asyncio.to_thread(source, port.host, port.port, ipv4_only=port.xeleris)
    calling = await begin(database, actor, title, address, [f"upload of {size} bytes"])
    peer = Peer(port.host, port.port, port.called, calling, ipv4_only=port.xeleris)
    work = Import(peer, 1 if port.xeleris else ASSOCIATIONS, largest, lambda fault: None)
    try:
        with supervisor.calling_on_stop(work.stop):
            await asyncio.to_thread(lambda: work.run(sources([upload], largest, folder)))
    except line.Refused as refused:
        raise Refused(str(refused)) from None
    except UsageError as fault:
        raise UsageError(str(fault).replace(str(upload), "the file")) from None
    finally:
        await end(database, actor, calling, work.tally, whole=work.whole)
    told = work.tally.summary()
    faults = [fault | {"file": fault["file"].removeprefix(f"{upload}").removeprefix(":")} for fault in told["faults"]]
    return told | {"calling_aet": calling, "faults": faults}
