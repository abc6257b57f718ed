"""The alerts: each fires when it should and not before, and has a section that says what to do."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.dashboards import PROMETHEUS, RULES
from tests.deploy.promtool import promtool
from tests.metrics_reference import REPOSITORY

CASES: dict[str, dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("alerts.yaml").read_text(encoding="utf-8"))
RUNBOOKS = REPOSITORY / "docs" / "operations.md"


def test_prometheus_reads_them() -> None:
    """As part of the configuration for a local gateway. Debian's knows no Kubernetes, so not of the other one."""
    promtool("check", "config", PROMETHEUS / "local.yml")


def test_each_fires_in_time_and_not_before(tmp_path: Path) -> None:
    """By Prometheus's own unit tests, texts included."""
    assert {rule(case) for case in CASES} == RULES.keys()
    promtool(
        "test", "rules", *(unit_tests(pace, tmp_path) for pace in {each.get("every", "1m") for each in CASES.values()})
    )


def unit_tests(pace: str, folder: Path) -> Path:
    """The cases of one pace in a file, beside one of their rules: others would be evaluated as often."""
    cases = {name: case for name, case in CASES.items() if case.get("every", "1m") == pace}
    rules, tests = folder / f"rules-{pace}.json", folder / f"tests-{pace}.json"
    judged = [RULES[name] for name in sorted({rule(case) for case in cases})]
    rules.write_text(json.dumps({"groups": [{"name": pace, "rules": judged}]}))
    document = {
        "rule_files": [str(rules)],
        "evaluation_interval": pace,
        "tests": [unit_test(rule(name), case) for name, case in cases.items()],
    }
    tests.write_text(json.dumps(document))
    return tests


def rule(case: str) -> str:
    """The alert that a case is about (pure)."""
    return case.partition("/")[0]


def unit_test(name: str, case: dict[str, Any]) -> dict[str, Any]:
    """As promtool wants it (pure)."""
    assert all(isinstance(values, str) for values in case["series"].values()), f"{name}: YAML reads 0x5 as a number"
    labels, known = case.get("labels", {}), RULES[name]
    told = {
        key: re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda found: labels[found[1]], text)
        for key, text in known["annotations"].items()
    }
    alert = {"exp_labels": labels | known["labels"], "exp_annotations": told}
    return {
        "interval": case.get("every", "1m"),
        "input_series": [{"series": series, "values": values} for series, values in case["series"].items()],
        "alert_rule_test": [
            {"alertname": name, "eval_time": case["quiet"], "exp_alerts": []},
            {"alertname": name, "eval_time": case["fires"], "exp_alerts": [alert]},
        ],
    }


def test_each_has_a_severity_and_a_section_that_says_what_to_do() -> None:
    """And no section tells of an alert that there is not."""
    text = RUNBOOKS.read_text(encoding="utf-8")
    sections = re.findall(r"^### (Gateway\w+)$\n\n\S", text, re.MULTILINE)
    assert sections == list(RULES)
    for name, each in RULES.items():
        assert each["labels"]["severity"] in {"critical", "warning"}
        assert each["annotations"]["summary"]
        assert each["annotations"]["runbook_url"] == f"docs/operations.md#{name.lower()}"


def test_links_within_the_sections_lead_somewhere() -> None:
    text = RUNBOOKS.read_text(encoding="utf-8")
    anchors = {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in re.findall(r"^#+ (.+)$", text, re.M)
    }
    named = re.findall(r"\]\(#([^)]+)\)", text)
    assert named
    assert set(named) <= anchors
