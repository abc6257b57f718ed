"""The DICOM data of schemas/dicom as a whole: read and checked when a process that speaks DICOM starts."""

from collections.abc import Callable
from typing import Final

from schemas.dicom.profiles import profile_data
from schemas.dicom.query_keys import query_keys
from services.dicom.dictionary import private_creators
from services.dicom.iods.definitions import check_tables
from services.dicom.reduction import level_1_tables
from services.runtime.errors import UsageError

DOCUMENTS: Final[dict[str, Callable[[], object]]] = {
    "profiles.json": profile_data,
    "query_keys.json": query_keys,
    "private_elements.json": private_creators,
    "standard_iods.json, xeleris_iods.json, xeleris_codes.json": check_tables,
    "level_1_elements.json": level_1_tables,
}
"""What reads each document; it is kept for the life of the process."""


def check_data() -> None:
    """Read everything. Raises ``UsageError`` that names the document of a damaged installation."""
    for document, read in DOCUMENTS.items():
        try:
            read()
        except (OSError, ValueError, LookupError, TypeError) as error:
            # The first line: pydantic's text names the place there and goes on for pages.
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise UsageError(f"schemas/dicom/{document}: {reason}; install the gateway again") from error
