"""What a rule does, in words (pure)."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final

from schemas.rules import AllOf, AnyOf, Condition, Node, Rule
from schemas.rules.steps import STEPS, AnyStep
from services.dicom.rules.names import FACTS

_OPERATORS: Final = {
    "equals": "is",
    "not_equals": "is there and is not",
    "in": "is",
    "contains": "contains",
    "starts_with": "begins with",
    "wildcard": "fits",
    "regex": "fits the expression",
    "lt": "is less than",
    "le": "is at most",
    "gt": "is more than",
    "ge": "is at least",
    "between": "is between",
    "exists": "is there",
    "absent": "is missing",
}
_FACTS: Final = {
    "calling_aet": "the sender's title",
    "called_aet": "the called title",
    "peer_address": "the sender's address",
    "transfer_syntax": "the transfer syntax",
    "sop_class": "the class",
    "received_at": "the time of receipt",
}
_MOST_VALUES: Final = 6
_STEPS: Final = {model: do.replace("_", " ") for do, model in STEPS.items()}


def condition(each: Condition) -> str:
    """One condition."""
    subject = each.tag if each.fact is None else _FACTS[each.fact] if each.fact in FACTS else each.fact
    values = each.value if isinstance(each.value, list) else [] if each.value is None else [each.value]
    shown = [str(value) if value != "" else "empty" for value in values]
    if len(shown) > _MOST_VALUES:
        shown = [*shown[:_MOST_VALUES], f"one of {len(shown) - _MOST_VALUES} others"]
    joined = _listed(shown, "and" if each.op == "between" else "or")
    return " ".join(part for part in (subject, _OPERATORS[each.op], joined) if part)


def when(node: Node) -> str:
    """What an instance has to be."""
    if isinstance(node, AllOf) and not node.all:
        return "everything"
    if isinstance(node, AnyOf) and not node.any:
        return "nothing"
    return _node(node, outermost=True)


def how(rule: Rule, silent: Collection[str]) -> list[str]:
    """What is to be known of a rule beside when and where, where it is not as usual; ``silent``: disabled contacts."""
    return list(_how(rule, silent))


def changes(steps: Iterable[AnyStep]) -> list[str]:
    """What each step does, and to which elements; never with which values."""
    told = []
    for step in steps:
        tags = getattr(step, "tag", None) or []
        named = [tags] if isinstance(tags, str) else list(tags)
        if len(named) > _MOST_VALUES:
            named = [*named[:_MOST_VALUES], f"{len(named) - _MOST_VALUES} others"]
        told.append(" ".join(part for part in (_STEPS[type(step)], ", ".join(named)) if part))
    return told


def _how(rule: Rule, silent: Collection[str]) -> Iterator[str]:
    yield from _as_whole(rule)
    if rule.priority != "normal":
        yield f"priority {rule.priority}"
    if rule.schedule:
        yield "only " + _listed(rule.schedule, "and")
    if rule.after_commitment:
        yield f"after {_listed(rule.after_commitment, 'and')} committed it"
    steps = [*(rule.transform or ()), *(step for target in rule.send for step in target.transform or ())]
    if steps:
        yield "changes what it sends: " + _listed(list(dict.fromkeys(step.do for step in steps)), "and")
    if rule.stop:
        yield "later rules are not asked"
    if rule.back:
        yield "also to whom it came from"
    if rule.contact:
        told = "is disabled, so it is not told of failures" if rule.contact in silent else "is told of failures"
        yield f"{rule.contact} {told}"


def _as_whole(rule: Rule) -> Iterator[str]:
    if rule.level != "instance":
        yield f"{rule.level} as a whole, after {rule.quiet} of quiet"
    if rule.complete and rule.complete.require:
        yield "earlier, when what it needs has come"
    if rule.complete and rule.complete.counts:
        yield "earlier, when as many have come as the source has"
    if rule.late:
        yield {"new": "late: what is new", "all": "late: all again", "never": "late: not sent"}[rule.late]
    if rule.late_within:
        yield f"late only within {rule.late_within}"


def _node(node: Node, *, outermost: bool) -> str:
    if isinstance(node, Condition):
        return condition(node)
    if isinstance(node, AllOf):
        text = " and ".join(_node(child, outermost=False) for child in node.all) or "everything"
        return text if outermost or len(node.all) < 2 else f"({text})"
    if isinstance(node, AnyOf):
        text = " or ".join(_node(child, outermost=False) for child in node.any) or "nothing"
        return text if outermost or len(node.any) < 2 else f"({text})"
    return f"not ({' or '.join(_node(child, outermost=False) for child in node.none) or 'nothing'})"


def _listed(parts: Sequence[str], word: str) -> str:
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} {word} {parts[-1]}"
