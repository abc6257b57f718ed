"""What is worth knowing of a rule file that has no faults: rules that cannot match or are never reached, and the like.

Pure. That a rule never matches, or is never reached, is said only where it is proved for every instance.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

from schemas.rules import AllOf, Condition, Node, Rule, RuleDocument
from schemas.schedule import all_open_at
from services.dicom.rules.compile import described
from services.dicom.rules.conditions import build, named
from services.dicom.rules.proof import Formula, Group, Proof, formula
from services.dicom.rules.subject import Subject, View

STEPS: Final = 300_000
"""Of each of the two proofs; takes about a second."""


@dataclass(frozen=True)
class Finding:
    """``kind``: never, conflict, unknown-caller, shadowed, twice, never-complete, never-open, uncommitted, unmatched or
    unfinished; ``rules`` by name."""

    kind: str
    rules: tuple[str, ...]
    text: str

    def __str__(self) -> str:
        return f"{', '.join(self.rules)}: {self.text}" if self.rules else self.text

    def document(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


@dataclass(frozen=True)
class _Enabled:
    rule: Rule
    when: Formula


def find(
    document: RuleDocument, callers: Collection[str], schedules: Mapping[str, Sequence[str]], at: datetime
) -> list[Finding]:
    """All findings. ``callers``: the titles that may send to the gateway. ``schedules``: the windows of stations that
    are not always sent to; whether they are ever open with those of a rule is looked for from ``at``, the present."""
    always, standard = Proof(STEPS), Proof(STEPS, standard=True)
    rules = [_Enabled(rule, formula(rule.when)) for rule in document.rules if rule.enabled]
    found: list[Finding] = []
    alive: list[_Enabled] = []
    stopping: list[_Enabled] = []
    for each in rules:
        finding = _dead(each, always, standard) or _shadowed(each, stopping, always)
        if finding is None:
            finding = _unknown_caller(each.rule, callers)
            alive.append(each)
            stopping += [each] if each.rule.stop else []
        found += [finding] if finding else []
    found += _twice(alive, standard)
    for each in alive:
        found += _never_complete(each, always)
        found += _never_open(each.rule, schedules, at)
    if always.exhausted or standard.exhausted:
        found.append(Finding("unfinished", (), "there are too many rules and conditions to compare them all"))
    return found


def _dead(each: _Enabled, always: Proof, standard: Proof) -> Finding | None:
    name = (each.rule.name,)
    if reason := always.why_impossible(each.when):
        return Finding("never", name, f"it can never match: {reason}")
    if reason := standard.why_impossible(each.when):
        return Finding("conflict", name, f"it matches no instance that keeps to the standard: {reason}")
    return None


def _shadowed(each: _Enabled, stopping: Sequence[_Enabled], proof: Proof) -> Finding | None:
    for earlier in stopping:
        if proof.implies(each.when, earlier.when):
            text = f"it is never reached: {earlier.rule.name} matches whatever it would, comes before it and says stop"
            return Finding("shadowed", (each.rule.name, earlier.rule.name), text)
    return None


def _unknown_caller(rule: Rule, callers: Collection[str]) -> Finding | None:
    """A condition on the calling AE title that fits nobody who may call."""
    asked = [condition for condition in _needed(rule.when) if condition.fact == "calling_aet"]
    if not asked:
        return None
    tests = [build(named(condition), condition) for condition in asked]
    if any(all(test(view) for test in tests) for view in map(_calling, callers)):
        return None
    told = " and ".join(map(described, asked))
    return Finding("unknown-caller", (rule.name,), f"no station that may send has a title that fits {told}")


def _needed(node: Node) -> Iterator[Condition]:
    """Conditions that have to be true for the node to be."""
    if isinstance(node, Condition):
        yield node
    elif isinstance(node, AllOf):
        for part in node.all:
            yield from _needed(part)


def _calling(title: str) -> View:
    return View(Subject({}, title, "", "", "", "", datetime.fromtimestamp(0, UTC)))


def _never_complete(each: _Enabled, proof: Proof) -> Iterator[Finding]:
    """What a rule requires of a series or study that no instance which it matches can have."""
    required = (each.rule.complete and each.rule.complete.require) or []
    for node in required:
        if reason := proof.why_impossible(Group("all", (each.when, formula(node)))):
            text = f"what it requires is never there, so that it waits for the quiet time: {reason}"
            yield Finding("never-complete", (each.rule.name,), text)


def _never_open(rule: Rule, schedules: Mapping[str, Sequence[str]], at: datetime) -> Iterator[Finding]:
    """Stations whose schedule is never open when that of a rule is."""
    for target in rule.send if rule.schedule else ():
        windows = schedules.get(target.to)
        if windows and all_open_at([rule.schedule or [], windows], at) is None:
            why = "its schedule and that of the station are never open at once"
            yield Finding("never-open", (rule.name,), f"nothing it sends to {target.to} ever goes: {why}")


def _twice(rules: Sequence[_Enabled], proof: Proof) -> Iterator[Finding]:
    """By destination, the rules of which another one may send it the same instance."""
    senders: dict[str, list[_Enabled]] = {}
    for each in rules:
        for target in each.rule.send:
            senders.setdefault(target.to, []).append(each)
    for title, several in senders.items():
        named = _overlapping(several, proof)
        if named:
            text = f"more than one of them may send an instance to {title}: it is delivered once, as the first says"
            yield Finding("twice", named, text)


def _overlapping(several: Sequence[_Enabled], proof: Proof) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for place, later in enumerate(several):
        for earlier in several[:place]:
            if not earlier.rule.stop and not proof.exhausted and not proof.excludes(earlier.when, later.when):
                names |= dict.fromkeys((earlier.rule.name, later.rule.name))
                break
    return tuple(names)
