"""C-FIND and C-MOVE of ours against archives that answer well, badly, too much, or not at all."""

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from services.dicom.association import LARGEST_IDENTIFIER
from services.dicom.contexts import PresentationContext, ProposedContext
from services.dicom.errors import AssociationError, PeerGone, PeerTooSlow, ProtocolViolation
from services.dicom.guards import Guards
from services.dicom.identifiers import decode_identifier, encode_identifier
from services.dicom.pending import MatchLimits, Progress
from services.dicom.requestor import Peer, Requestor
from tests.integration.dicom.conftest import FAST, nothing_left
from tests.stations.archive import (
    CANCELED,
    FIND_STUDY_ROOT,
    MOVE_STUDY_ROOT,
    Archive,
    Asked,
    Script,
    matching,
    study,
)
from tests.stations.raw_sender import number

EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
CONTEXTS = [ProposedContext(uid, (syntax,)) for uid in (FIND_STUDY_ROOT, MOVE_STUDY_ROOT) for syntax in (IMPLICIT,)]
STUDY_UID, LEVEL, NAME = 0x0020000D, 0x00080052, 0x00100010
ONE_STUDY = encode_identifier("STUDY", {STUDY_UID: "1.2.3"}, IMPLICIT)


@pytest.fixture
def archive() -> Iterator[Archive]:
    with nothing_left(), Archive() as running:
        yield running


def connect(archive: Archive, guards: Guards = FAST) -> Requestor:
    return Requestor.connect(Peer("127.0.0.1", archive.port, "ARCHIVE1", "GATEWAY"), CONTEXTS, guards)


def context_of(requestor: Requestor, sop_class: str) -> PresentationContext:
    context = requestor.first_context(sop_class)
    assert context is not None
    return context


def test_matches_come_in_their_order_and_then_the_status(archive: Archive) -> None:
    archive.finding = matching(*(study(f"1.2.{n}", PatientName=f"DOE^{n}") for n in range(500)))
    found: list[str] = []
    with connect(archive) as requestor:
        context = context_of(requestor, FIND_STUDY_ROOT)
        for _ in range(2):  # several on one association (R60)
            identifier = encode_identifier("STUDY", {STUDY_UID: "", NAME: "DOE^*"}, IMPLICIT)
            ended = requestor.find(
                context, identifier, lambda data: found.append(decode_identifier(data, IMPLICIT).keys[STUDY_UID])
            )
            assert (ended.response.status, ended.matches, ended.taken, ended.cut) == (0, 500, 500, False)
    assert found == [f"1.2.{n}" for n in range(500)] * 2
    asked = archive.asked[0].identifier
    assert (asked.QueryRetrieveLevel, asked.PatientName, asked.StudyInstanceUID) == ("STUDY", "DOE^*", "")
    assert "SpecificCharacterSet" not in asked
    assert archive.associations[0].released


@pytest.mark.parametrize("limits", [MatchLimits(count=3), MatchLimits(size=150)], ids=["number", "bytes"])
def test_beyond_the_limit_the_rest_is_counted_or_cancelled(archive: Archive, limits: MatchLimits) -> None:
    canceled: list[bool] = []

    def script(asked: Asked) -> int:
        for n in range(10):
            asked.matches(study(f"1.2.{n}", StudyDescription="x" * 20))
        canceled.append(asked.look_for_cancel(0.3))
        return CANCELED if canceled[-1] else 0

    archive.finding = script
    for cancel, status in ((False, 0), (True, CANCELED)):
        taken: list[bytes] = []
        with connect(archive) as requestor:
            context = context_of(requestor, FIND_STUDY_ROOT)
            ended = requestor.find(context, ONE_STUDY, taken.append, limits=limits, cancel=cancel)
        assert (ended.response.status, ended.matches, ended.cut, len(taken)) == (status, 10, True, ended.taken)
        assert 1 < len(taken) < 5
    assert canceled == [False, True]


def _silent(asked: Asked) -> None:
    asked.look_for_cancel(2)


def _drips(asked: Asked) -> int:
    while not asked.look_for_cancel(0.1):
        asked.matches(study("1.2"))
    return 0


def _too_large(asked: Asked) -> int:
    asked.pending(data=b"\0" * (LARGEST_IDENTIFIER + 2))
    return 0


