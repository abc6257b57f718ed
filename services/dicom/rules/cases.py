"""Test cases of rules: an instance as facts, and the destinations that rules have to name for it. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from schemas.rules import RuleDocument
from services.dicom.rules.by_class import PET_RAW_RULE, ByClass
from services.dicom.rules.compile import CompiledRules, compile_rules, sends
from services.dicom.rules.explain import NodeExplanation, RuleExplanation
from services.dicom.rules.subject import Subject


@dataclass(frozen=True)
class Case:
    """``expected`` are the titles that ``subject`` has to go to, no more and no fewer: those that the rules name, but
    not where it came from (``Match.withheld``), and what its SOP class makes of that."""

    name: str
    subject: Subject
    expected: frozenset[str]


@dataclass(frozen=True)
class CaseOutcome:
    """How a case went. ``why`` says for each destination that is wrong which rules decided; no value of the header."""

    case: str
    expected: tuple[str, ...]
    got: tuple[str, ...]
    why: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether the rules did what is expected."""
        return self.expected == self.got

    def __str__(self) -> str:
        told = f"test {self.case}: expected {_listed(self.expected)}, got {_listed(self.got)}"
        return "; ".join((told, *self.why))

    def document(self) -> dict[str, Any]:
        """As plain data."""
        return {"passed": self.passed, **asdict(self)}


def run_cases(
    document: RuleDocument,
    cases: Iterable[Case],
    by_class: ByClass = ByClass(),  # noqa: B008 - immutable
) -> list[CaseOutcome]:
    """Evaluate a document on each case."""
    compiled = compile_rules(document)
    return [_run(document, compiled, case, by_class) for case in cases]


def _run(document: RuleDocument, compiled: CompiledRules, case: Case, by_class: ByClass) -> CaseOutcome:
    sop_class = case.subject.sop_class
    refusal, besides = by_class.refusal(sop_class), by_class.matches(sop_class)
    matches = [] if refusal else [*compiled.evaluate(case.subject), *besides]
    got = frozenset(title for _, title in sends(matches, case.subject.calling_aet))
    why: list[str] = []
    if got != case.expected and refusal:
        why = [refusal]
    elif got != case.expected:
        senders = {rule.name: frozenset(target.to for target in rule.send) for rule in document.rules}
        told = compiled.explain(case.subject)
        why = [_sent(title, senders, told) for title in sorted(got - case.expected)]
        kept = {title for match in matches for title in match.withheld(case.subject.calling_aet)}
        why += [_not_sent(title, senders, told, kept) for title in sorted(case.expected - got)]
        why += [f"{key} is not among the stored facts" for key in sorted(compiled.needs_object(case.subject))]
    return CaseOutcome(case.name, tuple(sorted(case.expected)), tuple(sorted(got)), tuple(why))


def _sent(title: str, senders: Mapping[str, frozenset[str]], told: Iterable[RuleExplanation]) -> str:
    """Which rules sent it; what none did goes there for its class."""
    rules = [each.rule for each in told if each.matched and title in senders[each.rule]]
    return f"{title} by {_rules(rules or [PET_RAW_RULE])}"


def _not_sent(
    title: str, senders: Mapping[str, frozenset[str]], told: Iterable[RuleExplanation], kept: Collection[str]
) -> str:
    if title in kept:
        return f"not {title}: it came from there, and no rule that sends it says back: true"
    reasons = [f"rule {each.rule} ({_why_not(each)})" for each in told if title in senders[each.rule]]
    return f"not {title}: {', '.join(reasons)}" if reasons else f"not {title}: no rule sends there"


def _why_not(told: RuleExplanation) -> str:
    return told.reason or f"false: {', '.join(_false(told.when))}"


def _false(node: NodeExplanation) -> Iterator[str]:
    """The conditions that made a node false."""
    if node.described == "none":
        yield f"none of [{', '.join(child.described for child in node.children if child.outcome)}]"
    elif node.described == "any" and not node.children:
        yield "an empty any"
    elif node.described in ("all", "any"):
        for child in node.children:
            if not child.outcome:
                yield from _false(child)
    else:
        yield node.described


def _rules(names: list[str]) -> str:
    return f"rule {names[0]}" if len(names) == 1 else f"rules {', '.join(names)}"


def _listed(titles: tuple[str, ...]) -> str:
    return ", ".join(titles) or "no destination"


def subject_to_stored(subject: Subject) -> dict[str, Any]:
    """A subject as plain data to store."""
    return {
        "facts": subject.facts,
        "calling_aet": subject.calling_aet,
        "called_aet": subject.called_aet,
        "peer_address": subject.peer_address,
        "transfer_syntax": subject.transfer_syntax,
        "sop_class": subject.sop_class,
        "received_at": subject.received_at.isoformat(),
    }


def subject_from_stored(stored: Mapping[str, Any]) -> Subject:
    """The subject that was stored."""
    return Subject(**{**stored, "received_at": datetime.fromisoformat(stored["received_at"])})
