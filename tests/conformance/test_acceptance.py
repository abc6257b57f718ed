"""Associations that others open (R24 to R31, R83 to R88), read from the bytes of the A-ASSOCIATE-AC."""

import re
import socket
import struct
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conformance.conftest import XELERIS, started
from tests.conformance.expected import (
    COMMITMENT,
    CT,
    EXPLICIT,
    IMPLICIT,
    NM,
    PDF,
    PRIVATE,
    STUDY_FIND,
    VARIANTS,
    VERIFICATION,
    stored,
)
from tests.factories import ct
from tests.ingest_process import IngestProcess
from tests.stations import RawSender
from tests.stations.raw_association import (
    ABORT,
    APPLICATION_CONTEXT,
    ASYNCHRONOUS,
    COMMON_EXTENDED,
    EXTENDED,
    IMPLEMENTATION_CLASS,
    MAXIMUM_LENGTH,
    RELEASE_RP,
    RELEASE_RQ,
    TOO_MANY,
    USER_IDENTITY,
    VERSION_NAME,
    Items,
    Rejected,
    associated,
    propose,
    read_pdu,
)
from tests.stations.raw_sender import item, pdu

BOTH = (EXPLICIT, IMPLICIT)
OTHERS = (
    "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91", "1.2.840.10008.1.2.5",
    "1.2.840.113619.5.2",
)  # fmt: skip
"""Big endian, deflated, compressed, and the private syntax of the maker."""
VERSION = {"3.0": "3.0", "3.1": "3.1", "4.0": "4.0", "4dr": "4.1", "v": "4.1"}
Variants = Callable[[str], IngestProcess]


def asked(process: IngestProcess, *contexts: tuple[str, tuple[str, ...]], more: bytes = b"") -> Items:
    """The answer to a proposal of SCANNER1."""
    return propose(process.port, contexts, called="XELERIS", more_user_items=more)


@pytest.mark.requirement("R24")
def test_the_application_context_is_dicoms(receiving: IngestProcess) -> None:
    assert asked(receiving, (VERIFICATION, BOTH)).application_context == APPLICATION_CONTEXT
    with pytest.raises(Rejected) as refused:
        propose(receiving.port, [(VERIFICATION, BOTH)], called="XELERIS", application_context="1.2.3")
    assert refused.value.codes == (1, 1, 2)


@pytest.mark.requirement("R25")
def test_pdus_of_128000_bytes_are_announced_and_taken(receiving: IngestProcess) -> None:
    assert struct.unpack(">I", asked(receiving, (VERIFICATION, BOTH)).only(MAXIMUM_LENGTH)) == (128000,)
    instance = ct(1, pixel_bytes=300_000)
    with RawSender(receiving.port, called_aet="XELERIS", contexts=[(CT, EXPLICIT)], largest_pdu=1 << 20) as sender:
        sender.store(CT, instance.sop_instance_uid, EXPLICIT, instance.data_set)
        assert sender.largest_sent == 128000


@pytest.mark.requirement("R27")
def test_the_sixth_association_is_refused_until_one_has_ended(receiving: IngestProcess) -> None:
    with ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(associated(receiving.port, [(VERIFICATION, BOTH)], called="XELERIS"))
        with associated(receiving.port, [(VERIFICATION, BOTH)], called="XELERIS") as (fifth, _):
            with pytest.raises(Rejected) as refused:
                stack.enter_context(associated(receiving.port, [(VERIFICATION, BOTH)], called="XELERIS"))
            assert refused.value.codes == TOO_MANY
            fifth.sendall(pdu(RELEASE_RQ, bytes(4)))
            assert read_pdu(fifth)[0] == RELEASE_RP
            assert asked(receiving, (VERIFICATION, BOTH)).accepted == {1: EXPLICIT}


@pytest.mark.requirement("R28", "R30", "R131")
def test_nothing_of_extended_negotiation_is_answered(receiving: IngestProcess) -> None:
    """No asynchronous window, relational queries or user identity: the answer has three items, whatever is asked."""
    find = STUDY_FIND.encode()
    wishes = (
        item(ASYNCHRONOUS, struct.pack(">HH", 8, 8))
        + item(EXTENDED, struct.pack(">H", len(find)) + find + b"\1\1\1")
        + item(COMMON_EXTENDED, struct.pack(">H", len(CT)) + CT.encode() + struct.pack(">HH", 0, 0))
        + item(USER_IDENTITY, b"\1\1" + struct.pack(">H", 4) + b"user" + struct.pack(">H", 0))
    )
    answer = asked(receiving, (CT, BOTH), (STUDY_FIND, BOTH), more=wishes)
    assert sorted(answer.kinds) == [MAXIMUM_LENGTH, IMPLEMENTATION_CLASS, VERSION_NAME]


@pytest.mark.requirement("R29", "R1")
@pytest.mark.parametrize("variant", VARIANTS)
def test_who_we_say_we_are(variants: Variants, variant: str) -> None:
    answer = asked(variants(variant), (VERIFICATION, BOTH))
    assert answer.only(IMPLEMENTATION_CLASS) == b"1.2.840.113619.6.281"
    name = answer.only(VERSION_NAME).decode()
    assert re.fullmatch(r"Xeleris \d\.\d{4}", name)
    assert name.startswith(f"Xeleris {VERSION[variant]}")


@pytest.mark.requirement("R31")
def test_no_other_transfer_syntax_is_accepted(receiving: IngestProcess) -> None:
    answer = asked(receiving, (NM, OTHERS), (VERIFICATION, OTHERS), *[(uid, OTHERS) for uid in stored()])
    assert {context.result for context in answer.contexts} == {4}
    mixed = asked(receiving, (NM, (*OTHERS, IMPLICIT)))
    assert mixed.accepted == {1: IMPLICIT}


