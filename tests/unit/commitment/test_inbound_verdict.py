"""What we say to a peer of each instance it asks us to commit: every cell of the table."""

import pytest

from services.commitment.inbound_verdict import (
    COMMITTED,
    Archive,
    Circumstances,
    Named,
    Stored,
    Verdict,
    of_archives,
    of_object,
    of_record,
    of_request,
    to_be_looked_at,
)

NM, CT = "1.2.840.10008.5.1.4.1.1.20", "1.2.840.10008.5.1.4.1.1.2"
WHOLE = Stored(1, NM, damaged=False, object_key="objects/x", object_bytes=1000)
DAMAGED = Stored(1, NM, damaged=True, object_key="objects/x", object_bytes=1000)
OF_CT = Stored(1, CT, damaged=False, object_key="objects/x", object_bytes=1000)
NOW, EARLY, LATE = Circumstances(), Circumstances(complete=False), Circumstances(expired=True)
THERE, COMING, NOT_COMING = Archive(True, False), Archive(False, True), Archive(False, False)
REFUSED, REFUSED_AND_ASKED_AGAIN = Archive(False, False, 0x0112), Archive(False, True, 0x0112)


@pytest.mark.parametrize(
    ("circumstances", "reason"),
    [
        (Circumstances(duplicate=True), 0x0131),
        (Circumstances(too_many=True), 0x0213),
        (Circumstances(duplicate=True, too_many=True), 0x0131),
        (Circumstances(complete=False, duplicate=True), 0x0131),
    ],
)
def test_what_fails_as_a_whole(circumstances: Circumstances, reason: int) -> None:
    assert of_request(circumstances) == Verdict(reason)


@pytest.mark.parametrize("circumstances", [NOW, EARLY, LATE])
def test_what_is_judged_one_by_one(circumstances: Circumstances) -> None:
    assert of_request(circumstances) is None


@pytest.mark.parametrize(
    ("supported", "stored", "circumstances", "verdict", "looked_at"),
    [
        (False, None, NOW, Verdict(0x0122), (False, False)),
        (False, WHOLE, EARLY, Verdict(0x0122), (False, False)),
        (True, None, NOW, Verdict(0x0112), (False, False)),
        (True, None, EARLY, None, (False, False)),
        (True, OF_CT, NOW, Verdict(0x0119), (False, False)),
        (True, OF_CT, EARLY, None, (False, False)),
        (True, DAMAGED, NOW, Verdict(0x0110), (False, False)),
        (True, DAMAGED, EARLY, None, (False, False)),
        (True, WHOLE, NOW, None, (True, True)),
        (True, WHOLE, EARLY, None, (True, False)),
    ],
)
def test_what_storage_knows(
    supported: bool,
    stored: Stored | None,
    circumstances: Circumstances,
    verdict: Verdict | None,
    looked_at: tuple[bool, bool],
) -> None:
    """``looked_at``: whether its object decides, for a station without and with archives downstream."""
    named = Named(NM, supported, stored)
    assert of_record(named, circumstances) == verdict
    assert tuple(to_be_looked_at(named, circumstances, downstream=each) for each in (False, True)) == looked_at


@pytest.mark.parametrize(
    ("archives", "circumstances", "verdict"),
    [
        ([], NOW, COMMITTED),
        ([], LATE, COMMITTED),
        ([THERE, THERE], NOW, COMMITTED),
        ([THERE], LATE, COMMITTED),
        ([THERE, COMING], NOW, None),
        ([THERE, COMING], LATE, Verdict(0x0110)),
        ([THERE, NOT_COMING], NOW, Verdict(0x0110)),
        ([COMING, REFUSED], NOW, Verdict(0x0112)),
        ([REFUSED_AND_ASKED_AGAIN], NOW, None),
        ([REFUSED_AND_ASKED_AGAIN], LATE, Verdict(0x0110)),
    ],
)
def test_what_archives_downstream_decide(
    archives: list[Archive], circumstances: Circumstances, verdict: Verdict | None
) -> None:
    assert of_archives(archives, circumstances) == verdict


@pytest.mark.parametrize(
    ("found", "circumstances", "verdict"),
    [
        (1000, NOW, COMMITTED),
        (1000, EARLY, COMMITTED),
        (999, NOW, Verdict(0x0110)),
        (None, NOW, Verdict(0x0110)),
        (999, EARLY, None),
        (None, EARLY, None),
    ],
)
def test_what_the_object_decides(found: int | None, circumstances: Circumstances, verdict: Verdict | None) -> None:
    assert of_object(WHOLE, found, circumstances) == verdict
