"""Storage commitment as SCP in the statement, which only profile gateway is (PS3.4 J.3)."""

from typing import Final

from services.cli.statement.commitments import default
from services.cli.statement.document import Section, Table
from services.dicom import commands
from services.dicom.commitment import FAILURE_NAMES, LARGEST_BYTES, MOST_INSTANCES
from services.dicom.profile import Profile
from services.dicom.status import (
    CLASS_INSTANCE_CONFLICT,
    DUPLICATE_TRANSACTION_UID,
    INVALID_ARGUMENT,
    MISTYPED_ARGUMENT,
    NO_SUCH_ACTION,
    NO_SUCH_CLASS,
    NO_SUCH_INSTANCE,
    PROCESSING_FAILURE,
    RESOURCE_LIMITATION,
    SOP_CLASS_NOT_SUPPORTED,
)
from services.dicom.status import name as status_name
from services.runtime.backoff import LONGEST_SECONDS

_ANSWERS: Final = {
    0x0000: "the request is durable; nothing is said of its instances yet",
    PROCESSING_FAILURE: "the data set cannot be parsed, or the request cannot be kept",
    NO_SUCH_INSTANCE: "another SOP instance than the well-known one",
    INVALID_ARGUMENT: "no data set; no legal Transaction UID; no instance, or one without its legal UIDs",
    NO_SUCH_CLASS: "another SOP class than Storage Commitment Push Model",
    NO_SUCH_ACTION: "the action type is not 1",
    MISTYPED_ARGUMENT: "an element of another VR or length than its own",
    RESOURCE_LIMITATION: f"the data set is larger than {LARGEST_BYTES >> 20} MiB, or names more than {MOST_INSTANCES} "
    "instances",
}
_REASONS: Final = {
    PROCESSING_FAILURE: "the object is damaged, missing or not whole; or an archive downstream has not committed it, "
    "and nothing is on its way there or GATEWAY_COMMITMENT_DOWNSTREAM_HOURS ({downstream_hours}) are over",
    NO_SUCH_INSTANCE: "the instance is not stored, or deleted",
    CLASS_INSTANCE_CONFLICT: "it is stored with another SOP class",
    SOP_CLASS_NOT_SUPPORTED: "the profile does not store the class",
    DUPLICATE_TRANSACTION_UID: "all instances: the peer's Transaction UID is in use for other instances, in a request "
    "that is not reported yet",
    RESOURCE_LIMITATION: "all instances: they are more than GATEWAY_COMMITMENT_MOST_REFERENCES ({most_references})",
}


def requests(profile: Profile) -> tuple[Section, ...]:
    """Where the profile is SCP."""
    if profile.xeleris:
        return ()
    return (
        Section(
            "Activity: storage commitment (SCP)",
            (
                "A peer asks the AE to commit to instances. The request is durable before it is answered; the verdict "
                "comes later, in a report. Media attributes are ignored.",
                Table("Responses to N-ACTION", ("Status", "Meaning", "When"), _answers()),
                "An instance is committed once its newest revision is stored durably and its object was found whole. "
                "Where the peer's station names archives in commit_downstream, each of them must have committed that "
                "very revision besides. A failure that later news could turn into success is given only when that "
                "cannot come any more: everything received before the request is recorded (the watermark of storage), "
                "and nothing is on its way to the archives. A refusal by one of these archives is reported with the "
                "archive's own failure reason. What was committed cannot be deleted before all that its rules ask "
                "for is done.",
                Table("Failure reasons", ("Reason", "Meaning", "When"), _reasons()),
                "The same request again, with the same Transaction UID and instances while the first is not reported, "
                "is answered 0000 and joins it: both get one report.",
                _reporting(),
            ),
        ),
    )


def _answers() -> list[tuple[str, str, str]]:
    return [
        (f"{status:04X}", status_name(status, commands.N_ACTION) or "Success", when)
        for status, when in sorted(_ANSWERS.items())
    ]


def _reasons() -> list[tuple[str, str, str]]:
    settings = {name: default(name) for name in ("downstream_hours", "most_references")}
    return [
        (f"{reason:04X}", words, _REASONS[reason].format(**settings)) for reason, words in sorted(FAILURE_NAMES.items())
    ]


def _reporting() -> str:
    return (
        "The report has event type 1, or 2 if an instance failed, and no Retrieve AE Title. It goes on the association "
        "of the request if it is decided within GATEWAY_INGEST_REPORT_WAIT_SECONDS and the peer sends nothing else "
        "until then. Otherwise, and whenever it was not answered 0000 there, the AE opens an association to the "
        "address of the peer's station, under the title that the peer had called, and proposes the SCP role by role "
        "selection; a peer that leaves the role item out of its answer is served all the same. Without 0000 it is "
        f"tried again with growing pauses of at most {LONGEST_SECONDS:g} s until GATEWAY_COMMITMENT_REPORT_HOURS "
        f"({default('report_hours')}) after the verdict, then given up with a line in the error log. A peer that is "
        "told twice must bear it."
    )
