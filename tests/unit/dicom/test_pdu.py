"""A-ASSOCIATE PDUs against pynetdicom's own, and what must be refused."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ

from services.dicom import pdu
from services.dicom.contexts import ContextAnswer, PresentationContext, ProposedContext, Roles, answer_extended
from services.dicom.errors import ProtocolViolation

CT, EXPLICIT, IMPLICIT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
COMMITMENT = "1.2.840.10008.1.20.1"
_CONTEXTS = (ProposedContext(CT, (EXPLICIT, IMPLICIT), 1), ProposedContext(COMMITMENT, (IMPLICIT,), 3))
_ROLES = {COMMITMENT: Roles(scu=False, scp=True)}


def _request() -> bytes:
    return pdu.encode_request("SCANNER", "GATEWAY", _CONTEXTS, _ROLES, 128000, pdu.OURS)


def test_a_request_of_ours_is_read_by_pynetdicom_and_by_us() -> None:
    theirs = A_ASSOCIATE_RQ()
    theirs.decode(_request())
    assert (theirs.calling_ae_title.strip(), theirs.called_ae_title.strip()) == ("SCANNER", "GATEWAY")
    assert [context.context_id for context in theirs.presentation_context] == [1, 3]
    assert theirs.user_information is not None
    assert theirs.user_information.maximum_length == 128000
    ours = pdu.decode_request(_request()[6:])
    assert (ours.calling_aet, ours.called_aet, ours.maximum_pdu) == ("SCANNER", "GATEWAY", 128000)
    assert (ours.contexts, ours.roles, ours.implementation) == (_CONTEXTS, _ROLES, pdu.OURS)
    assert ours.application_context == pdu.APPLICATION_CONTEXT


def test_an_answer_of_ours_is_read_by_pynetdicom_and_by_us() -> None:
    answers = (ContextAnswer(1, 0, CT, EXPLICIT), ContextAnswer(3, 4, COMMITMENT, IMPLICIT))
    titles = b"GATEWAY".ljust(16) + b"SCANNER".ljust(16)
    encoded = pdu.encode_accept(titles, answers, _ROLES, 131072, pdu.OURS)
    theirs = A_ASSOCIATE_AC()
    theirs.decode(encoded)
    assert [(context.context_id, context.result) for context in theirs.presentation_context] == [(1, 0), (3, 4)]
    assert encoded[10:42] == titles
    ours = pdu.decode_answer(encoded[6:])
    assert [(each.id, each.result) for each in ours.contexts] == [(1, 0), (3, 4)]
    assert (ours.contexts[0].transfer_syntax, ours.maximum_pdu, ours.roles) == (EXPLICIT, 131072, _ROLES)


def test_extended_negotiation_is_read_and_answered() -> None:
    """PS3.7 D.3.3.5: of each byte what both sides want, for accepted classes that know it."""
    information = struct.pack(">BxHH", 0x56, 2 + len(CT) + 3, len(CT)) + CT.encode() + b"\1\0\1"
    variable = _context(1, _ABSTRACT, _TRANSFER) + struct.pack(">BxH", 0x50, len(information)) + information
    request = pdu.decode_request(_FIXED + variable)
    assert request.extended == {CT: b"\1\0\1"}
    contexts = {1: PresentationContext(1, CT, IMPLICIT)}
    answer = answer_extended(request.extended, {CT: b"\1\1", COMMITMENT: b"\1"}, contexts)
    assert answer == {CT: b"\1\0"}
    assert answer_extended(request.extended, {}, contexts) == answer_extended(request.extended, {CT: b"\1"}, {}) == {}
    theirs = A_ASSOCIATE_AC()
    theirs.decode(pdu.encode_accept(b" " * 32, (ContextAnswer(1, 0, CT, IMPLICIT),), {}, 128, pdu.OURS, answer))
    assert theirs.user_information is not None
    assert {item.uid: item.app_info for item in theirs.user_information.ext_neg} == answer


@pytest.mark.parametrize("item", [b"\x56\0\0\3\0\7a", b"\x56\0\0\1\0", b"\x56\0\0\3\0\1\xff"])
def test_broken_extended_negotiation_is_refused(item: bytes) -> None:
    variable = _context(1, _ABSTRACT, _TRANSFER) + struct.pack(">BxH", 0x50, len(item)) + item
    with pytest.raises(ProtocolViolation):
        pdu.decode_request(_FIXED + variable)


def test_unknown_items_are_skipped() -> None:
    unknown = struct.pack(">BxH", 0x77, 3) + b"abc"
    assert pdu.decode_request(_request()[6:] + unknown).contexts == _CONTEXTS


def _context(context_id: int, *syntaxes: bytes) -> bytes:
    body = struct.pack("B3x", context_id) + b"".join(syntaxes)
    return struct.pack(">BxH", 0x20, len(body)) + body


_ABSTRACT = struct.pack(">BxH", 0x30, len(CT)) + CT.encode()
_TRANSFER = struct.pack(">BxH", 0x40, len(IMPLICIT)) + IMPLICIT.encode()
_FIXED = _request()[6:74]


@pytest.mark.parametrize(
    "variable",
    [
        pytest.param(b"", id="no contexts"),
        pytest.param(_context(2, _ABSTRACT, _TRANSFER), id="even id"),
        pytest.param(_context(1, _ABSTRACT, _TRANSFER) * 2, id="the same id twice"),
        pytest.param(_context(1, _TRANSFER), id="no abstract syntax"),
        pytest.param(_context(1, _ABSTRACT), id="no transfer syntax"),
        pytest.param(b"".join(_context(n % 256 | 1, _ABSTRACT, _TRANSFER) for n in range(2000)), id="2000 contexts"),
        pytest.param(_context(1, _ABSTRACT, _TRANSFER) + b"\x50\0\xff\xff", id="item longer than the PDU"),
        pytest.param(_context(1, _ABSTRACT, _TRANSFER) + b"\x50\0", id="item header cut"),
        pytest.param(_context(1, _ABSTRACT, _TRANSFER[:-1]), id="sub-item cut"),
        pytest.param(_context(1, _ABSTRACT, _TRANSFER) + b"\x50\0\0\7\x51\0\0\3abc", id="maximum length of 3 bytes"),
    ],
)
def test_broken_requests_are_refused(variable: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        pdu.decode_request(_FIXED + variable)


@given(st.binary(max_size=400))
def test_no_bytes_raise_anything_but_a_violation(variable: bytes) -> None:
    for decode in (pdu.decode_request, pdu.decode_answer):
        try:
            decode(_FIXED + variable)
        except ProtocolViolation:
            continue


@given(st.data())
def test_a_request_with_flipped_bytes_raises_nothing_but_a_violation(data: st.DataObject) -> None:
    body = bytearray(_request()[6:])
    for _ in range(data.draw(st.integers(1, 6))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        request = pdu.decode_request(bytes(body))
    except ProtocolViolation:
        return
    assert all("\\" not in title and title.isprintable() for title in (request.calling_aet, request.called_aet))


@pytest.mark.parametrize("title", [b" " * 16, b"A\nB".ljust(16), b"A\\B".ljust(16), b"\xe9".ljust(16), b"\0" * 16])
def test_titles_that_are_not_allowed_come_as_empty(title: bytes) -> None:
    body = _request()[6:]
    assert pdu.decode_request(body[:20] + title + body[36:]).calling_aet == ""


def test_fixed_pdus() -> None:
    assert pdu.abort_pdu(2, 6) == bytes.fromhex("0700 00000004 0000 02 06")
    assert pdu.reject_pdu(pdu.LOCAL_LIMIT) == bytes.fromhex("0300 00000004 00 02 03 02")
    assert pdu.data_header(3, pdu.LAST, 10) == bytes.fromhex("0400 00000010 0000000c 03 02")
