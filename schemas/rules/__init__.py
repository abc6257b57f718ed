"""Routing rules as a document: what a rule file holds, independent of what its tags and stations mean."""

from schemas.rules.document import (
    AllOf,
    AnyOf,
    Completion,
    Condition,
    Node,
    NoneOf,
    Operator,
    Rule,
    RuleDocument,
    Target,
    late_seconds,
    seconds,
)
from schemas.rules.stored import from_stored, to_stored
from schemas.rules.text import RuleTextError, dump, load

__all__ = [
    "AllOf",
    "AnyOf",
    "Completion",
    "Condition",
    "Node",
    "NoneOf",
    "Operator",
    "Rule",
    "RuleDocument",
    "RuleTextError",
    "Target",
    "dump",
    "from_stored",
    "late_seconds",
    "load",
    "seconds",
    "to_stored",
]
