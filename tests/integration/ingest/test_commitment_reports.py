"""N-EVENT-REPORT: what a peer reports is kept as an object before it is answered, and nothing else is (R107, R113)."""

import socket
import struct
from collections.abc import Iterator

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, build_role

from schemas.commitment import CommitmentReport
from services.storage.folders import day_prefixes
from tests.ingest_process import IngestProcess, ingest_process
from tests.stations import RawSender
from tests.stations.raw_sender import associate_request, command_set, data_pdu, item, number, pdu, uid

PUSH, PUSH_INSTANCE = "1.2.840.10008.1.20.1", "1.2.840.10008.1.20.1.1"
EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
NM = "1.2.840.10008.5.1.4.1.1.20"
COMPLETE, WITH_FAILURES = 1, 2


@pytest.fixture(scope="module", params=["gateway", "4dr"])
def ingest(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[IngestProcess]:
    """A running ingest of each profile."""
    xeleris = {"GATEWAY_PROFILE": "xeleris", "GATEWAY_VARIANT": request.param, "GATEWAY_AET": "GATEWAY"}
    with ingest_process(tmp_path_factory.mktemp("ingest"), {} if request.param == "gateway" else xeleris) as running:
        yield running


def element(tag: int, vr: bytes, value: bytes, *, explicit: bool) -> bytes:
    """An element in little endian."""
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    if not explicit:
        return head + struct.pack("<I", len(value)) + value
    return head + vr + (struct.pack("<2xI", len(value)) if vr == b"SQ" else struct.pack("<H", len(value))) + value


def data_set(
    committed: list[str], failed: dict[str, int], *, explicit: bool = True, transaction: str = "1.2.3.99"
) -> bytes:
    """A report in the order of the standard: transaction, failed, referenced."""

    def sequence(tag: int, instances: list[tuple[str, int | None]]) -> bytes:
        items = b""
        for instance, reason in instances:
            body = element(0x00081150, b"UI", uid(NM), explicit=explicit)
            body += element(0x00081155, b"UI", uid(instance), explicit=explicit)
            if reason is not None:
                body += element(0x00081197, b"US", number(reason), explicit=explicit)
            items += struct.pack("<HHI", 0xFFFE, 0xE000, len(body)) + body
        return element(tag, b"SQ", items, explicit=explicit) if items else b""

    return (
        element(0x00081195, b"UI", uid(transaction), explicit=explicit)
        + sequence(0x00081198, list(failed.items()))
        + sequence(0x00081199, [(instance, None) for instance in committed])
    )


def report(
    ingest: IngestProcess,
    data: bytes | None,
    event_type: int = COMPLETE,
    *,
    sop_class: str = PUSH,
    context: tuple[str, str] = (PUSH, EXPLICIT),
) -> dict[int, bytes]:
    """Send one report; the command set of the answer."""
    elements = {
        0x0002: uid(sop_class), 0x0100: number(0x0100), 0x0110: number(7), 0x1000: uid(PUSH_INSTANCE),
        0x0800: number(0x0101 if data is None else 1), 0x1002: number(event_type),
    }  # fmt: skip
    with RawSender(ingest.port, contexts=[context]) as sender:
        sender.socket.sendall(data_pdu(1, 3, command_set(elements)))
        if data is not None:
            for each in sender._data_pdus(1, data):
                sender.socket.sendall(each)
        answer = sender.read_command()
        assert (answer[0x0100], answer[0x0120]) == (number(0x8100), number(7))
        assert sender.echo() == 0
        return answer


def kept(ingest: IngestProcess) -> dict[str, CommitmentReport]:
    """All reports, by key."""
    objects = ingest.objects
    keys = [found.key for folder in objects.folders("reports") for found in objects.list(folder.name)]
    return {key: CommitmentReport.decode(objects.get_bytes(key)) for key in keys}


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_a_report_is_kept_and_answered_success(ingest: IngestProcess, syntax: str) -> None:
    before = kept(ingest)
    data = data_set(["1.2.3.1", "1.2.3.2"], {"1.2.3.3": 0x0112}, explicit=syntax == EXPLICIT)
    answer = report(ingest, data, WITH_FAILURES, context=(PUSH, syntax))
    assert (answer[0x0900], answer[0x0002], answer[0x1002]) == (number(0), uid(PUSH), number(WITH_FAILURES))
    ((key, found),) = ((key, value) for key, value in kept(ingest).items() if key not in before)
    assert key.startswith("reports/20")
    assert (found.event_type, found.transaction_uid, found.calling_aet) == (WITH_FAILURES, "1.2.3.99", "SCANNER1")
    assert (found.called_aet, found.peer_address) == ("GATEWAY", "127.0.0.1")
    assert [each.sop_instance_uid for each in found.committed] == ["1.2.3.1", "1.2.3.2"]
    assert [(each.sop_instance_uid, each.failure_reason) for each in found.failed] == [("1.2.3.3", 0x0112)]
    assert {each.sop_class_uid for each in (*found.committed, *found.failed)} == {NM}


def test_a_report_that_comes_twice_is_kept_twice(ingest: IngestProcess) -> None:
    """Who handles reports has to see that they are one; the peer gets 0000 both times."""
    before = len(kept(ingest))
    data = data_set(["1.2.3.1"], {})
    assert {report(ingest, data)[0x0900] for _ in range(2)} == {number(0)}
    assert len(kept(ingest)) == before + 2


BROKEN = {
    "no data set": None,
    "cut": data_set(["1.2.3.1"], {})[:-5],
    "no transaction": data_set(["1.2.3.1"], {}, transaction=""),
    "illegal transaction": data_set(["1.2.3.1"], {}, transaction="../../x"),
    "no instances": data_set([], {}),
    "instance without UID": data_set([""], {}),
    "noise": b"\x93" * 501,
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_read_is_answered_0110(ingest: IngestProcess, name: str) -> None:
    before = kept(ingest)
    answer = report(ingest, BROKEN[name])
    assert (answer[0x0900], answer[0x0002], answer[0x1000]) == (number(0x0110), uid(PUSH), uid(PUSH_INSTANCE))
    assert kept(ingest) == before
    assert ingest.unfinished() == []


def test_an_unknown_event_type_is_answered_0113(ingest: IngestProcess) -> None:
    before = kept(ingest)
    answer = report(ingest, data_set(["1.2.3.1"], {}), 3)
    assert (answer[0x0900], answer[0x0002], answer[0x1002]) == (number(0x0113), uid(PUSH), number(3))
    assert kept(ingest) == before


@pytest.mark.parametrize(
    ("sop_class", "context"), [(NM, (PUSH, EXPLICIT)), (NM, (NM, EXPLICIT)), (PUSH, (NM, EXPLICIT))]
)
def test_another_class_is_answered_0119(ingest: IngestProcess, sop_class: str, context: tuple[str, str]) -> None:
    before = kept(ingest)
    answer = report(ingest, data_set(["1.2.3.1"], {}), sop_class=sop_class, context=context)
    assert answer[0x0900] == number(0x0119)
    assert kept(ingest) == before


@pytest.mark.parametrize(
    ("proposed", "answered"), [(b"\0\1", b"\0\1"), (b"\1\1", b"\0\1"), (None, None)], ids=["SCP", "both", "omitted"]
)
def test_the_peer_is_scp_by_role_selection(
    ingest: IngestProcess, proposed: bytes | None, answered: bytes | None
) -> None:
    """R108; a peer that omits the item is accepted (notes A19). In profile gateway it may be SCU as well."""
    if proposed == b"\1\1" and "GATEWAY_PROFILE" not in ingest.settings:
        answered = proposed
    name = struct.pack(">H", len(PUSH)) + PUSH.encode()
    request = associate_request([(PUSH, EXPLICIT)], more_user_items=item(0x54, name + proposed) if proposed else b"")
    with socket.create_connection(("127.0.0.1", ingest.port), 5) as peer:
        peer.sendall(request)
        accept = peer.recv(65536)
        peer.sendall(pdu(7, bytes(4)))
    assert accept[0] == 2
    assert accept[accept.index(b"\x21\0") + 6] == 0
    assert (item(0x54, name + answered) in accept) if answered else (name not in accept[74:])


@pytest.mark.parametrize("role", [True, False], ids=["role proposed", "no role"])
def test_pynetdicom_reports(ingest: IngestProcess, role: bool) -> None:
    """A peer of other people's making, which does not report unless the role it proposed was accepted."""
    before = len(kept(ingest))
    information = Dataset()
    information.TransactionUID = "1.2.3.77"
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = NM, "1.2.3.1"
    information.ReferencedSOPSequence = [reference]
    entity = AE("SCANNER1")
    entity.add_requested_context(PUSH)
    roles = [build_role(PUSH, scp_role=True)] if role else []
    association = entity.associate("127.0.0.1", ingest.port, ae_title="GATEWAY", ext_neg=roles)  # type: ignore[arg-type]
    assert association.is_established
    assert [context.as_scp for context in association.accepted_contexts] == [role]
    status, _ = association.send_n_event_report(information, COMPLETE, PUSH, PUSH_INSTANCE)
    association.release()
    assert status.Status == 0x0000
    assert len(kept(ingest)) == before + 1


def test_the_sweep_of_objects_does_not_see_reports(ingest: IngestProcess) -> None:
    """Storage records what lies below objects/, nothing else."""
    assert report(ingest, data_set(["1.2.3.1"], {}))[0x0900] == number(0)
    (found, *_) = kept(ingest).values()
    objects = ingest.objects
    assert [folder for prefix in day_prefixes(found.received_at) for folder in objects.folders(prefix)] == []
    assert ingest.stored() == []


def test_a_store_that_fails_is_answered_0110(tmp_path_factory: pytest.TempPathFactory) -> None:
    home = tmp_path_factory.mktemp("broken")
    with ingest_process(home) as ingest:
        (home / "objects" / "reports").write_text("a file where the folder has to be")
        assert report(ingest, data_set(["1.2.3.1"], {}))[0x0900] == number(0x0110)
        assert ingest.metric('gateway_ingest_commitment_reports_total{status="0110"}') == 1
