"""The rule language on DICOM: checking rule files, compiling, evaluating and explaining. Pure: no I/O, no clock."""

from schemas.rules import RuleDocument, dump
from services.dicom.rules.check import RuleFault, RuleFaults, check, parse, read
from services.dicom.rules.committing import Committing
from services.dicom.rules.compile import CompiledRules, Match, compile_rules, sends
from services.dicom.rules.explain import NodeExplanation, RuleExplanation
from services.dicom.rules.subject import Subject

__all__ = [
    "Committing",
    "CompiledRules",
    "Match",
    "NodeExplanation",
    "RuleDocument",
    "RuleExplanation",
    "RuleFault",
    "RuleFaults",
    "Subject",
    "check",
    "compile_rules",
    "dump",
    "parse",
    "read",
    "sends",
]
