"""Every requirement has a test, or a reason that may be had for it."""

import ast
from collections import defaultdict
from pathlib import Path

import pytest

from tests.conformance.requirements import NEVER_HERE, NOT_APPLICABLE, SHORT, reason
from tests.conformance.table import outcomes, result

HERE = Path(__file__).parent


def bound() -> dict[str, list[str]]:
    """By requirement, the files that mark tests with it; read from the source, whatever part of it is run."""
    found = defaultdict(list)
    for path in sorted(HERE.glob("test_*.py")):
        if path == Path(__file__):
            continue  # its own tests of the table are no proof
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "requirement":
                for argument in node.args:
                    assert isinstance(argument, ast.Constant), f"{path.name}:{node.lineno}: name it plainly"
                    found[str(argument.value)].append(path.name)
    return found


def test_the_list_is_r1_to_r157() -> None:
    assert list(SHORT) == [f"R{number}" for number in range(1, 158)]


def test_tests_name_requirements_that_exist() -> None:
    assert sorted(bound().keys() - SHORT.keys()) == []


@pytest.mark.parametrize("requirement", SHORT)
def test_there_is_a_test_or_a_reason(requirement: str) -> None:
    tests, why = bound().get(requirement, []), reason(requirement)
    assert tests or why, f"{requirement} ({SHORT[requirement]}) has neither a test nor a reason"
    assert not (tests and why), f"{requirement} has tests in {tests} and yet the reason {why!r}"


def test_reasons_stand_only_where_they_may() -> None:
    assert set(NOT_APPLICABLE) <= NEVER_HERE


def _report(nodeid: str, when: str, outcome: str, *names: str) -> pytest.TestReport:
    properties = [("requirement", name) for name in names]
    return pytest.TestReport(
        nodeid, (nodeid, 1, nodeid), {}, outcome, None, when, user_properties=properties  # type: ignore[arg-type]
    )  # fmt: skip


def test_a_failure_anywhere_in_a_test_is_its_requirements() -> None:
    found = outcomes(
        [
            _report("a", "call", "passed", "R1", "R2"),
            _report("a", "teardown", "failed", "R1", "R2"),
            _report("b", "setup", "passed", "R2"),
            _report("b", "call", "passed", "R2"),
        ]
    )
    assert found["R1"] == ["failed"]
    assert result("R1", found["R1"]) == "FAILED: 1 of 1 tests"
    assert result("R2", found["R2"]) == "FAILED: 1 of 2 tests"
    assert result("R3", []) == "not run"
    assert result("R4", []).startswith("not applicable: ")