@pytest.mark.requirement("R83")
@pytest.mark.parametrize("calling", ["STRANGER", "scanner1", "XELERIS"])
def test_who_is_not_configured_may_not_connect(receiving: IngestProcess, calling: str) -> None:
    with pytest.raises(Rejected) as refused:
        propose(receiving.port, [(VERIFICATION, BOTH)], calling=calling, called="XELERIS")
    assert refused.value.codes == (1, 1, 3)


@pytest.mark.requirement("R10")
def test_the_ae_has_one_title(receiving: IngestProcess) -> None:
    with pytest.raises(Rejected) as refused:
        propose(receiving.port, [(VERIFICATION, BOTH)], called="GATEWAY")
    assert refused.value.codes == (1, 1, 7)


@pytest.mark.requirement("R132")
def test_a_station_calls_from_its_approved_addresses_only(receiving: IngestProcess) -> None:
    with pytest.raises(Rejected) as refused:
        propose(receiving.port, [(VERIFICATION, BOTH)], calling="NEARBY", called="XELERIS")
    assert refused.value.codes == (1, 1, 3)
    near = propose(receiving.port, [(VERIFICATION, BOTH)], calling="NEARBY", called="XELERIS", source="127.0.0.2")
    assert near.accepted == {1: EXPLICIT}


@pytest.mark.requirement("R86", "R87")
def test_each_context_is_judged_alone_and_explicit_is_preferred(receiving: IngestProcess) -> None:
    answer = asked(
        receiving,
        ("1.2.840.10008.5.1.4.1.1.481.3", BOTH),  # RT Structure Set: not one of the listed
        (CT, (IMPLICIT, EXPLICIT)),
        (CT, (IMPLICIT,)),
        ("1.2.3.4", BOTH),
        (CT, OTHERS),
        (NM, (*OTHERS, IMPLICIT, EXPLICIT)),
    )
    assert [context.result for context in answer.contexts] == [3, 0, 0, 3, 4, 0]
    assert [context.id for context in answer.contexts] == [1, 3, 5, 7, 9, 11]
    assert answer.accepted == {3: EXPLICIT, 5: IMPLICIT, 11: EXPLICIT}


@pytest.mark.requirement("R3", "R84", "R96")
@pytest.mark.parametrize("variant", VARIANTS)
def test_storage_classes_of_each_variant(variants: Variants, variant: str) -> None:
    """CT, PT, MR, NM, SC, MFSC, SR, curves, the private class; PDF in 4dr and v."""
    answer = asked(variants(variant), *[(uid, BOTH) for uid in stored()], ("1.2.840.10008.5.1.4.1.1.1", BOTH))
    results = dict(zip((*stored(), "CR"), (context.result for context in answer.contexts), strict=True))
    assert results.pop("CR") == 3
    assert {uid for uid, result in results.items() if result == 0} == set(stored(variant))
    assert (results[PDF] == 0) == (variant in ("4dr", "v"))
    assert results[PRIVATE] == 0


@pytest.mark.requirement("R2")
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_but_v_takes_reports(variants: Variants, variant: str) -> None:
    (context,) = asked(variants(variant), (COMMITMENT, (IMPLICIT,))).contexts
    assert context.result == (3 if variant == "v" else 0)


@pytest.mark.requirement("R88")
def test_it_goes_on_listening_whatever_happens_to_associations(receiving: IngestProcess) -> None:
    with socket.create_connection(("127.0.0.1", receiving.port), 5):
        pass
    with associated(receiving.port, [(VERIFICATION, BOTH)], called="XELERIS") as (connection, _):
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert read_pdu(connection)[0] == ABORT
    assert asked(receiving, (VERIFICATION, BOTH)).accepted == {1: EXPLICIT}


@pytest.mark.requirement("R114")
def test_the_upper_layers_state_machine(receiving: IngestProcess) -> None:
    """PS3.8 9.2: titles returned unchanged; data before an association aborts; release is answered."""
    title = "XELERIS".ljust(16).encode() + b"SCANNER1".ljust(16)
    with associated(receiving.port, [(VERIFICATION, BOTH)], called="XELERIS") as (connection, answer):
        assert answer.titles == title
        assert answer.version & 1
        connection.sendall(pdu(RELEASE_RQ, bytes(4)))
        assert read_pdu(connection)[0] == RELEASE_RP
    with socket.create_connection(("127.0.0.1", receiving.port), 5) as early:
        early.sendall(pdu(4, bytes(6)))
        kind, body = read_pdu(early)
        assert (kind, body[2]) == (ABORT, 2)


@pytest.mark.requirement("R131")
def test_tls_is_not_spoken(receiving: IngestProcess) -> None:
    hello = bytes.fromhex("1603010005010000010300")
    with socket.create_connection(("127.0.0.1", receiving.port), 5) as connection:
        connection.sendall(hello)
        answer = connection.recv(16)
    assert answer[:1] in (b"", bytes([ABORT]))


@pytest.mark.requirement("R117")
def test_ipv6_is_refused_at_start(tmp_path: Path) -> None:
    process = IngestProcess(tmp_path, XELERIS | {"GATEWAY_DICOM_HOST": "::1"})
    try:
        with pytest.raises(AssertionError, match=r"ended with 2(?s:.*)IPv4 only"):
            process.start()
    finally:
        process.end()


@pytest.mark.requirement("R124")
def test_no_other_character_set_can_be_configured(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A single-byte one: ISO_IR 100 or 101."""
    with ExitStack() as stack, pytest.raises(AssertionError, match=r"ended with 2(?s:.*)CHARACTER_SET"):
        started(stack, tmp_path_factory, XELERIS | {"GATEWAY_CHARACTER_SET": "ISO_IR 192"})
