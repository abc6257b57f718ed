"""The builder beside the YAML of a draft: it changes the text that it is sent, by lines, and keeps nothing."""

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from schemas.rules import editing
from schemas.rules.editing import Edited, NotEditable
from services.admin import stations
from services.admin.web import rule_form
from services.admin.web.asking import Operator
from services.admin.web.desk import Desk, OfDesk
from services.admin.web.rendering import page
from services.runtime.errors import UsageError

router: Final = APIRouter(prefix="/rules/builder")
Text = Annotated[str, Form(max_length=1 << 20)]
Position = Annotated[int, Form(ge=0, le=10_000)]
_NEW: Final = "new-rule"


@router.post("")
async def show(request: Request, desk: OfDesk, principal: Operator, text: Text = "") -> Response:
    """The rules of a text."""
    return await _shown(request, desk, _lines(text))


@router.post("/move")
async def move(
    request: Request, desk: OfDesk, principal: Operator, position: Position, to: Position, text: Text = ""
) -> Response:
    """Put one in another place."""
    edited = _edited(lambda: editing.move(_lines(text), position, to))
    return await _shown(request, desk, edited.text, edited, at=to, told=f"It is number {to + 1} now.")


@router.post("/remove")
async def remove(request: Request, desk: OfDesk, principal: Operator, position: Position, text: Text = "") -> Response:
    """Leave one out."""
    edited = _edited(lambda: editing.remove(_lines(text), position))
    return await _shown(request, desk, edited.text, edited, told="The rule is removed from the text.")


@router.post("/add")
async def add(request: Request, desk: OfDesk, principal: Operator, text: Text = "") -> Response:
    """One more, disabled until it is filled in."""
    known = [station.title for station in await stations.list_all(desk.database) if station.store and station.enabled]
    if not known:
        raise UsageError("no station may be sent to yet: add one that may, then rules")

    def work() -> Edited:
        names = {str(rule.get("name")) for rule in editing.rules_of(_lines(text))}
        name = next(name for n in range(len(names) + 1) if (name := f"{_NEW}-{n + 1}") not in names)
        rule = {"name": name, "enabled": False, "when": {"all": []}, "send": [{"to": known[0]}]}
        return editing.add(_lines(text), rule)

    edited = _edited(work)
    last = len(editing.rules_of(edited.text)) - 1
    return await _shown(request, desk, edited.text, edited, at=last, opened=True, told="A rule is added, disabled.")


@router.post("/put")
async def put(request: Request, desk: OfDesk, principal: Operator, position: Position, text: Text = "") -> Response:
    """Change what the form says of one."""
    form = await request.form()
    given = {key: [str(value) for value in form.getlist(key)] for key in form}
    lines = _lines(text)

    def work() -> Edited:
        rules = editing.rules_of(lines)
        if position >= len(rules):
            raise NotEditable("there is no such rule any more")
        return editing.put(lines, position, rule_form.fields_of(rules[position], given))

    edited = _edited(work)
    anew = f" Written anew, without the comments inside: {', '.join(edited.anew)}." if edited.anew else ""
    told = "Nothing changed." if edited.text == lines else f"The text is changed.{anew}"
    return await _shown(request, desk, edited.text, edited, at=position, told=told)


async def _shown(
    request: Request, desk: Desk, text: str, edited: Edited | None = None, *, at: int | None = None,
    opened: bool = False, told: str = "",
) -> Response:  # fmt: skip
    try:
        rules = [rule_form.built(place, rule) for place, rule in enumerate(editing.rules_of(text))]
        fault = ""
    except NotEditable as error:
        rules, fault = [], str(error)
    known = [station.title for station in await stations.list_all(desk.database) if station.store and station.enabled]
    values: dict[str, Any] = {"rules": rules, "fault": fault, "at": at, "opened": opened, "told": told}
    return page(
        request, "rule_builder.html", **values, rewritten=edited and edited.text, targets=known,
        shapes=rule_form.SHAPES, operators=rule_form.OPERATORS, levels=rule_form.LEVELS,
        priorities=rule_form.PRIORITIES,
    )  # fmt: skip


def _edited(work: Callable[[], Edited]) -> Edited:
    try:
        return work()
    except NotEditable as error:
        raise UsageError(str(error)) from error


def _lines(text: str) -> str:
    """Browsers end lines of forms with two characters."""
    return text.replace("\r\n", "\n")
