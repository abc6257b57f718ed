"""The document model of a rule file, version 1.

Validation reports every fault at once. The model knows the shape; what a tag, an operator on it, a value or a station
means is asked from the ``Judge`` in the validation context, so that one pass finds all faults of a file.
"""

import re
from typing import Annotated, Any, Final, Literal, Protocol, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)

from schemas.rules.part import Part, fault
from schemas.rules.steps import StepJudge, Steps
from schemas.schedule import MOST_WINDOWS, canonical

Operator = Literal[
    "equals", "not_equals", "in", "contains", "starts_with", "wildcard", "regex",
    "lt", "le", "gt", "ge", "between", "exists", "absent",
]  # fmt: skip
Scalar = StrictStr | StrictInt | StrictFloat

_QUIET = re.compile(r"([1-9][0-9]{0,5})([smh])")
_LATE_WITHIN = re.compile(r"([1-9][0-9]{0,5})([smhdw])")
_UNIT_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_MAX_QUIET_SECONDS: Final = 24 * 3600
_MAX_LATE_SECONDS: Final = 366 * 86_400


class Judge(StepJudge, Protocol):
    """Knows what names and values in a document mean. Each method gives None, or the fault's field and cure."""

    def condition(self, condition: "Condition") -> tuple[str, Any, str] | None:
        """Field, value and cure of the first fault of a condition that is well formed."""

    def station(self, title: str) -> str | None:
        """Cure for the title of a station that does not exist."""

    def required(self, title: str) -> str | None:
        """Cure for a destination whose commitment cannot be required."""

    def awaited(self, title: str) -> str | None:
        """Cure for a station whose commitment cannot be waited for."""

    def counted(self) -> str | None:
        """Cure where no source may be asked how many instances it has."""

    def contact(self, name: str) -> str | None:
        """Cure for the name of a contact that does not exist."""


def seconds(quiet: str) -> int:
    """Seconds of a duration such as ``30s``, ``5m`` or ``1h``.

    Raises:
        ValueError: not a duration, or not between 1 second and 24 hours.
    """
    length = _length(_QUIET.fullmatch(quiet))
    if not 1 <= length <= _MAX_QUIET_SECONDS:
        raise ValueError("not a duration from 1s to 24h")
    return length


def late_seconds(within: str) -> int:
    """Seconds of a cut-off for late arrivals such as ``12h``, ``7d`` or ``2w``.

    Raises:
        ValueError: not a duration, or not between 1 second and 366 days.
    """
    length = _length(_LATE_WITHIN.fullmatch(within))
    if not 1 <= length <= _MAX_LATE_SECONDS:
        raise ValueError("not a duration from 1s to 366d")
    return length


def _length(match: re.Match[str] | None) -> int:
    return int(match[1]) * _UNIT_SECONDS[match[2]] if match else 0


class Condition(Part):
    """One comparison: the value of a tag or fact against ``value`` (exists and absent take none)."""

    tag: StrictStr | None = None
    fact: StrictStr | None = None
    op: Operator
    value: Scalar | Annotated[list[Scalar], Field(min_length=1, max_length=10_000)] | None = None
    ignore_case: bool = True

    @model_validator(mode="after")
    def _judged(self, info: ValidationInfo) -> Self:
        if self.tag is not None and self.fact is not None:
            raise fault("fact", self.fact, "a condition has a tag or a fact, not both")
        found = _value_of_the_right_shape(self)
        judge: Judge | None = (info.context or {}).get("judge")
        if found is None and judge is not None:
            found = judge.condition(self)
        if found is not None:
            raise fault(*found)
        return self


def _value_of_the_right_shape(condition: Condition) -> tuple[str, Any, str] | None:
    """exists and absent have no value, in has a list, between has two values, all others one."""
    op, value = condition.op, condition.value
    if op in ("exists", "absent"):
        return ("value", value, f"remove the value: {op} takes none") if value is not None else None
    if value is None:
        return "value", "", f"give a value to compare with: {op} needs one"
    if op == "in" and not isinstance(value, list):
        return "value", value, "write a list, such as [NM, PT]"
    if op == "between" and not (isinstance(value, list) and len(value) == 2):
        return "value", value, "write a list of two values: the least and the greatest, both included"
    if op not in ("in", "between") and isinstance(value, list):
        return "value", value, "write one value, or use the operator in"
    return None


class AllOf(Part):
    """True if every node is; an empty list is always true."""

    all: list["Node"] = Field(max_length=1000)


class AnyOf(Part):
    """True if at least one node is; an empty list is never true."""

    any: list["Node"] = Field(max_length=1000)


class NoneOf(Part):
    """True if no node is: plain negation of any."""

    none: list["Node"] = Field(max_length=1000)


def _shape(node: Any) -> str | None:
    if isinstance(node, Part):
        return next((shape for shape, model in _SHAPES.items() if type(node) is model), None)
    if not isinstance(node, dict):
        return None
    return next((shape for shape in ("all", "any", "none") if shape in node), "condition")


Node = Annotated[
    Annotated[AllOf, Tag("all")]
    | Annotated[AnyOf, Tag("any")]
    | Annotated[NoneOf, Tag("none")]
    | Annotated[Condition, Tag("condition")],
    Discriminator(_shape),
]

_SHAPES: Final[dict[str, type[Part]]] = {"all": AllOf, "any": AnyOf, "none": NoneOf, "condition": Condition}


