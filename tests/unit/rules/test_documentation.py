"""docs/rules.md is true: its examples are accepted, every operator and fact is told, its faults are real."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest

from schemas.rules import Operator, load
from schemas.rules.steps import STEPS, Option
from services.dicom.rules import Committing, Defaults, RuleFaults, compile_rules, parse, sends, subject_of_header
from services.dicom.rules.names import FACTS

TEXT = (Path(__file__).parents[3] / "docs" / "rules.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)

TAUGHT = re.findall(r"\*\*\d+\. (.*?)\*\*.*?```yaml\n(.*?)```\n\n```instances\n(.*?)```", TEXT, re.DOTALL)
STATIONS = ["XELERIS2", "ARCHIVE", "WS1"]
ARCHIVE = Committing(servers={"ARCHIVE"}, asked={"ARCHIVE": "ARCHIVE"})


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_are_accepted(example: str) -> None:
    assert compile_rules(parse(example, STATIONS, ARCHIVE))


@pytest.mark.parametrize(("rules", "instances"), [each[1:] for each in TAUGHT], ids=[each[0] for each in TAUGHT])
def test_what_an_example_teaches_is_what_it_does(rules: str, instances: str) -> None:
    compiled = compile_rules(parse(rules, STATIONS, ARCHIVE))
    for line in instances.splitlines():
        header, _, goes_to = line.rpartition(" -> ")
        subject = subject_of_header(load(header), Defaults("GATEWAY", datetime(2026, 1, 31, tzinfo=UTC)))
        sent = [title for _, title in sends(compiled.evaluate(subject), subject.calling_aet)]
        assert (", ".join(sent) or "nowhere") == goes_to, line


def test_ten_examples_teach() -> None:
    assert len(TAUGHT) == 10


def test_the_header_of_a_test_case_is_one() -> None:
    (header,) = re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)
    subject = subject_of_header(load(header), Defaults("GATEWAY", datetime(2026, 1, 31, tzinfo=UTC)))
    assert (subject.facts["values"]["00081030"], subject.calling_aet) == (["Chest"], "CT1")


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 3


@pytest.mark.parametrize("word", [*get_args(Operator), *FACTS])
def test_every_operator_and_fact_is_told(word: str) -> None:
    assert re.search(rf"^\|.*`{word}`", TEXT, re.MULTILINE)


@pytest.mark.parametrize("word", [*STEPS, *get_args(Option)])
def test_every_step_and_option_is_told_and_shown(word: str) -> None:
    assert f"`{word}`" in TEXT
    assert word not in STEPS or any(f"do: {word}" in example for example in EXAMPLES)


def test_the_defaults_of_the_first_example_are_the_real_ones() -> None:
    rule = parse(EXAMPLES[0]).rules[0]
    least = parse("version: 1\nrules: [{name: r, when: {all: []}, send: [{to: A}]}]").rules[0]
    assert least.level == "instance"
    for field in ("enabled", "quiet", "priority", "stop"):
        assert getattr(rule, field) == getattr(least, field)


def test_the_faults_shown_are_the_real_ones() -> None:
    text = """
version: 1
rules:
  - name: nm-to-workstation
    when:
      all:
        - {tag: Modalty, op: equals, value: NM}
        - {tag: StudyDate, op: equals, value: 2026-13-01}
    send: [{to: XELERIS3}, {to: ARCHIVE, commit: true}]
"""
    with pytest.raises(RuleFaults) as caught:
        parse(text, ["XELERIS2", "ARCHIVE"], Committing())
    (shown,) = re.findall(r"```text\n(.*?)```", TEXT, re.DOTALL)
    assert sorted(str(caught.value).splitlines()) == sorted(shown.splitlines())
