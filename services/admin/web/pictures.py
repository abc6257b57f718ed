"""Pictures of instances for who may see them. Those of a series are one look for the audit."""

from html import escape
from typing import Annotated, Any, Final

from fastapi import Query
from starlette.responses import Response

from services.admin.access.principal import Principal
from services.admin.errors import Refused
from services.admin.looks import looked_again
from services.admin.patients import search
from services.admin.patients.header import header
from services.admin.patients.hiding import may_show_names
from services.admin.web.desk import Desk
from services.admin.web.names import hides

Size = Annotated[int, Query(ge=16, le=1024, description="Pixels of the longer side, at most.")]
MOST_FRAMES: Final = 100_000
_BURNED_IN: Final = "(0028,0301)"
_PLACEHOLDER: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 160 160"><rect width="160" height="160" fill="#26313a"/>'
    '<text x="80" y="{top}" fill="#d5dce2" font-family="sans-serif" font-size="11" text-anchor="middle">'
    "{lines}</text></svg>"
)
_LINE: Final = 22
_MOST_LINES: Final = 8


async def picture(desk: Desk, principal: Principal, uid: str, frame: int, size: int, revision: int | None) -> Response:
    """A frame (from 1) as a PNG. Raises ``Refused`` if there is no picture, or it may show a name that is hidden."""
    instance = await search.instance(desk.database, uid, revision)
    await _require_no_names(desk, principal, instance)
    made = await desk.pictures.make(desk.runtime, instance["object_key"], frame - 1, size)
    series = [instance["series_instance_uid"]]
    await looked_again(desk.database, desk.lately, principal.actor, "studies.picture", series)
    return Response(made, media_type="image/png")


def placeholder(why: str) -> Response:
    """What a page shows instead of a picture."""
    words, lines = why.split(), [""]
    for word in words:
        if len(lines[-1]) + len(word) > _LINE:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word[:_LINE]}".strip()
    lines = lines[:_MOST_LINES]
    spans = "".join(
        f'<tspan x="80" dy="{0 if not place else 17}">{escape(line)}</tspan>' for place, line in enumerate(lines)
    )
    top = 84 - 17 * (len(lines) - 1) // 2
    return Response(_PLACEHOLDER.format(top=top, lines=spans), media_type="image/svg+xml")


async def _require_no_names(desk: Desk, principal: Principal, instance: dict[str, Any]) -> None:
    if not hides(desk, principal):
        return
    read = await header(desk.runtime.objects, instance, hide_names=False)
    burned_in = next((row.value for row in read.rows if row.tag == _BURNED_IN), "")
    if may_show_names(instance["sop_class_uid"], burned_in):
        raise Refused("no picture: it may show a name, and names are hidden from viewers")
