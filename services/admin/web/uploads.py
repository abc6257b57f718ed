"""A DICOM file that is sent to be looked at: its beginning, in memory, never stored."""

from collections.abc import Mapping
from typing import Final

from fastapi import Request

from services.admin.rules.rule_subjects import Uploaded, of_upload
from services.admin.web.desk import Desk
from services.dicom.rules import Defaults
from services.runtime.clock import now
from services.runtime.errors import UsageError

MOST_BYTES: Final = 9 << 20
"""Of a body: a header is much smaller; a file that goes on with pixel data may be cut off there."""


async def body(request: Request) -> bytes:
    """What was sent. Raises ``UsageError`` if it is too large."""
    found = bytearray()
    async for part in request.stream():
        found += part
        if len(found) > MOST_BYTES:
            raise UsageError(f"the file: larger than {MOST_BYTES >> 20} MiB; send its first 8 MiB: the header is there")
    return bytes(found)


def uploaded(desk: Desk, data: bytes, facts: Mapping[str, str]) -> Uploaded:
    """What rules see of it. ``facts``: how it would come; those that are empty are left out. Raises ``UsageError``."""
    given = {name: value.strip() for name, value in facts.items() if value.strip()}
    return of_upload(data, given, Defaults(desk.runtime.settings.aet, now()))
