"""Rules as the builder shows them, and what its form says of one (pure). What it cannot show it leaves as it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from schemas.rules import Node, RuleTextError, load
from services.admin.rules import rule_words
from services.dicom.rules.names import FACTS
from services.runtime.errors import UsageError

SHAPES: Final = {"all": "all of these", "any": "any of these", "none": "none of these"}
OPERATORS: Final = (
    "equals", "not_equals", "in", "contains", "starts_with", "wildcard", "regex", "lt", "le", "gt", "ge", "between",
    "exists", "absent",
)  # fmt: skip
DEFAULTS: Final[Mapping[str, Any]] = {
    "description": "", "enabled": True, "level": "instance", "quiet": "30s", "priority": "normal", "stop": False,
}  # fmt: skip
LEVELS: Final = ("instance", "series", "study")
PRIORITIES: Final = ("low", "normal", "high", "stat")
_LISTS: Final = ("in", "between")
_SHOWN: Final = frozenset({"name", "when", "send", *DEFAULTS})
_NODE: Final[TypeAdapter[Any]] = TypeAdapter(Node)


@dataclass(frozen=True)
class ConditionRow:
    """One line of the form. ``exact``: letters are told apart (``ignore_case: false``)."""

    subject: str
    op: str
    value: str
    exact: bool


@dataclass(frozen=True)
class BuiltRule:
    """One rule. ``rows`` None: its conditions are nested, the YAML alone shows them. ``besides``: its other fields."""

    position: int
    values: Mapping[str, Any]
    titles: Sequence[str]
    shape: str
    rows: Sequence[ConditionRow] | None
    words: str
    besides: Sequence[str]


def built(position: int, rule: Mapping[str, Any]) -> BuiltRule:
    """A rule as the builder shows it, faults and all."""
    values = {"name": str(rule.get("name", ""))} | {key: rule.get(key, DEFAULTS[key]) for key in DEFAULTS}
    shape, rows = _conditions(rule.get("when"))
    titles = [str(each.get("to", "")) for each in _list(rule.get("send")) if isinstance(each, dict)]
    return BuiltRule(
        position, values, titles, shape, rows, _words(rule.get("when")), [key for key in rule if key not in _SHOWN]
    )


def fields_of(rule: Mapping[str, Any], form: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """What the form says, as fields of the rule; None: its default, so it is left out. Raises ``UsageError``."""
    given = {key: values[-1].strip() for key, values in form.items() if values}
    fields: dict[str, Any] = {"name": given.get("name", "")}
    for key, usual in DEFAULTS.items():
        value: Any = given.get(key) == "true" if isinstance(usual, bool) else given.get(key, "") or usual
        fields[key] = value if value != usual or key in rule else None
    fields["send"] = _send(rule, form.get("to", ()))
    if "shape" in given:
        fields["when"] = _when(rule, given["shape"], form)
    return fields


def _send(rule: Mapping[str, Any], titles: Sequence[str]) -> list[Any]:
    """The stations that were ticked; of those that were there already all that is said of them, in their order."""
    before = [each for each in _list(rule.get("send")) if isinstance(each, dict)]
    kept = [each for each in before if each.get("to") in titles]
    known = {each.get("to") for each in kept}
    found = [*kept, *({"to": title} for title in dict.fromkeys(titles) if title not in known)]
    if not found:
        raise UsageError("to: tick at least one station")
    return found


def _when(rule: Mapping[str, Any], shape: str, form: Mapping[str, Sequence[str]]) -> Any:
    if shape not in SHAPES:
        raise UsageError(f"shape {shape!r}: choose one of {', '.join(SHAPES)}")
    before = rule.get("when")
    columns = [form.get(name, ()) for name in ("subject", "op", "value", "exact")]
    rows = [_condition(*row) for row in zip(*columns, strict=False) if row[0].strip()]
    if isinstance(before, dict) and not SHAPES.keys() & before.keys() and rows == [before] and shape == "all":
        return before
    return {shape: rows}


def _condition(subject: str, op: str, value: str, exact: str) -> dict[str, Any]:
    name = subject.strip()
    made: dict[str, Any] = {"fact" if name in FACTS else "tag": name, "op": op}
    if op not in ("exists", "absent"):
        made["value"] = _read(value, several=op in _LISTS)
    return made | ({"ignore_case": False} if exact == "true" else {})


def _read(text: str, *, several: bool) -> Any:
    if not several:
        return _scalar(text)
    if text.strip().startswith("["):
        try:
            found = load(text)
        except RuleTextError as fault:
            raise UsageError(f"value {text[:80]!r}: {fault}") from fault
        return found if isinstance(found, list) else [found]
    return [_scalar(part.strip()) for part in text.split(",") if part.strip()]


def _scalar(text: str) -> Any:
    """A whole number as such, as the YAML reads it; anything else is text."""
    number = text.strip()
    plain = number.isascii() and number.removeprefix("-").isdigit() and len(number) < 18
    return int(number) if plain and str(int(number)) == number else text


def _conditions(when: Any) -> tuple[str, list[ConditionRow] | None]:
    if not isinstance(when, dict):
        return "all", []
    shape = next((shape for shape in SHAPES if shape in when), None)
    nodes = _list(when.get(shape)) if shape else [when]
    rows = [_row(node) for node in nodes]
    known = [row for row in rows if row is not None]
    return (shape or "all"), (known if (len(known) == len(rows) and len(when) == 1) or not shape else None)


def _row(node: Any) -> ConditionRow | None:
    """A condition that the form can say without losing anything of it."""
    if not isinstance(node, dict) or not node.keys() <= {"tag", "fact", "op", "value", "ignore_case"}:
        return None
    subject = str(node.get("tag", node.get("fact", "")))
    op, exact = str(node.get("op", "equals")), node.get("ignore_case") is False
    row = ConditionRow(subject, op, _written(node.get("value")), exact)
    try:
        said = _condition(row.subject, row.op, row.value, "true" if exact else "")
    except UsageError:
        return None
    return row if said == node else None


def _written(value: Any) -> str:
    if not isinstance(value, list):
        return "" if value is None else str(value)
    texts = [str(part) for part in value]
    if all(text and text == text.strip() and "," not in text and not text.startswith("[") for text in texts):
        return ", ".join(texts)
    return "[" + ", ".join("'" + text.replace("'", "''") + "'" for text in texts) + "]"


def _words(when: Any) -> str:
    try:
        return rule_words.when(_NODE.validate_python(when))
    except (ValidationError, RecursionError):
        return "conditions with a fault"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
