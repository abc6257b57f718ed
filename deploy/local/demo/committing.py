"""The demo's archive: a station that commits to what it holds, and says so on an association of its own (PS3.4 J.3)."""

import threading
from pathlib import Path
from types import TracebackType

from stations import LAST_CHANCE_SECONDS, SUCCESS, DemoStation

from services.dicom import commands, status
from services.dicom.association import Handler, Request
from services.dicom.commitment import (
    LARGEST_BYTES,
    Requested,
    UnreadableCommitment,
    encode_report,
    event_type,
    read_request,
)
from services.dicom.contexts import COMMITMENT_PUSH, STORAGE_CLASSES, UNCOMPRESSED, VERIFICATION, ProposedContext, Roles
from services.dicom.errors import AssociationError
from services.dicom.guards import Guards
from services.dicom.requestor import Peer, Requestor

AGAIN_SECONDS = 1.0
ATTEMPTS = 30


class CommittingStation(DemoStation):
    """A ``DemoStation`` that is a commit server too. ``gateway`` is where its reports go, under its own title."""

    classes = STORAGE_CLASSES | {VERIFICATION, COMMITMENT_PUSH}

    def __init__(self, title: str, folder: Path, gateway: Peer) -> None:
        super().__init__(title, folder)
        self._gateway = Peer(gateway.host, gateway.port, gateway.called_aet, title)
        self._closing = threading.Event()
        self._reporting: list[threading.Thread] = []

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        super().__exit__(kind, error, trace)
        for thread in self._reporting:
            thread.join(LAST_CHANCE_SECONDS)

    def _handlers(self) -> dict[int, Handler]:
        return super()._handlers() | {commands.N_ACTION: self._commit}

    def _commit(self, request: Request) -> None:
        """Answer, and report from another thread: who asked may wait for the answer before he listens."""
        try:
            wanted = read_request(request.read_data_set(LARGEST_BYTES), request.context.transfer_syntax)
        except UnreadableCommitment as fault:
            request.association.respond(request, fault.status, comment=fault.reason)
            return
        request.association.respond(request, SUCCESS)
        thread = threading.Thread(target=self._report, args=(wanted,), name=f"reports of {self.title}", daemon=True)
        self._reporting.append(thread)
        thread.start()

    def _report(self, wanted: Requested) -> None:
        """Until it is answered 0000: a gateway that starts anew must not miss it."""
        for _ in range(ATTEMPTS):
            if self._reported(wanted) or self._closing.wait(AGAIN_SECONDS):
                return

    def _reported(self, wanted: Requested) -> bool:
        held = [each for each in wanted.instances if self.digests(each.sop_instance_uid)]
        committed = [(each.sop_class_uid, each.sop_instance_uid) for each in held]
        failed = [
            (each.sop_class_uid, each.sop_instance_uid, status.NO_SUCH_INSTANCE)
            for each in wanted.instances
            if each not in held
        ]
        context = ProposedContext(COMMITMENT_PUSH, UNCOMPRESSED)
        roles = {COMMITMENT_PUSH: Roles(scu=False, scp=True)}
        try:
            with Requestor.connect(self._gateway, [context], Guards(), roles=roles) as requestor:
                accepted = next(iter(requestor.association.contexts.values()), None)
                if accepted is None:
                    return False
                data = encode_report(wanted.transaction_uid, committed, failed, accepted.transfer_syntax)
                return requestor.report(accepted, event_type(failed), data).status == SUCCESS
        except AssociationError:
            return False
