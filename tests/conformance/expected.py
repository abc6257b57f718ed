"""What the statement says, written down here once more for the tests: they never read the gateway's own data."""

from typing import Final

EXPLICIT: Final = "1.2.840.10008.1.2.1"
IMPLICIT: Final = "1.2.840.10008.1.2"

VERIFICATION: Final = "1.2.840.10008.1.1"
NM: Final = "1.2.840.10008.5.1.4.1.1.20"
CURVE: Final = "1.2.840.10008.5.1.4.1.1.9"
SECONDARY_CAPTURE: Final = "1.2.840.10008.5.1.4.1.1.7"
CT: Final = "1.2.840.10008.5.1.4.1.1.2"
PET: Final = "1.2.840.10008.5.1.4.1.1.128"
MR: Final = "1.2.840.10008.5.1.4.1.1.4"
GRAYSCALE_FRAMES: Final = "1.2.840.10008.5.1.4.1.1.7.2"
COLOR_FRAMES: Final = "1.2.840.10008.5.1.4.1.1.7.4"
ENHANCED_SR: Final = "1.2.840.10008.5.1.4.1.1.88.22"
PDF: Final = "1.2.840.10008.5.1.4.1.1.104.1"
PRIVATE: Final = "1.2.840.113619.4.27"
STUDY_FIND: Final = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_MOVE: Final = "1.2.840.10008.5.1.4.1.2.2.2"
STUDY_GET: Final = "1.2.840.10008.5.1.4.1.2.2.3"
PATIENT_FIND: Final = "1.2.840.10008.5.1.4.1.2.1.1"
PATIENT_MOVE: Final = "1.2.840.10008.5.1.4.1.2.1.2"
COMMITMENT: Final = "1.2.840.10008.1.20.1"

SENT: Final = (NM, CURVE, SECONDARY_CAPTURE, CT, PET, MR, GRAYSCALE_FRAMES, COLOR_FRAMES, ENHANCED_SR, PDF)
"""Storage classes in the order in which they are proposed."""
ASKED: Final = (VERIFICATION, STUDY_FIND, STUDY_MOVE, COMMITMENT)
QUERY_RETRIEVE: Final = (PATIENT_FIND, STUDY_FIND, PATIENT_MOVE, STUDY_MOVE)

LACKS: Final = {"3.0": PDF, "3.1": PDF, "4.0": PDF, "4dr": "", "v": COMMITMENT}
"""By variant, the class it does not have."""
VARIANTS: Final = tuple(LACKS)


def stored(variant: str = "4dr") -> tuple[str, ...]:
    """Storage classes accepted."""
    return tuple(uid for uid in (*SENT, PRIVATE) if uid != LACKS[variant])


def proposed(variant: str = "4dr") -> list[tuple[int, str, tuple[str, ...]]]:
    """Every context of an association we open: id, abstract syntax, its one transfer syntax."""
    pairs = [(uid, syntax) for uid in SENT for syntax in (EXPLICIT, IMPLICIT)]
    pairs += [(uid, syntax) for uid in ASKED for syntax in (IMPLICIT, EXPLICIT)]
    kept = [pair for pair in pairs if pair[0] != LACKS[variant]]
    return [(2 * place + 1, uid, (syntax,)) for place, (uid, syntax) in enumerate(kept)]
