"""The audit as an answer that is a file."""

from collections.abc import AsyncIterator
from typing import Final

from starlette.responses import Response, StreamingResponse

from services.admin.access.principal import Principal
from services.admin.audit_entries import Filter
from services.admin.audit_export import Format, exported
from services.admin.web.desk import Desk

MEDIA_TYPES: Final = {Format.CSV: "text/csv; charset=utf-8", Format.JSON_LINES: "application/jsonl; charset=utf-8"}


async def audit_file(desk: Desk, principal: Principal, wanted: Filter, form: Format) -> Response:
    """All that a filter takes; sent while it is read. What is wrong with the filter is raised before the answer."""
    lines = exported(desk.database, principal.actor, wanted, form)
    first = await anext(lines, "")
    named = {"Content-Disposition": f'attachment; filename="audit.{form}"'}
    return StreamingResponse(_joined(first, lines), media_type=MEDIA_TYPES[form], headers=named)


async def _joined(first: str, others: AsyncIterator[str]) -> AsyncIterator[str]:
    yield first
    async for each in others:
        yield each