class Target(Part):
    """A station to send to. ``commit``: whether commitment is required; None: asked where the station can (R71).

    ``transform``: what is changed of what is sent there, after what the rule changes.
    """

    to: StrictStr
    commit: StrictBool | None = None
    transform: Steps | None = None

    @field_validator("to")
    @classmethod
    def _station(cls, title: str, info: ValidationInfo) -> str:
        judge: Judge | None = (info.context or {}).get("judge")
        cure = judge.station(title) if judge is not None else None
        if cure is not None:
            raise fault("", title, cure)
        return title

    @field_validator("commit")
    @classmethod
    def _commit(cls, commit: bool | None, info: ValidationInfo) -> bool | None:
        judge: Judge | None = (info.context or {}).get("judge")
        cure = judge.required(info.data["to"]) if commit and judge is not None and "to" in info.data else None
        if cure is not None:
            raise fault("", commit, cure)
        return commit


def _awaited(title: str, info: ValidationInfo) -> str:
    judge: Judge | None = (info.context or {}).get("judge")
    cure = judge.awaited(title) if judge is not None else None
    if cure is not None:
        raise fault("", title, cure)
    return title


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


class Completion(Part):
    """What besides the quiet time says that a series or study is complete. ``require``: for each of these nodes some
    instance of it matches. ``counts``: as many instances of it have come as their source says there are."""

    require: Annotated[list[Node], BeforeValidator(_as_list), Field(min_length=1, max_length=16)] | None = None
    counts: StrictBool | None = None

    @field_validator("counts")
    @classmethod
    def _counts(cls, counts: bool | None, info: ValidationInfo) -> bool | None:
        judge: Judge | None = (info.context or {}).get("judge")
        cure = judge.counted() if counts and judge is not None else None
        if cure is not None:
            raise fault("", counts, cure)
        return counts

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.require and not self.counts:
            raise fault("", "", "write what completes it: require, or counts: true")
        return self


def _window(text: str) -> str:
    try:
        return canonical(text)
    except ValueError as cure:
        raise fault("", text, str(cure)) from None


class Rule(Part):
    """One routing rule. ``quiet`` counts for series and study: complete after that long without a new instance.

    ``complete``: what says so before that.
    ``late``: what is sent when more comes after that: only the new (None), all again, or nothing; ``late_within``: for
    how long after that anything is (None: for ever).
    ``after_commitment``: what it sends waits until each of these stations has committed the instance. ``schedule``: the
    windows of the week in which what it sends may go (None: always).
    ``transform``: what is changed of all it sends. ``back``: an instance is sent also to the station it came from;
    None, as false: not (the loop guard). ``contact``: who is told, besides others, of its jobs that failed.
    """

    name: StrictStr = Field(min_length=1, max_length=100)
    description: StrictStr = Field(default="", max_length=2000)
    enabled: bool = True
    when: Node
    level: Literal["instance", "series", "study"] = "instance"
    quiet: StrictStr = "30s"
    complete: Completion | None = None
    late: Literal["new", "all", "never"] | None = None
    late_within: StrictStr | None = None
    send: list[Target] = Field(min_length=1, max_length=100)
    after_commitment: (
        Annotated[list[Annotated[StrictStr, AfterValidator(_awaited)]], Field(min_length=1, max_length=16)] | None
    ) = None
    schedule: (
        Annotated[list[Annotated[StrictStr, AfterValidator(_window)]], Field(min_length=1, max_length=MOST_WINDOWS)]
        | None
    ) = None
    transform: Steps | None = None
    priority: Literal["low", "normal", "high", "stat"] = "normal"
    stop: bool = False
    back: StrictBool | None = None
    contact: StrictStr | None = None

    @field_validator("name")
    @classmethod
    def _name(cls, name: str) -> str:
        if name != name.strip() or not name.isprintable():
            raise fault("", name, "use printable characters, without blanks at either end")
        return name

    @field_validator("quiet")
    @classmethod
    def _quiet(cls, quiet: str) -> str:
        try:
            seconds(quiet)
        except ValueError:
            raise fault("", quiet, "write a duration from 1s to 24h, such as 30s, 5m or 1h") from None
        return quiet

    @field_validator("complete", "late", "late_within")
    @classmethod
    def _of_a_whole(cls, value: Any, info: ValidationInfo) -> Any:
        if value is not None and info.data.get("level") == "instance":
            raise fault("", value, "only a series or study is complete once: write level: study, or leave it out")
        return value

    @field_validator("late_within")
    @classmethod
    def _late_within(cls, within: str | None) -> str | None:
        try:
            late_seconds(within or "1s")
        except ValueError:
            raise fault("", within, "write a duration from 1s to 366d, such as 12h, 7d or 2w") from None
        return within

    @field_validator("contact")
    @classmethod
    def _contact(cls, name: str | None, info: ValidationInfo) -> str | None:
        judge: Judge | None = (info.context or {}).get("judge")
        cure = judge.contact(name) if name is not None and judge is not None else None
        if cure is not None:
            raise fault("", name, cure)
        return name

    @field_validator("send")
    @classmethod
    def _sends_once_each(cls, send: list[Target]) -> list[Target]:
        _once_each([target.to for target in send])
        return send

    @field_validator("after_commitment")
    @classmethod
    def _awaits_once_each(cls, titles: list[str] | None) -> list[str] | None:
        _once_each(titles or [])
        return titles


def _once_each(titles: list[str]) -> None:
    twice = next((title for title in titles if titles.count(title) > 1), None)
    if twice is not None:
        raise fault("", twice, "name each station once")


class RuleDocument(Part):
    """A whole rule file; rules are evaluated in their order."""

    version: Literal[1]
    rules: list[Rule] = Field(max_length=10_000)
