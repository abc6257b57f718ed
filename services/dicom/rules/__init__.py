"""The rule language on DICOM: checking rule files, compiling, evaluating and explaining. Pure: no I/O, no clock."""

from schemas.rules import RuleDocument, dump
from services.dicom.rules.by_class import PET_RAW_RULE, UNSENDABLE, ByClass
from services.dicom.rules.cases import Case, CaseOutcome, run_cases, subject_from_stored, subject_to_stored
from services.dicom.rules.check import RuleFault, RuleFaults, check, parse, read
from services.dicom.rules.committing import Committing
from services.dicom.rules.compile import CompiledRules, Match, compile_rules, sends
from services.dicom.rules.explain import NodeExplanation, RuleExplanation
from services.dicom.rules.findings import Finding, find
from services.dicom.rules.headers import Defaults, subject_of_header
from services.dicom.rules.subject import Subject

__all__ = [
    "PET_RAW_RULE",
    "UNSENDABLE",
    "ByClass",
    "Case",
    "CaseOutcome",
    "Committing",
    "CompiledRules",
    "Defaults",
    "Finding",
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
    "find",
    "parse",
    "read",
    "run_cases",
    "sends",
    "subject_from_stored",
    "subject_of_header",
    "subject_to_stored",
]
