"""UIDs as people give them."""

from services.dicom.uids import valid_uid
from services.runtime.errors import UsageError


def uid_of(text: str) -> str:
    """The UID a person wrote, without the blanks around it that come with copying.

    Raises ``UsageError`` for what no received study, series or instance can have as its UID.
    """
    uid = text.strip()
    if not uid:
        raise UsageError("UID: nothing is given; name a Study, Series or SOP Instance UID")
    if not valid_uid(uid):
        raise UsageError(f"UID {uid[:64]!r} is none: name one of digits and dots, at most 64, as 1.2.840.10008.1")
    return uid
