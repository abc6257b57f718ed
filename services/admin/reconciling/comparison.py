"""Comparing one study: from its count down to the UIDs of its instances. No I/O of its own.

A count that equals ours proves nothing: a station that has lost one of ours may have another one. It is believed only
where UIDs are not asked for or not told, and then that is said. What a station cannot tell is never guessed: "missing"
are instances of which it is known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, Protocol

from services.dicom.archive import NotTold

Verdict = Literal["COMPLETE", "MISSING", "INCOMPLETE", "UNKNOWN"]
Level = Literal["study", "instance"]

NO_INSTANCE_LEVEL: Final = "it does not answer at instance level"
COUNTS_ALIKE: Final = "counts alike, UIDs not compared"


class Archive(Protocol):
    """What a station is asked. Every method raises ``NotTold``; a count is None where it was not returned."""

    def study(self, study: str) -> int | Literal["absent"] | None:
        """Instances that it has of a study."""

    def series(self, study: str) -> Mapping[str, int | None]:
        """Instances that it has of each series of a study."""

    def instances(self, study: str, series: str) -> frozenset[str]:
        """SOP Instance UIDs that it has of a series."""


@dataclass(frozen=True)
class Sent:
    """An instance that was delivered, by the UIDs it went under; ``stored``: it is still here and can be sent again.

    ``stored_uid``: its SOP Instance UID here; empty: the same.
    """

    sop_instance_uid: str
    series_instance_uid: str
    stored: bool = True
    stored_uid: str = ""


@dataclass(frozen=True)
class Compared:
    """What came of one study. ``delivered``: instances that the station was sent; ``there``: what it counts, None: it
    does not say; ``missing``: what it has not got, as far as it tells; ``note``: what could not be told, and why;
    ``by_count``: it is complete as far as counts can say."""

    study: str
    verdict: Verdict
    delivered: int
    there: int | None
    missing: tuple[Sent, ...] = ()
    note: str = ""
    by_count: bool = False

    @property
    def sendable(self) -> list[str]:
        """Of what is missing, what is still here, by its UIDs here."""
        return [each.stored_uid or each.sop_instance_uid for each in self.missing if each.stored]

    @property
    def gone(self) -> int:
        """Of what is missing, what is not here any more either."""
        return sum(not each.stored for each in self.missing)


@dataclass(frozen=True)
class _Series:
    """What came of one series. ``by_count``: it is complete as far as counts can say; ``unknown``: not even that."""

    missing: tuple[Sent, ...] = ()
    note: str = ""
    by_count: bool = False
    unknown: bool = False


def compare(archive: Archive, study: str, sent: Sequence[Sent], level: Level) -> Compared:
    """Ask about a study. Raises ``NotTold`` if even the study level is refused."""
    counted = archive.study(study)
    ours = len(sent)
    if counted == "absent":
        return Compared(study, "MISSING", ours, 0, tuple(sent))
    if level == "study":
        return _by_count(study, sent, counted)
    try:
        theirs = archive.series(study)
    except NotTold as fault:
        return _without_series(study, sent, counted, str(fault))
    if not theirs:
        return _without_series(study, sent, counted, "no series of a study that it has")
    told_of = [
        _series(archive, study, series, each, theirs, counted == ours) for series, each in _by_series(sent).items()
    ]
    missing = tuple(each for series in told_of for each in series.missing)
    unknown, by_count = any(series.unknown for series in told_of), any(series.by_count for series in told_of)
    verdict: Verdict = "INCOMPLETE" if missing else "UNKNOWN" if unknown else "COMPLETE"
    note = "; ".join(dict.fromkeys(series.note for series in told_of if series.note))
    return Compared(study, verdict, ours, counted, missing, note, by_count and verdict == "COMPLETE")


def _without_series(study: str, sent: Sequence[Sent], counted: int | None, why: str) -> Compared:
    found = _by_count(study, sent, counted)
    told = f"it does not answer at series level: {why}"
    return replace(found, note=f"{told}; {found.note}" if found.by_count else told)


def _by_count(study: str, sent: Sequence[Sent], counted: int | None) -> Compared:
    """All that a count alone can say: that some are missing, not which. All are sent again then."""
    if counted is None:
        return Compared(study, "UNKNOWN", len(sent), None, note="it does not count instances")
    if counted == len(sent):
        return Compared(study, "COMPLETE", len(sent), counted, note=COUNTS_ALIKE, by_count=True)
    if counted > len(sent):
        return Compared(
            study, "UNKNOWN", len(sent), counted, note="it has more than we sent; its instances were not asked for"
        )
    return Compared(study, "INCOMPLETE", len(sent), counted, tuple(sent), "by count: which are missing is not known")


def _series(
    archive: Archive, study: str, series: str, sent: Sequence[Sent], theirs: Mapping[str, int | None], alike: bool
) -> _Series:
    """What is missing of one series, and what could not be told. ``alike``: the counts of the study are."""
    if not series:
        gone = f"{len(sent)} were deleted here so long ago that their series is not known: not compared"
        return _Series(note=f"{gone}; {COUNTS_ALIKE}", by_count=True) if alike else _Series(note=gone, unknown=True)
    if series not in theirs:
        return _Series(tuple(sent))
    try:
        there = archive.instances(study, series)
    except NotTold as fault:
        return _series_by_count(sent, theirs[series], f"{NO_INSTANCE_LEVEL}: {fault}")
    if not there:
        return _series_by_count(sent, theirs[series], f"{NO_INSTANCE_LEVEL}: no instances of a series that it has")
    return _Series(tuple(each for each in sent if each.sop_instance_uid not in there))


def _series_by_count(sent: Sequence[Sent], counted: int | None, note: str) -> _Series:
    if counted == len(sent):
        return _Series(note=f"{note}; {COUNTS_ALIKE}", by_count=True)
    if counted is not None and counted < len(sent):
        return _Series(tuple(sent), f"{note}; a series that is short is sent again whole")
    return _Series(note=note, unknown=True)


def _by_series(sent: Sequence[Sent]) -> dict[str, list[Sent]]:
    found: dict[str, list[Sent]] = {}
    for each in sent:
        found.setdefault(each.series_instance_uid, []).append(each)
    return found
