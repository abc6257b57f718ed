"""The builder beside the YAML of a draft: it changes the text that it is sent, by lines, and keeps nothing."""

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from schemas.rules import editing
from schemas.rules.editing import Edited, NotEditable
from services.admin import stations
from services.admin.notices import contacts
from services.admin.web.asking import Operator
from services.admin.web.desk import Desk, OfDesk
from services.admin.web.rendering import page
from services.admin.web.rule_forms import conditions, rule, steps
from services.admin.web.rule_forms.names import Tree, items, one, tree_of
from services.admin.web.rule_forms.rearranging import rearranged
from services.runtime.errors import UsageError

router: Final = APIRouter(prefix="/rules/builder")
Text = Annotated[str, Form(max_length=1 << 20)]
Position = Annotated[int, Form(ge=0, le=10_000)]
Act = Annotated[str, Form(max_length=300)]
_NEW: Final = "new-rule"


@router.post("")
async def show(request: Request, desk: OfDesk, principal: Operator, text: Text = "") -> Response:
    """The rules of a text."""
    return await _shown(request, desk, _lines(text))


@router.post("/form")
async def show_form(
    request: Request, desk: OfDesk, principal: Operator, position: Position, text: Text = ""
) -> Response:
    """The form of one, which its line opens."""
    found = _rule(_lines(text), position)
    return page(request, "rule_form.html", form=rule.form_of(position, found), **await _choices(desk))


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
    known = await _targets(desk)
    if not known:
        raise UsageError("no station may be sent to yet: add one that may, then rules")

    def work() -> Edited:
        names = {str(each.get("name")) for each in editing.rules_of(_lines(text))}
        name = next(name for n in range(len(names) + 1) if (name := f"{_NEW}-{n + 1}") not in names)
        made = {"name": name, "enabled": False, "when": {"all": []}, "send": [{"to": known[0]}]}
        return editing.add(_lines(text), made)

    edited = _edited(work)
    last = len(editing.rules_of(edited.text)) - 1
    return await _shown(
        request,
        desk,
        edited.text,
        edited,
        at=last,
        opened=True,
        focus=f"r{last}-form",
        told="A rule is added, disabled.",
    )


@router.post("/put")
async def put(
    request: Request, desk: OfDesk, principal: Operator, position: Position, text: Text = "", act: Act = ""
) -> Response:
    """Change what the form says of one; ``act``: a part of it comes, goes or moves."""
    tree = tree_of((key, str(value)) for key, value in (await request.form()).multi_items())
    lines = _lines(text)
    before = _rule(lines, position)
    after, at = rule.said(before, tree), _of_another_kind(tree)
    if act:
        made = rearranged(after, act, await _targets(desk))
        after, at = made.rule, made.at
    edited = _edited(lambda: editing.put(lines, position, rule.differences(before, after)))
    anew = f" Written anew, without the comments inside: {', '.join(edited.anew)}." if edited.anew else ""
    told = f"The text is changed.{anew}" if edited.text != lines else "The text says so already."
    if not at:
        return page(
            request, "rule_applied.html", told=told, rewritten=edited.text, line=rule.line(position, after), at=position
        )
    verb = act.rpartition(":")[2]
    whole = await _shown(
        request, desk, edited.text, edited, at=position, opened=True, focus=f"r{position}-{at}", verb=verb, told=told
    )
    whole.headers.update({"HX-Retarget": "#builder", "HX-Reswap": "outerHTML"})
    return whole


def _of_another_kind(tree: Tree) -> str:
    """The path of a step that became one of another kind, which has other fields; "": none did."""
    lists = [("", tree), *((f"send/{n}/", each) for n, each in items(tree, "send"))]
    steps = ((f"{above}transform/{n}", step) for above, each in lists for n, step in items(each, "transform"))
    return next((path for path, step in steps if one(step, "do") != one(step, "was")), "")


async def _shown(
    request: Request, desk: Desk, text: str, edited: Edited | None = None, *, at: int | None = None,
    opened: bool = False, focus: str = "", verb: str = "", told: str = "",
) -> Response:  # fmt: skip
    try:
        found, fault = editing.rules_of(text), ""
    except NotEditable as error:
        found, fault = [], str(error)
    return page(
        request, "rule_builder.html", rules=[rule.line(place, each) for place, each in enumerate(found)], fault=fault,
        at=at, focus=focus, verb=verb, told=told, rewritten=edited and edited.text,
        form=rule.form_of(at, found[at]) if opened and at is not None else None, **await _choices(desk),
    )  # fmt: skip


async def _choices(desk: Desk) -> dict[str, Any]:
    """What forms offer."""
    known = await stations.list_all(desk.database)
    async with desk.database.transaction() as conn:
        told = await contacts.names(conn)
    return {
        "targets": [station.title for station in known if station.store and station.enabled],
        "servers": [station.title for station in known if station.commit_server],
        "contacts": told,
        "shapes": conditions.SHAPES,
        "operators": conditions.OPERATORS,
        "choices": rule.CHOICES,
        "step_words": steps.WORDS,
    }


async def _targets(desk: Desk) -> list[str]:
    return [station.title for station in await stations.list_all(desk.database) if station.store and station.enabled]


def _rule(text: str, position: int) -> dict[str, Any]:
    """One of a text. Raises ``UsageError``."""
    try:
        rules = editing.rules_of(text)
    except NotEditable as error:
        raise UsageError(str(error)) from error
    if position >= len(rules):
        raise UsageError("there is no such rule any more")
    return rules[position]


def _edited(work: Callable[[], Edited]) -> Edited:
    try:
        return work()
    except NotEditable as error:
        raise UsageError(str(error)) from error


def _lines(text: str) -> str:
    """Browsers end lines of forms with two characters."""
    return text.replace("\r\n", "\n")
