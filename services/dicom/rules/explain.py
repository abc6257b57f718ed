"""Why a rule matched or did not, node by node."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final

from services.dicom.rules.conditions import Test
from services.dicom.rules.names import Name
from services.dicom.rules.subject import View

_SHOWN_VALUES: Final = 8


@dataclass(frozen=True)
class CompiledNode:
    """A node as a function, with what is needed to tell about it. ``name`` is None for all, any and none."""

    described: str
    test: Test
    children: tuple["CompiledNode", ...]
    name: Name | None = None

    def conditions(self) -> Iterator[tuple[Name, Test]]:
        """What each condition of this node looks at, with its test."""
        if self.name is not None:
            yield self.name, self.test
        for child in self.children:
            yield from child.conditions()

    def known(self, view: View, unread: Collection[str]) -> bool | None:
        """The outcome as far as it is certain without the elements of these keys; None: it hinges on them."""
        if self.name is not None:
            return None if self.name.key in unread else self.test(view)
        outcomes = [child.known(view, unread) for child in self.children]
        decisive = self.described != "all"  # one true child decides any and none, one false child all
        if decisive not in outcomes and None in outcomes:
            return None
        return (decisive in outcomes) is (self.described == "any")


@dataclass(frozen=True)
class NodeExplanation:
    """Outcome of a node. ``found`` says what the element held: values, missing, undecodable, not extracted."""

    described: str
    outcome: bool
    found: str
    children: tuple["NodeExplanation", ...]

    def document(self) -> dict[str, Any]:
        """As plain data."""
        children = [child.document() for child in self.children]
        plain: dict[str, Any] = {"node": self.described, "outcome": self.outcome}
        return plain | ({"found": self.found} if self.found else {}) | ({"nodes": children} if children else {})


@dataclass(frozen=True)
class RuleExplanation:
    """Whether a rule matched. ``reason`` is set when it was not evaluated at all: disabled, or stopped before.
    ``required``: each node that a series or study has to meet before it is complete."""

    rule: str
    matched: bool
    reason: str
    when: NodeExplanation
    required: tuple[NodeExplanation, ...] = ()

    @property
    def nodes(self) -> tuple[NodeExplanation, ...]:
        """All of them, ``when`` first."""
        return (self.when, *self.required)

    def document(self) -> dict[str, Any]:
        """As plain data."""
        plain = {"rule": self.rule, "matched": self.matched, "reason": self.reason, "when": self.when.document()}
        return plain | ({"required": [node.document() for node in self.required]} if self.required else {})


def explain_node(node: CompiledNode, view: View) -> NodeExplanation:
    """Evaluate a node and all below it."""
    children = tuple(explain_node(child, view) for child in node.children)
    found = _found(node.name, view) if node.name is not None else ""
    return NodeExplanation(node.described, node.test(view), found, children)


def _found(name: Name, view: View) -> str:
    if view.undecodable(name.key):
        return "undecodable"
    found = view.find(name.key)
    if found is None:
        return "missing"
    if not found.texts:
        return "present, not extracted"
    if not found.values:
        return "present, empty"
    more = "" if len(found.texts) <= _SHOWN_VALUES else f" and {len(found.texts) - _SHOWN_VALUES} more"
    return " | ".join(found.texts[:_SHOWN_VALUES]) + more
