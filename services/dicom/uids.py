"""Unique identifiers: what counts as one, and our own (PS3.5 section 9)."""

import re
from typing import Final

IMPLEMENTATION_CLASS_UID: Final = "2.25.243218671048353129840152716203984513724"
"""Identifies this implementation in associations and in file meta information (PS3.7 D.3.3.2, PS3.10 7.1)."""

IMPLEMENTATION_VERSION_NAME: Final = "DICOMGATEWAY_0.1"
"""At most 16 characters (PS3.7 D.3.3.2.3)."""

PRIVATE_INFORMATION_CREATOR_UID: Final = "2.25.117508634287216930475120983627450918234"
"""Creator of the private information (0002,0102) in our objects: the receipt, as JSON padded with blanks."""

_UID = re.compile(r"[0-9]+(?:\.[0-9]+)+")


def valid_uid(text: str) -> bool:
    """Whether the text is a UID: at most 64 digits and dots, no empty component (PS3.5 section 9.1).

    Leading zeros of a component, which the standard forbids, are tolerated: many devices send them.
    """
    return len(text) <= 64 and _UID.fullmatch(text) is not None
