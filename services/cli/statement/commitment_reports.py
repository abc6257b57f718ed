"""N-EVENT-REPORT in the statement: what it is answered and what it changes (R82, R107 to R113, R135, R136)."""

from typing import Final

from services.cli.statement.commitments import no_commitment
from services.cli.statement.document import Section, Table
from services.commitment.judging import Verdict
from services.commitment.states import ItemState, State
from services.dicom import commands
from services.dicom.commitment import FAILURE_NAMES, LARGEST_BYTES, MOST_INSTANCES
from services.dicom.commitment_reports import SUCCESS
from services.dicom.profile import Profile
from services.dicom.status import (
    CLASS_INSTANCE_CONFLICT,
    EVENT_REPORT_NAMES,
    NO_SUCH_EVENT_TYPE,
    PROCESSING_FAILURE,
    UNRECOGNIZED_OPERATION,
)
from services.dicom.status import name as status_name

_ALWAYS: Final = "(0000,0002) (0000,1000)"
_WITH_TYPE: Final = f"{_ALWAYS} (0000,1002)"
_ANSWERS: Final = {
    SUCCESS: (_WITH_TYPE, "the report is durable, whether anybody asked for it or not (notes A16)"),
    PROCESSING_FAILURE: (
        _ALWAYS,
        "the report cannot be read (no Transaction UID, no instance, an instance without its UIDs, more than "
        f"{LARGEST_BYTES >> 20} MiB or {MOST_INSTANCES} instances) or cannot be kept",
    ),
    NO_SUCH_EVENT_TYPE: (_WITH_TYPE, "the event type is neither 1 nor 2"),
    CLASS_INSTANCE_CONFLICT: (_ALWAYS, "another SOP class than Storage Commitment Push Model"),
}
_ATTRIBUTES: Final = (
    ("Transaction UID", "(0008,1195)", "finds the request (R109)"),
    ("Referenced SOP Sequence", "(0008,1199)", "instances that are to be flagged Archived"),
    ("Failed SOP Sequence", "(0008,1198)", "instances that are not, also if they are in the other sequence"),
    (">Failure Reason", "(0008,1197)", "shown and logged by name"),
    (
        "Retrieve AE Title, Storage Media File-Set ID and UID",
        "(0008,0054) (0088,0130) (0088,0140)",
        "ignored (notes A43)",
    ),
)
_VERDICTS: Final = {
    Verdict.APPLIED: ("from whom was asked, about a request that is open", "each instance it names that is still open"),
    Verdict.REPAIRED: (
        "late, or success after a failure, with GATEWAY_COMMITMENT_REPAIR_LATE",
        "each instance it calls committed, which may turn FAILURE into SUCCESS; what is open by its lists",
    ),
    Verdict.DUPLICATE: ("the same was said of the Transaction UID before", "nothing"),
    Verdict.LATE: (
        "the time is over, every instance has its verdict, the request was cancelled or repeated, or all that it "
        "names was decided otherwise",
        "nothing",
    ),
    Verdict.FOREIGN: (
        "from another AE title than that of the station or one of its report_titles",
        "nothing; an error is logged",
    ),
    Verdict.UNKNOWN: ("nobody asked under its Transaction UID", "nothing"),
    Verdict.UNREADABLE: ("what was kept of it cannot be read any more", "nothing; an error is logged"),
}
_EFFECTS: Final = (
    (f"all {ItemState.COMMITTED}", State.SUCCESS),
    (f"one or more {ItemState.FAILED}", f"{State.FAILURE} at once; what is in neither list stays open until its time"),
    (f"some {ItemState.COMMITTED}, the others in neither list", "as before"),
)


def reports(profile: Profile) -> tuple[Section, ...]:
    """Where the profile has commitment."""
    if no_commitment(profile):
        return ()
    columns = ("Status", "Meaning", "Related fields", "When")
    return (
        Section(
            "Activity: receive N-EVENT-REPORT (SCU)",
            (
                _how(profile),
                Table("Responses to N-EVENT-REPORT (R113)", columns, _answers()),
                Table("Attributes used (R135)", ("Attribute", "Tag", "Use"), _ATTRIBUTES),
                "The lists count, not the event type (notes A17). An instance of which success is reported is flagged "
                "Archived; its study shows as archived with its first one (R109 to R111); GATEWAY_COMMITMENT_ARCHIVE_"
                "HISTORY adds an Archive History entry for each. A verdict on an instance stands once it is given. "
                "Instances that were not asked about are ignored and remarked.",
                Table(
                    "Reports (all are answered 0000 and recorded; ADR 0022, 0024)",
                    ("Verdict", "When", "What it changes"),
                    [(verdict.value, *_VERDICTS[verdict]) for verdict in Verdict],
                ),
                Table("State of the request", ("Its instances after a report", "State"), _EFFECTS),
                _again(profile),
                Table("Failure reasons (R136)", ("Reason", "Meaning", "Effect"), _reasons()),
            ),
        ),
    )


def _how(profile: Profile) -> str:
    words = (
        "The peer opens the association and takes the SCP role by role selection; without the role item it is served "
        "all the same (R107, R108, notes A19). Receiving has no time-out of its own. A report is durable before it is "
        "answered 0000; whether anybody waits for its transaction is not asked then. Notes A16 reads 0110 for an "
        "unknown or late one; it is answered 0000 and recorded, because the database may be away and many peers "
        "report once only, and what flags nothing needs no refusal (ADR 0022). "
    )
    if profile.xeleris:
        return words + (
            "The AE is no SCP of storage commitment: N-ACTION is answered "
            f"{UNRECOGNIZED_OPERATION:04X} ({status_name(UNRECOGNIZED_OPERATION, commands.N_ACTION)})."
        )
    return words + "Reports on associations of the AE are taken too, while it waits there."


def _again(profile: Profile) -> str:
    words = (
        "Failures go to the error log by their reason. A person starts a new request for what is not committed with "
        "gateway commitments retry; the old one takes no reports any more. "
    )
    if profile.xeleris:
        return words + "Nothing is asked or sent again by itself (R112)."
    return words + (
        "By itself it is asked again only with GATEWAY_COMMITMENT_REQUEST_AGAIN, and sent again after 0112 only with "
        "GATEWAY_COMMITMENT_SEND_AGAIN (R112)."
    )


def _answers() -> list[tuple[str, str, str, str]]:
    statuses = sorted({SUCCESS, *EVENT_REPORT_NAMES})
    return [
        (f"{status:04X}", status_name(status, commands.N_EVENT_REPORT) or "Success", *_ANSWERS[status])
        for status in statuses
    ]


def _reasons() -> list[tuple[str, str, str]]:
    effect = "an error is logged; the instance is not flagged"
    rows = [(f"{reason:04X}", words, effect) for reason, words in sorted(FAILURE_NAMES.items())]
    return [*rows, ("any other", "undefined", effect)]
