"""What the chart says in resources of others' operators is what they take."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.deploy.charts import VALUES, rendered

CUSTOM = {path.stem: path for path in sorted((Path(__file__).parent / "custom_resources").glob("*.json"))}


def different(*, custom: bool) -> list[dict[str, Any]]:
    """Every object of the matrix once."""
    found = {json.dumps(each, sort_keys=True): each for values in VALUES for each in rendered(values)}
    return [each for each in found.values() if (each["kind"] in CUSTOM) is custom]


def faults(resource: dict[str, Any]) -> list[str]:
    """What the resource's operator would not take."""
    schema = json.loads(CUSTOM[resource["kind"]].read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return [fault.message for fault in Draft202012Validator(schema).iter_errors(resource)]


def test_operators_know_every_field() -> None:
    """Of each kind there is one in the matrix."""
    found = different(custom=True)
    assert {each["kind"] for each in found} == CUSTOM.keys()
    for each in found:
        assert faults(each) == [], each["kind"]


@pytest.mark.parametrize("kind", CUSTOM)
def test_a_field_that_does_not_exist_is_seen(kind: str) -> None:
    one = next(each for each in different(custom=True) if each["kind"] == kind)
    (fault,) = faults(one | {"spec": one["spec"] | {"replicaCounts": 1}})
    assert "replicaCounts" in fault


@pytest.mark.parametrize("kind", CUSTOM)
def test_each_schema_names_where_it_is_from(kind: str) -> None:
    told = json.loads(CUSTOM[kind].read_text(encoding="utf-8"))["$comment"]
    assert re.search(r"[\w-]+/[\w-]+.*, [\w/.-]+_\w+\.yaml at [0-9a-f]{40}; (Apache-2\.0|MPL-2\.0)", told)
