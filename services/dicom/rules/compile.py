"""Rule documents compiled once to functions, evaluated in file order."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Final

from schemas.rules import AllOf, AnyOf, Condition, Node, Rule, RuleDocument, seconds
from schemas.rules.steps import AnyStep
from services.dicom.rules.conditions import ImpossibleCondition, Test, build, named
from services.dicom.rules.explain import CompiledNode, RuleExplanation, explain_node
from services.dicom.rules.names import Name, UnknownName
from services.dicom.rules.subject import Subject, View
from services.runtime.errors import UsageError

FACT_DEPTH: Final = 2
"""Levels of sequences that header facts hold; what a rule names below is read from the object."""


@dataclass(frozen=True)
class Match:
    """A rule that matched: what to send where. ``quiet_seconds``, ``late`` (new, all, never) and ``late_within`` count
    for the levels series and study.

    ``commit`` says by destination whether commitment is required there or unwanted, where the rule says it;
    ``after_commitment`` are the stations that must have committed the instance before it goes. ``back``: it goes also
    to the station it came from. ``transform`` says by destination what is changed of what is sent there, the rule's
    steps before the target's. ``required`` are digests of the nodes that instances of a series or study have to meet
    before it is complete, ``meets`` those of them that this one meets; ``counts``: its source says how many there are.
    ``schedule`` are the windows in which it goes; empty: always.
    """

    rule: str
    level: str
    quiet_seconds: int
    destinations: tuple[str, ...]
    priority: str
    commit: Mapping[str, bool] = field(default_factory=dict)
    after_commitment: tuple[str, ...] = ()
    back: bool = False
    transform: Mapping[str, tuple[AnyStep, ...]] = field(default_factory=dict)
    late: str = "new"
    late_within: str | None = None
    required: frozenset[str] = frozenset()
    meets: frozenset[str] = frozenset()
    counts: bool = False
    schedule: tuple[str, ...] = ()

    def withheld(self, source: str) -> tuple[str, ...]:
        """Destinations it does not send to because the instance came from there: the loop guard (P5)."""
        return () if self.back else tuple(title for title in self.destinations if title == source)


def sends(matches: Iterable[Match], source: str) -> Iterator[tuple[Match, str]]:
    """(rule, destination) of each delivery that the rules make of what ``source`` sent: where several name a station,
    the first one sends, and none to where it came from (``Match.withheld``)."""
    taken: set[str] = set()
    for match in matches:
        withheld = match.withheld(source)
        for destination in match.destinations:
            if destination not in taken and destination not in withheld:
                taken.add(destination)
                yield match, destination


@dataclass(frozen=True)
class _CompiledRule:
    match: Match
    enabled: bool
    stop: bool
    node: CompiledNode
    required: Mapping[str, CompiledNode]


class CompiledRules:
    """All rules of a document, ready to be evaluated; immutable, safe to share between threads."""

    def __init__(self, rules: tuple[_CompiledRule, ...]) -> None:
        self._rules = rules
        self._active = tuple((rule.node.test, rule.match, rule.stop, rule.required) for rule in rules if rule.enabled)
        self._conditions = tuple(found for rule in rules if rule.enabled for found in rule.node.conditions())
        self._names = frozenset(name for name, _ in self._conditions)
        self._required_names = frozenset(_names_of_required(rules))

    @property
    def looks_at(self) -> frozenset[str]:
        """Keys of everything that decides: facts of the association with ``@``, the rest keys of header facts."""
        return frozenset(key for name in self._names for key in (name.key, _enclosing(name)) if key)

    @property
    def destinations(self) -> frozenset[str]:
        """Titles that enabled rules name."""
        return frozenset(title for _, match, *_ in self._active for title in match.destinations)

    def conditions_on(self, key: str) -> list[Test]:
        """The test of every condition of the enabled rules that looks at that key."""
        return [test for name, test in self._conditions if name.key == key]

    def evaluate(self, subject: Subject) -> list[Match]:
        """The rules that match, in file order, up to and including the first one that says stop."""
        view = View(subject)
        matches = []
        for test, match, stop, required in self._active:
            if test(view):
                matches.append(_meeting(match, required, view) if required else match)
                if stop:
                    break
        return matches

    def needs_object(self, subject: Subject, *, completing: bool = False) -> frozenset[str]:
        """Keys that rules name and that the facts cannot answer: read them from the object, then evaluate.
        ``completing``: also those that say only whether a series or study is complete.

        See ``services.dicom.facts.read_elements`` and ``Subject.with_elements``.
        """
        names = self._names | self._required_names if completing else self._names
        return frozenset(name.key for name in names if _beyond_facts(name, subject)) - subject.completed

    def undecided(self, subject: Subject) -> frozenset[str]:
        """What ``needs_object`` says, if the outcome of a rule hinges on it; nothing where the facts decide all."""
        unread = self.needs_object(subject)
        view = View(subject)
        for rule in self._rules if unread else ():
            outcome = rule.node.known(view, unread) if rule.enabled else False
            if outcome is None:
                return unread
            if outcome and rule.stop:
                break
        return frozenset()

    def explain(self, subject: Subject) -> list[RuleExplanation]:
        """For every rule whether it matched, and why or why not. The text holds values of the data set."""
        view, stopped = View(subject), ""
        explanations = []
        for rule in self._rules:
            explanation = explain_node(rule.node, view)
            reason = "disabled" if not rule.enabled else f"not evaluated: {stopped} says stop" if stopped else ""
            matched = explanation.outcome and not reason
            required = tuple(explain_node(node, view) for node in rule.required.values())
            explanations.append(RuleExplanation(rule.match.rule, matched, reason, explanation, required))
            if matched and rule.stop:
                stopped = rule.match.rule
        return explanations


def compile_rules(document: RuleDocument) -> CompiledRules:
    """Compile a document.

    Raises:
        UsageError: a condition that checking would have refused.
    """
    tests = _Tests()
    return CompiledRules(tuple(_compiled(rule, tests) for rule in document.rules))


class _Tests:
    """The tests of a document: conditions that several rules share are one test, answered once for each subject."""

    def __init__(self) -> None:
        self._tests: dict[str, Test] = {}

    def of(self, name: Name, condition: Condition) -> Test:
        key = condition.model_dump_json()
        if key not in self._tests:
            self._tests[key] = _remembered(build(name, condition))
        return self._tests[key]


def _remembered(test: Test) -> Test:
    def remembering(view: View) -> bool:
        verdict = view.verdicts.get(test)
        if verdict is None:
            verdict = view.verdicts[test] = test(view)
        return verdict

    return remembering


def _compiled(rule: Rule, tests: _Tests) -> _CompiledRule:
    required = {_digest(node): node for node in (rule.complete and rule.complete.require) or []}
    match = Match(
        rule.name,
        rule.level,
        seconds(rule.quiet),
        tuple(target.to for target in rule.send),
        rule.priority,
        {target.to: target.commit for target in rule.send if target.commit is not None},
        tuple(rule.after_commitment or ()),
        bool(rule.back),
        {target.to: steps for target in rule.send if (steps := (*(rule.transform or ()), *(target.transform or ())))},
        rule.late or "new",
        rule.late_within,
        frozenset(required),
        counts=bool(rule.complete and rule.complete.counts),
        schedule=tuple(rule.schedule or ()),
    )
    try:
        nodes = {digest: _node(node, tests) for digest, node in required.items()}
        return _CompiledRule(match, rule.enabled, rule.stop, _node(rule.when, tests), nodes)
    except (UnknownName, ImpossibleCondition) as fault:
        raise UsageError(f"rule {rule.name} cannot be compiled: {fault}") from fault


def _names_of_required(rules: Iterable[_CompiledRule]) -> Iterator[Name]:
    for rule in rules:
        for node in rule.required.values() if rule.enabled else ():
            yield from (name for name, _ in node.conditions())


def _digest(node: Node) -> str:
    """The same for the same node of another rule set."""
    return sha256(node.model_dump_json(exclude_none=True).encode()).hexdigest()[:32]


def _meeting(match: Match, required: Mapping[str, CompiledNode], view: View) -> Match:
    return replace(match, meets=frozenset(digest for digest, node in required.items() if node.test(view)))


def _node(node: Node, tests: _Tests) -> CompiledNode:
    if isinstance(node, Condition):
        name = named(node)
        return CompiledNode(described(node), tests.of(name, node), (), name)
    if isinstance(node, AllOf):
        children = tuple(_node(child, tests) for child in node.all)
        return CompiledNode("all", _all(tuple(child.test for child in children)), children)
    if isinstance(node, AnyOf):
        children = tuple(_node(child, tests) for child in node.any)
        return CompiledNode("any", _any(tuple(child.test for child in children)), children)
    children = tuple(_node(child, tests) for child in node.none)
    return CompiledNode("none", _negated(_any(tuple(child.test for child in children))), children)


def _all(tests: tuple[Test, ...]) -> Test:
    def test(view: View) -> bool:
        for part in tests:  # noqa: SIM110 - a plain loop takes half the time of all() over a generator
            if not part(view):
                return False
        return True

    return test


def _any(tests: tuple[Test, ...]) -> Test:
    def test(view: View) -> bool:
        for part in tests:  # noqa: SIM110 - a plain loop takes half the time of any() over a generator
            if part(view):
                return True
        return False

    return test


def _negated(test: Test) -> Callable[[View], bool]:
    return lambda view: not test(view)


def described(condition: Condition) -> str:
    """A condition as people read it."""
    subject = condition.tag if condition.fact is None else condition.fact
    value = condition.value
    operand = f"[{', '.join(str(part) for part in value)}]" if isinstance(value, list) else value
    return f"{subject} {condition.op}" + ("" if operand is None else f" {operand}")


def _beyond_facts(name: Name, subject: Subject) -> bool:
    enclosing = _enclosing(name)
    if not enclosing:
        return subject.cut(name.key)
    return subject.cut(enclosing) or bool(subject.facts.get("values", {}).get(enclosing))


def _enclosing(name: Name) -> str:
    """The innermost sequence that facts hold of a path that goes below them; "" if they hold the element itself."""
    steps = name.key.split("/")
    return "" if len(steps) <= FACT_DEPTH + 1 else "/".join(steps[: FACT_DEPTH + 1])
