"""C-MOVE and C-GET in the statement: where instances go and what is answered (R101 to R104)."""

from typing import Final

from services.cli.statement.document import Section, Table
from services.dicom.profile import Profile
from services.dicom.status import classify
from services.query.retrieve_wish import CANNOT_COUNT, CANNOT_PERFORM, MISMATCH, UNABLE, UNKNOWN_DESTINATION
from services.query.suboperations_counts import CANCELLED, PENDING, SOME_FAILED, SUCCESS

_NOT_FOUND: Final = "no such instance (notes A10)"
_AWAY: Final = "the database is away"
_MEANINGS: Final = {
    SUCCESS: ("Sub-operations complete, no failures", "every instance reached the destination"),
    SOME_FAILED: ("Sub-operations complete, one or more failures", "one or more instances did not reach it"),
    PENDING: ("Sub-operations are continuing", "after each instance but the last, with the numbers"),
    CANCELLED: ("Sub-operations terminated due to cancel", "the peer cancelled"),
    CANNOT_COUNT: ("Refused: unable to calculate number of matches", _AWAY),
    CANNOT_PERFORM: (
        "Refused: unable to perform sub-operations",
        "every sub-operation failed, or no association is free",
    ),
    UNKNOWN_DESTINATION: (
        "Refused: Move Destination unknown",
        "the destination is not configured, disabled, or not allowed for the requester (notes A11)",
    ),
    MISMATCH: ("Error: Identifier does not match SOP Class", "another model or level, or a unique key is missing"),
    UNABLE: ("Error: Unable to process", "the identifier cannot be read, or a fault of ours"),
}


def retrieve(profile: Profile) -> Section:
    """C-MOVE, and C-GET in profile gateway, as SCP."""
    how = (
        "Unique keys of the levels above have to be there: nothing is relational (R103). "
        if profile.xeleris
        else "Unique keys of the levels above may be left out. C-GET brings the instances on the requester's "
        "association, in the contexts whose SCP role it took; these are accepted in its order of transfer syntaxes, "
        "not in ours. "
    )
    return Section(
        "Activity: retrieve (SCP)",
        (
            "C-MOVE sends each instance to the Move Destination, which may be another station than the requester, "
            "on an association of its own with the contexts of the initiation policy (R101). Private classes of our "
            "data are passed over (R102). " + how + "Instances go as they are stored; where the destination accepts "
            "them only in another syntax, they are written again in explicit or implicit VR little endian; "
            "compressed pixel data is decompressed where the extra codecs is installed, except video and JPEG Extended "
            "(1.2.840.10008.1.2.4.51) with more than 8 bits stored.",
            Table("Responses", ("Status", "Class", "Meaning", "When"), _answers(profile)),
        ),
    )


def _answers(profile: Profile) -> list[tuple[str, str, str, str]]:
    meanings = dict(_MEANINGS)
    if profile.xeleris:
        meanings[CANNOT_COUNT] = (_MEANINGS[CANNOT_COUNT][0], f"{_NOT_FOUND}; {_AWAY}")
    return [(f"{status:04X}", classify(status).value.capitalize(), *meanings[status]) for status in sorted(meanings)]
