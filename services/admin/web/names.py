"""Who sees names of persons: everybody, unless the setting hides them from viewers."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from services.admin.access.principal import Principal
from services.admin.access.role import Role
from services.admin.patients.hiding import FIELDS, without_names
from services.admin.rules.rule_hiding import document_without_names, text_without_names
from services.admin.web.asking import NotAllowed
from services.admin.web.desk import Desk

Told = TypeVar("Told", dict[str, Any], list[dict[str, Any]])


def hides(desk: Desk, principal: Principal) -> bool:
    """Whether names are kept from who asks."""
    return desk.settings.hide_names_from_viewers and principal.role == Role.VIEWER


def seen_by(desk: Desk, principal: Principal, told: Told) -> Told:
    """Rows, or what was made of them, as who asks may see them. All that a viewer is told passes here."""
    if not hides(desk, principal):
        return told
    hidden: Told = without_names(told)
    return hidden


def rules_seen_by(desk: Desk, principal: Principal, row: Mapping[str, Any]) -> dict[str, Any]:
    """A rule set or draft as who asks may see it: its conditions may name patients."""
    if not hides(desk, principal):
        return dict(row)
    hidden = {"source": text_without_names(row["source"])}
    return {**row, **hidden} | ({"document": document_without_names(row["document"])} if "document" in row else {})


def refuse_names(desk: Desk, principal: Principal, asked: Iterable[str]) -> None:
    """Raises ``NotAllowed`` if who asks searches by what he may not see: the answer would tell it."""
    if hides(desk, principal) and (hidden := sorted(FIELDS & set(asked))):
        raise NotAllowed(f"{', '.join(hidden)}: names are hidden from viewers, who may not search by them either")


def refuse_files(desk: Desk, principal: Principal) -> None:
    """Raises ``NotAllowed`` if names are kept from who asks: files have them."""
    if hides(desk, principal):
        raise NotAllowed("names are hidden from viewers, and files have them: ask an operator")
