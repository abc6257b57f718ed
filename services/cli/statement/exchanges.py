"""What each service answers and does with answers: the status tables of PS3.2 A.4.2."""

from collections import defaultdict
from typing import Final

from pynetdicom.status import GENERAL_STATUS, STORAGE_SERVICE_CLASS_STATUS

from services.cli.statement import asked as asking
from services.cli.statement.commitment_reports import reports
from services.cli.statement.commitment_requests import requests
from services.cli.statement.commitments import asked
from services.cli.statement.document import Section, Table
from services.cli.statement.queries import query
from services.cli.statement.retrievals import retrieve
from services.dicom.iods.findings import STANDARD, Finding
from services.dicom.profile import RESPONSE_SECONDS, Profile
from services.dicom.status import STORE_NAMES, StatusClass, classify
from services.dicom.status import name as status_name
from services.forwarder.classify import REJECTION_REASONS, classify_rejection, classify_status
from services.forwarder.states import Event
from services.ingest.causes import ANSWERS, Cause
from services.ingest.findings import SUCCESS, judge

_EFFECTS: Final = {
    Event.DELIVER: "the delivery is DELIVERED",
    Event.WARN: "the delivery is WARNED: stored, with the warning shown",
    Event.POSTPONE: "tried again with growing pauses until the station's retry hours are over, then FAILED",
    Event.REFUSE: "the delivery is FAILED, its reason is shown; the next ones are still sent",
}
_OTHERS: Final = (0x0110, 0x0111, 0x0122, 0x0213)
"""General statuses that receivers of C-STORE answer (PS3.7 C.5)."""


def asked_of_others(profile: Profile) -> tuple[Section, ...]:
    """What the AE does as SCU."""
    return (
        Section(
            "Activity: send",
            (
                "Started by routing rules and by the command gateway send, for stations flagged store (R37). "
                "Instances go one after the other on one association, each in a context that was accepted; without "
                "one it is FAILED (R14). What is sent is what was received, bit for bit; a station with "
                "reduce_level_1 gets of level 1 classes "
                "what R92 keeps, and in profile xeleris another accepted syntax where its own is not. "
                + _patience(profile),
                Table("Responses to C-STORE", ("Status", "Class", "Meaning", "Effect"), _store_responses(profile)),
                "An association that is lost or rejected is opened again after a pause kept in the database; what was "
                "sent whole without an answer is UNKNOWN and sent again.",
                Table(
                    "Association rejections received", ("Source", "Reason", "Meaning", "Effect"), _rejections_received()
                ),
            ),
        ),
        Section(
            "Activity: verify",
            ("Started by the command gateway station echo; the outcome is printed in words (R49, R50).",),
        ),
        asked(profile),
        asking.query(profile),
        asking.retrieve(profile),
    )


def served(profile: Profile) -> tuple[Section, ...]:
    """What the AE does as SCP."""
    services = (_storage(profile), _verification(), query(profile), retrieve(profile))
    return (*services, *reports(profile), *requests(profile))


def _storage(profile: Profile) -> Section:
    return Section(
        "Activity: store (SCP)",
        (
            "Success, or a warning, is answered after the object and its receipt are durable. Whatever is kept is kept "
            "bit for bit, also where a warning is answered. " + _patience(profile),
            Table("Responses to C-STORE", ("Status", "Class", "Meaning", "When"), _store_answers(profile)),
        ),
    )


def _verification() -> Section:
    return Section("Activity: verify (SCP)", ("C-ECHO is answered 0000, the only status ever returned (R105, R106).",))


def _store_responses(profile: Profile) -> list[tuple[str, str, str, str]]:
    statuses = (0x0000, *sorted({*STORE_NAMES, *_OTHERS}))
    rows = [(code(status), _class(status), _words(status), _effect(status, profile)) for status in statuses]
    return [*rows, ("any other", "-", "-", "by its class: warnings as B000, A7xx as A700, the rest as C000")]


def _effect(status: int, profile: Profile) -> str:
    return _EFFECTS[classify_status(status, profile=profile.name).event]


def _store_answers(profile: Profile) -> list[tuple[str, str, str, str]]:
    causes: dict[int, list[str]] = defaultdict(list)
    for cause, answer in ANSWERS[profile.name].items():
        if cause is not Cause.TOO_LARGE:
            causes[answer.status].append(answer.comment)
    kept = judge([Finding(STANDARD, "vr", "", "")], xeleris=profile.xeleris, refuse=False)
    causes[SUCCESS].append("the object is durable and keeps to its IOD")
    causes[kept].append("kept, with findings of the check against its IOD (R93, notes A6), stored with it")
    rows = [
        (code(status), _class(status), _own_words(status), "; ".join(comments))
        for status, comments in sorted(causes.items())
    ]
    aborted = ANSWERS[profile.name][Cause.TOO_LARGE].comment
    return [
        *rows,
        ("none", "-", "A-ABORT, source service-user", f"{aborted}; it keeps nothing of it and reads no more"),
    ]


def _own_words(status: int) -> str:
    """The words of PS3.4 and PS3.7: the private meanings of A7xx are for those we receive (notes A4)."""
    known = {**GENERAL_STATUS, **STORAGE_SERVICE_CLASS_STATUS}.get(status)
    return str(known[1] or known[0]) if known else _words(status)


def _rejections_received() -> list[tuple[str, str, str, str]]:
    return [
        (str(source), str(reason), words, _after(source, reason))
        for (source, reason), words in REJECTION_REASONS.items()
    ]


def _after(source: int, reason: int) -> str:
    trouble = classify_rejection(2 if source == 3 else 1, source, reason)
    return "alarm, long pause" if trouble.slow else "tried again soon"


def code(status: int) -> str:
    """As DICOM prints statuses."""
    return f"{status:04X}"


def _class(status: int) -> str:
    return classify(status).value.capitalize()


def _words(status: int) -> str:
    return "Success" if classify(status) is StatusClass.SUCCESS else status_name(status)


def _patience(profile: Profile) -> str:
    if profile.patient:
        return "There is no time-out on DIMSE messages (R44, R90)."
    guards = profile.guards()
    waits = ", ".join(f"{service} {seconds:g} s" for service, seconds in RESPONSE_SECONDS.items())
    return (
        f"A request is waited for {guards.idle_seconds:g} s, a response by service ({waits}) unless the station's own "
        "limit says otherwise."
    )
