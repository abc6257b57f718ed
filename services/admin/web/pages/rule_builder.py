"""The builder beside the YAML of a draft: it changes the text that it is sent, by lines, and keeps nothing."""

import asyncio
import copy
from collections.abc import Callable
from dataclasses import dataclass
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
MOST_APART: Final = 200
"""Rules that are shown again one by one; all of them, where more have another place."""


@dataclass(frozen=True)
class Changed:
    """A text after a change, and the rules in it that are shown again, by their places. ``at``: the one that was
    changed, whose form is ``opened``; ``focus``: the part of it that is new, by ``verb``."""

    text: str
    told: str
    places: range
    at: int
    opened: bool = False
    focus: str = ""
    verb: str = ""


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
    edited = await _edited(lambda: editing.move(_lines(text), position, to))
    told = f"It is number {to + 1} now."
    if abs(position - to) < MOST_APART:
        changed = Changed(edited.text, told, range(min(position, to), max(position, to) + 1), at=to)
        return await _replaced(request, desk, changed)
    return await _shown(request, desk, edited.text, edited, at=to, told=told)


@router.post("/remove")
async def remove(request: Request, desk: OfDesk, principal: Operator, position: Position, text: Text = "") -> Response:
    """Leave one out."""
    edited = await _edited(lambda: editing.remove(_lines(text), position))
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

    edited = await _edited(work)
    last = len(editing.rules_of(edited.text)) - 1
    told = "A rule is added, disabled."
    changed = Changed(edited.text, told, range(max(0, last - 1), last), last, opened=True, focus=f"r{last}-form")
    return await _replaced(request, desk, changed, added=True)


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
    edited = await _edited(lambda: editing.put(lines, position, rule.differences(before, after)))
    anew = f" Written anew, without the comments inside: {', '.join(edited.anew)}." if edited.anew else ""
    told = f"The text is changed.{anew}" if edited.text != lines else "The text says so already."
    if not at:
        return page(
            request, "rule_applied.html", told=told, rewritten=edited.text, line=rule.line(position, after), at=position
        )
    verb, focus = act.rpartition(":")[2], f"r{position}-{at}"
    changed = Changed(
        edited.text, told, range(position, position + 1), position, opened=True, focus=focus, verb=verb
    )  # fmt: skip
    return await _replaced(request, desk, changed)


def _of_another_kind(tree: Tree) -> str:
    """The path of a step that became one of another kind, which has other fields; "": none did."""
    lists = [("", tree), *((f"send/{n}/", each) for n, each in items(tree, "send"))]
    steps = ((f"{above}transform/{n}", step) for above, each in lists for n, step in items(each, "transform"))
    return next((path for path, step in steps if one(step, "do") != one(step, "was")), "")


async def _shown(
    request: Request, desk: Desk, text: str, edited: Edited | None = None, *, at: int | None = None, told: str = ""
) -> Response:
    """All rules of a text."""
    try:
        found, fault = (await asyncio.to_thread(editing.rules_of, text)), ""
    except NotEditable as error:
        found, fault = [], str(error)
    return page(
        request, "rule_builder.html", rules=[rule.line(place, each) for place, each in enumerate(found)], fault=fault,
        at=at, told=told, rewritten=edited and edited.text, form=None, apart="", focus="", verb="",
        last=len(found) - 1, **await _choices(desk),
    )  # fmt: skip


async def _replaced(request: Request, desk: Desk, changed: Changed, *, added: bool = False) -> Response:
    """Some rules of a text in place of those that are shown; ``added``: the last one besides."""
    rules = editing.rules_of(changed.text)
    answer = page(
        request, "rule_changed.html", rewritten=changed.text, told=changed.told, at=changed.at,
        changed=[rule.line(place, rules[place]) for place in changed.places], last=len(rules) - 1,
        added=rule.line(changed.at, rules[changed.at]) if added else None, focus=changed.focus, verb=changed.verb,
        form=rule.form_of(changed.at, rules[changed.at]) if changed.opened else None, **await _choices(desk),
    )  # fmt: skip
    answer.headers.update({"HX-Retarget": "#applied", "HX-Reswap": "innerHTML"})
    return answer


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
    """A copy of one of a text. Raises ``UsageError``."""
    try:
        rules = editing.rules_of(text)
    except NotEditable as error:
        raise UsageError(str(error)) from error
    if position >= len(rules):
        raise UsageError("there is no such rule any more")
    return copy.deepcopy(rules[position])


async def _edited(work: Callable[[], Edited]) -> Edited:
    try:
        return await asyncio.to_thread(work)
    except NotEditable as error:
        raise UsageError(str(error)) from error


def _lines(text: str) -> str:
    """Browsers end lines of forms with two characters."""
    return text.replace("\r\n", "\n")