def _leaves(asked: Asked) -> None:
    asked.matches(study("1.2"))


@pytest.mark.parametrize(
    ("script", "error"),
    [(_silent, PeerTooSlow), (_drips, PeerTooSlow), (_too_large, ProtocolViolation), (_leaves, PeerGone)],
)
def test_a_query_ends_whatever_the_archive_does(
    archive: Archive, script: Script, error: type[AssociationError]
) -> None:
    archive.finding = script
    begun = time.monotonic()
    with pytest.raises(error) as caught, connect(archive, replace(FAST, response_seconds=0.5)) as requestor:
        requestor.find(context_of(requestor, FIND_STUDY_ROOT), ONE_STUDY, lambda _: None, meanwhile=lambda: None)
    assert caught.value.phase == "response"
    assert time.monotonic() - begun < 4


def test_who_cannot_use_a_match_aborts(archive: Archive) -> None:
    def refuse(_: bytes) -> None:
        raise RuntimeError("no room")

    archive.finding = matching(study("1.2"), study("1.3"))
    with pytest.raises(RuntimeError), connect(archive) as requestor:
        requestor.find(context_of(requestor, FIND_STUDY_ROOT), ONE_STUDY, refuse)
    assert not requestor.alive()


def test_a_retrieval_tells_its_numbers_and_its_status(archive: Archive) -> None:
    def script(asked: Asked) -> int:
        asked.pending(2, 1, 0, 0)
        asked.pending(1)
        return 0xB000

    archive.moving = script
    archive.last = {"e1021": number(1), "e1022": number(2), "e1023": number(0)}
    seen: list[Progress] = []
    with connect(archive) as requestor:
        context = context_of(requestor, MOVE_STUDY_ROOT)
        response = requestor.move(context, ONE_STUDY, "WORKSTATION", progress=seen.append)
    assert seen == [Progress(2, 1, 0, 0), Progress(1)]
    assert (response.status, Progress.of(response.command)) == (0xB000, Progress(None, 1, 2, 0))
    assert archive.asked[0].destination == "WORKSTATION"
    assert archive.asked[0].identifier.StudyInstanceUID == "1.2.3"


def test_a_cancelled_retrieval_sends_a_cancel_within_a_second_and_waits_for_the_last_word(archive: Archive) -> None:
    canceled_after: list[float] = []

    def script(asked: Asked) -> int:
        begun = time.monotonic()
        asked.pending(9, 1, 0, 0)
        assert asked.look_for_cancel(10)
        canceled_after.append(time.monotonic() - begun)
        return CANCELED

    archive.moving = script
    with connect(archive) as requestor:
        response = requestor.move(context_of(requestor, MOVE_STUDY_ROOT), ONE_STUDY, "WS", canceled=lambda: True)
        assert response.status == CANCELED
        assert requestor.alive()
    assert canceled_after[0] < 1.5


def test_a_cancel_that_is_not_heeded_ends_at_its_limit(archive: Archive) -> None:
    archive.moving = _ignores_cancel
    begun = time.monotonic()
    with pytest.raises(PeerTooSlow, match="C-CANCEL"), connect(archive) as requestor:
        requestor.move(
            context_of(requestor, MOVE_STUDY_ROOT), ONE_STUDY, "WS", canceled=lambda: True, cancel_seconds=0.3
        )
    assert time.monotonic() - begun < 4


def _ignores_cancel(asked: Asked) -> int:
    asked.look_for_cancel(3)
    while asked.association.socket.recv(1):
        pass
    return 0


def test_numbers_that_are_none_end_the_association(archive: Archive) -> None:
    archive.last = {"e1022": b"\1"}
    with connect(archive) as requestor:
        response = requestor.move(context_of(requestor, MOVE_STUDY_ROOT), ONE_STUDY, "WS")
        with pytest.raises(ProtocolViolation):
            Progress.of(response.command)


def test_an_answer_with_many_failed_uids_is_read(archive: Archive) -> None:
    def script(asked: Asked) -> int:
        asked.pending(data=b"\x08\0\x58\0\xfe\xff\0\0" + b"1" * 0xFFFE)
        return 0xB000

    archive.moving = script
    with connect(archive) as requestor:
        assert requestor.move(context_of(requestor, MOVE_STUDY_ROOT), ONE_STUDY, "WS").status == 0xB000
