"""The tables of cases in docs/reliability.md: each number once, each test there, and the count at the end of a run."""

from pathlib import Path

from tests.faults.cases import Case, Shown, read
from tests.faults.summary import Found, lines
from tests.unit.test_readme_of_tests import names_in

PASSED = {"passed", "call"}
CASES = [
    Case("B1-1", (Shown("faults/test_a.py", "test_x", "B1-1"),), ""),
    Case("B1-10", (Shown("faults/test_a.py", "test_x", "B1-10"), Shown("unit/test_b.py", "test_y")), ""),
    Case("B4-52", (), "not here: no such broker"),
]


def test_each_case_has_one_row_and_tests_that_exist_or_a_reason() -> None:
    cases = read()
    numbers = [case.number for case in cases]
    assert len(numbers) == len(set(numbers)) > 60
    missing = [
        f"{case.number}: {shown.file}::{shown.name}"
        for case in cases
        for shown in case.shown
        if shown.name not in names_in(shown.file)
    ]
    assert missing == []
    assert [case.number for case in cases if not case.shown and not case.reason.startswith("not here: ")] == []


def test_a_row_is_read_whole(tmp_path: Path) -> None:
    document = tmp_path / "reliability.md"
    document.write_text(
        "| case | injected | expected | shown by |\n|---|---|---|---|\n"
        "| N1 | a | b | `faults/test_a.py::test_x[N1]`, `unit/test_b.py::test_y` |\n\n| run | command |\n| N2 | c |\n"
    )
    assert read(document) == [
        Case(
            "N1",
            (Shown("faults/test_a.py", "test_x", "N1"), Shown("unit/test_b.py", "test_y")),
            "`faults/test_a.py::test_x[N1]`, `unit/test_b.py::test_y`",
        )
    ]


def test_a_case_is_shown_when_all_its_tests_ran_and_none_failed() -> None:
    ran = {
        "tests/faults/test_a.py::test_x[1-B1-1]": Found(PASSED),
        "tests/faults/test_a.py::test_x[2-B1-1]": Found({"passed", "failed"}),
        "tests/faults/test_a.py::test_x[1-B1-10]": Found(PASSED),
    }
    told = [{"seed": seed, "attempted": 1000, "acknowledged": 999, "lost": 0, "doubled": 0} for seed in (1, 2)]
    assert list(lines(CASES, ran, told)) == [
        "cases: 0 of 3 shown; seeds: 1, 2",
        "  B1-1: failed",
        "  B4-52: not here: no such broker",
        "instances: attempted 2,000, acknowledged 1,998, lost 0, unexplained duplicates 0",
    ]
    ran["tests/unit/test_b.py::test_y"] = Found(PASSED)
    assert next(iter(lines(CASES, ran, told))) == "cases: 1 of 3 shown; seeds: 1, 2"
    ran["tests/unit/test_b.py::test_y"] = Found({"passed", "skipped"}, "no root")
    assert "  B1-10: skipped: no root" in list(lines(CASES, ran, told))
