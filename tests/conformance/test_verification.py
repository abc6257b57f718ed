"""Verification both ways (R15, R22, R49, R50, R105, R106), and waits without an end."""

import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import pytest

from services.dicom import commands
from services.dicom.acceptor import AssociationProposal
from services.dicom.association import Request
from services.dicom.contexts import UNCOMPRESSED, ProposedContext
from services.dicom.errors import AssociationError
from services.dicom.guards import Guards
from services.dicom.listener import Listener, listen
from services.dicom.profile import profile_of
from services.dicom.requestor import Peer, Requestor
from services.dicom.settings import DicomSettings
from tests.conformance.clients import dcmjs, dcmtk
from tests.conformance.expected import CT, EXPLICIT
from tests.conformance.whole import TITLE, WholeGateway
from tests.ingest_process import IngestProcess
from tests.stations import RawSender, StationReceiver
from tests.stations.receiver import RejectAssociations


@pytest.mark.requirement("R22", "R105", "R106")
def test_dcmtk_is_answered_success(receiving: IngestProcess) -> None:
    done = dcmtk("echoscu", receiving.port, calling="SCANNER1")
    assert done.returncode == 0, done.stderr
    assert "Received Echo Response (Success)" in done.stderr
    assert dcmtk("echoscu", receiving.port, calling="STRANGER").returncode != 0


@pytest.mark.requirement("R22", "R106")
@pytest.mark.usefixtures("dcmjs_client")
def test_dcmjs_is_answered_success(receiving: IngestProcess) -> None:
    assert dcmjs("echo", receiving.port, "SCANNER1")["statuses"] == [0]


@pytest.mark.requirement("R105")
def test_many_on_one_association(receiving: IngestProcess) -> None:
    with RawSender(receiving.port, called_aet=TITLE) as sender:
        assert [sender.echo() for _ in range(20)] == [0] * 20


class _Everyone:
    def judge(self, _: AssociationProposal) -> None:
        return None

    def forbidden(self, _: AssociationProposal) -> frozenset[int]:
        return frozenset()

    def accepts(self, _: AssociationProposal, __: str) -> tuple[str, ...]:
        return UNCOMPRESSED


def _guards(name: Literal["gateway", "xeleris"]) -> Guards:
    """The limits of a profile, with waits of 0.3 s if it has any."""
    return profile_of(name, DicomSettings()).guards(idle_seconds=0.3, response_seconds=0.3)


@pytest.mark.requirement("R90", "R103", "R105", "R107")
def test_requests_are_waited_for_without_end() -> None:
    """An association that says nothing ends in profile gateway after its time and goes on in profile xeleris."""

    def echo(request: Request) -> None:
        request.association.respond(request, 0)

    def serving(name: Literal["gateway", "xeleris"]) -> Listener:
        return Listener(listen("127.0.0.1", 0), _Everyone(), {commands.C_ECHO: echo}, _guards(name))

    with serving("xeleris") as patient, serving("gateway") as other, RawSender(patient.address[1]) as waiting:
        with pytest.raises(ConnectionAbortedError), RawSender(other.address[1]) as ending:
            ending.read_pdu()
        assert waiting.echo() == 0


@pytest.mark.requirement("R44")
def test_responses_are_waited_for_without_end() -> None:
    """The same of a response to C-STORE: the peer answers when profile gateway has given up."""
    given_up = threading.Event()

    def late(request: Request) -> None:
        request.read_data_set(1 << 20)
        given_up.wait(20)
        request.association.respond(request, 0)

    def send(name: Literal["gateway", "xeleris"]) -> int:
        peer = Peer("127.0.0.1", station.address[1], "ANY", name.upper())
        with Requestor.connect(peer, [ProposedContext(CT, (EXPLICIT,))], _guards(name)) as requestor:
            context = requestor.context_for(CT, EXPLICIT)
            assert context is not None
            return requestor.store(context, CT, "1.2.3", io.BytesIO(b"data"), 0, 4).status

    with (
        Listener(listen("127.0.0.1", 0), _Everyone(), {commands.C_STORE: late}, Guards()) as station,
        ThreadPoolExecutor(1) as thread,
    ):
        patient = thread.submit(send, "xeleris")
        with pytest.raises(AssociationError):
            send("gateway")
        assert not patient.done()
        given_up.set()
        assert patient.result(20) == 0


@pytest.mark.requirement("R15", "R49", "R50")
def test_staff_verifies_a_station_and_sees_the_outcome(xeleris: WholeGateway) -> None:
    with StationReceiver("VERIFIED") as station:
        xeleris.add_station("VERIFIED", station.port)
        assert "answered with success" in xeleris.cli("station", "echo", "VERIFIED")
        station.behave(RejectAssociations(1, 1, 3))
        refused = xeleris.cli("station", "echo", "VERIFIED", status=1)
        assert "calling AE title not recognised" in refused
        assert "XELERIS" in refused
    assert json.loads(xeleris.cli("station", "echo", "VERIFIED", "--json", status=1))["ok"] is False
