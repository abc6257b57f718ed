"""Storage commitment as SCU in the statement: when it is asked, what is sent, what follows (R71 to R81, R134)."""

from typing import Final

from services.cli.statement.document import Section, Table
from services.commitment.settings import CommitmentSettings
from services.commitment.states import Event, State, following
from services.dicom import commands
from services.dicom.contexts import COMMITMENT_PUSH, PUSH_INSTANCE
from services.dicom.profile import RESPONSE_SECONDS, Profile
from services.dicom.status import ACTION_NAMES
from services.dicom.status import name as status_name
from services.runtime.backoff import LONGEST_SECONDS

_TITLE: Final = "Activity: storage commitment"
_ATTRIBUTES: Final = (
    ("Requested SOP Class UID", "(0000,0003)", f"{COMMITMENT_PUSH}, Storage Commitment Push Model"),
    ("Requested SOP Instance UID", "(0000,1001)", f"{PUSH_INSTANCE}, the well-known instance"),
    ("Action Type ID", "(0000,1008)", "1"),
    ("Transaction UID", "(0008,1195)", "made here (2.25), another one for each request"),
    ("Referenced SOP Sequence", "(0008,1199)", "1 to n items, each instance once"),
    (">Referenced SOP Class UID", "(0008,1150)", "any class that the AE sends (R79)"),
    (">Referenced SOP Instance UID", "(0008,1155)", "of one study (R74)"),
    ("Storage Media File-Set ID and UID", "(0088,0130) (0088,0140)", "never sent, at either level (R78)"),
)


def asked(profile: Profile) -> Section:
    """The AE asks stations to commit to what they were sent."""
    if no_commitment(profile):
        return Section(_TITLE, (f"None: {profile.product} has no storage commitment (notes A37).",))
    return Section(
        _TITLE,
        (
            _when(profile),
            "Instances of one study go in one request, or in several where the station has a commit_size (R74). Each "
            "request has an association of its own, which is released after its answer (R72, R76, notes A18). The "
            "context is one of those proposed, explicit VR little endian before implicit; no role is proposed. "
            + _reports_here(profile),
            Table("N-ACTION request (R134)", ("Attribute", "Tag", "Value"), _ATTRIBUTES),
            _answer(profile),
            Table("Responses to N-ACTION", ("Status", "Meaning", "Effect"), _responses()),
            Table("Without a response", ("What happens", "Effect"), _without_response()),
            "A person sees the state with gateway commitments, and of each instance with gateway where; each FAILURE "
            "goes to the error log with its reason (R73). The job of sending keeps its own state (notes A14).",
        ),
    )


def no_commitment(profile: Profile) -> bool:
    """Whether the product lacks it."""
    return not profile.serves(COMMITMENT_PUSH)


def default(name: str) -> str:
    """The default of a setting, as people write numbers."""
    return f"{CommitmentSettings.model_fields[name].default:g}"


def hours() -> str:
    """The default of R80 in hours."""
    return f"{CommitmentSettings.model_fields['limit_seconds'].default / 3600:g}"


def _when(profile: Profile) -> str:
    """R71, ADR 0025."""
    which = "DELIVERED" if profile.xeleris else "DELIVERED or WARNED"
    return (
        f"Asked about instances whose delivery is {which}, if the destination is flagged commit_server, or names in "
        "commit_on a station that is: that station is asked (R71). A rule can leave it out (commit: false) or require "
        "it (commit: true). It is asked when the jobs that bring the study to the destination have ended and nothing "
        f"was delivered for GATEWAY_COMMITMENT_QUIET_SECONDS ({default('quiet_seconds')}) or the station's own "
        "commit_quiet_seconds."
    )


def _reports_here(profile: Profile) -> str:
    """R81."""
    if profile.xeleris:
        return (
            "The report has to come on an association that the peer opens: one that comes on ours is answered 0110, "
            "logged and not used (R81)."
        )
    return (
        "A report may come on the same association: before the answer, or after 0000 within "
        f"GATEWAY_COMMITMENT_LINGER_SECONDS ({default('linger_seconds')}), unless another request to the station "
        "waits for it. It is kept and answered as one on an association of the peer."
    )


def _answer(profile: Profile) -> str:
    if profile.patient:
        return (
            "The answer is waited for without a time-out (R75); a peer that is gone is found by TCP keep-alive, and a "
            "person's cancel aborts the association."
        )
    return (
        f"The answer is waited for {RESPONSE_SECONDS['action']:g} s, or as long as the station's action_seconds say; "
        "after that it is lost."
    )


def _responses() -> list[tuple[str, str, str]]:
    accepted, refused = (following(State.ASKING, event) for event in (Event.ACCEPT, Event.REFUSE))
    rows = [("0000", "Success", f"{accepted}; the next request goes, on a new association (R76)")]
    rows += [
        (
            f"{status:04X}",
            status_name(status, commands.N_ACTION),
            f"{refused}; its name is the reason, shown and logged",
        )
        for status in sorted(ACTION_NAMES)
    ]
    return [*rows, ("any other", "-", f"{refused}, likewise (R77)")]


def _without_response() -> list[tuple[str, str]]:
    failed = following(State.QUEUED, Event.GIVE_UP)
    return [
        (
            "the station is not reached, rejects the association, accepts no context, or did not get the request whole",
            f"asked again with growing pauses of at most {LONGEST_SECONDS:g} s, as is all that waits for the station; "
            f"after GATEWAY_COMMITMENT_RETRY_HOURS ({default('retry_hours')}) or its own commit_retry_hours {failed}",
        ),
        (
            "the answer is lost, or the process ends",
            f"a report is waited for: GATEWAY_COMMITMENT_ANSWER_SECONDS ({default('answer_seconds')}), then it is "
            "asked again under a new Transaction UID; after GATEWAY_COMMITMENT_MOST_UNANSWERED "
            f"({default('most_unanswered')}) lost answers only the report is waited for. A report counts for each of "
            "the Transaction UIDs",
        ),
        (
            f"no report comes within {hours()} hours (GATEWAY_COMMITMENT_LIMIT_SECONDS, or the station's own "
            "commit_limit_seconds)",
            f"{following(State.WAITING, Event.EXPIRE)}, and an error is logged (R80). The time runs from the 0000, "
            "after a lost answer from the last request (notes A15)",
        ),
        ("the station is removed, or not flagged commit_server any more", f"{failed}, with what helps"),
        ("a person cancels it", following(State.WAITING, Event.CANCEL)),
    ]
