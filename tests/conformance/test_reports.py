"""N-EVENT-REPORT from a commitment server (R23, R85, R107, R108, R113): who may say it, and that it is answered."""

import struct

import pytest

from tests.conformance.expected import COMMITMENT, EXPLICIT, IMPLICIT, NM
from tests.conformance.whole import TITLE
from tests.ingest_process import IngestProcess
from tests.stations import RawSender
from tests.stations.raw_association import ROLES, propose, role_item
from tests.stations.raw_sender import command_set, data_pdu, number, uid


@pytest.mark.requirement("R108")
@pytest.mark.parametrize(("scu", "scp", "answered"), [(0, 1, (0, 1)), (1, 1, (0, 1)), (1, 0, (0, 0))])
def test_the_peer_takes_the_scp_role_so_that_ours_is_scu(
    receiving: IngestProcess, scu: int, scp: int, answered: tuple[int, int]
) -> None:
    wanted = role_item(COMMITMENT, scu=bool(scu), scp=bool(scp))
    seen = propose(receiving.port, [(COMMITMENT, (EXPLICIT, IMPLICIT))], called=TITLE, more_user_items=wanted)
    assert seen.accepted == {1: EXPLICIT}
    assert tuple(seen.only(ROLES)[-2:]) == answered


@pytest.mark.requirement("R23", "R85", "R107", "R113")
@pytest.mark.parametrize(
    ("event_type", "sop_class", "status"),
    [(1, COMMITMENT, 0), (2, COMMITMENT, 0), (3, COMMITMENT, 0x0113), (1, NM, 0x0119)],
)
def test_a_report_is_answered(receiving: IngestProcess, event_type: int, sop_class: str, status: int) -> None:
    reference = element(0x00081150, uid(NM)) + element(0x00081155, uid("1.2.3.4"))
    item = struct.pack("<HHI", 0xFFFE, 0xE000, len(reference)) + reference
    data = element(0x00081195, uid("1.2.3.99")) + element(0x00081199, item)
    command = command_set(
        {
            0x0002: uid(sop_class),
            0x0100: number(0x0100),
            0x0110: number(7),
            0x0800: number(1),
            0x1000: uid("1.2.840.10008.1.20.1.1"),
            0x1002: number(event_type),
        }
    )
    with RawSender(receiving.port, called_aet=TITLE, contexts=[(COMMITMENT, IMPLICIT)]) as server:
        server.socket.sendall(data_pdu(1, 3, command) + data_pdu(1, 2, data))
        answer = server.read_command()
        assert (answer[0x0100], answer[0x0120]) == (number(0x8100), number(7))
        assert answer[0x0900] == number(status)
        assert answer.get(0x1002) == (None if status == 0x0119 else number(event_type))
        assert server.echo() == 0


def element(tag: int, value: bytes) -> bytes:
    """An element in implicit VR little endian."""
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, len(value)) + value
