"""What the chart says in resources of others' operators is what they take."""

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from tests.deploy.charts import VALUES, rendered

CUSTOM = {path.stem: path for path in sorted((Path(__file__).parent / "custom_resources").glob("*.json"))}


def different(*, custom: bool) -> list[dict[str, Any]]:
    """Every object of the matrix once."""
    found = {json.dumps(each, sort_keys=True): each for values in VALUES for each in rendered(values)}
    return [each for each in found.values() if (each["kind"] in CUSTOM) is custom]


def test_operators_know_every_field() -> None:
    """Of each kind there is one in the matrix."""
    found = different(custom=True)
    assert {each["kind"] for each in found} == CUSTOM.keys()
    for each in found:
        schema = json.loads(CUSTOM[each["kind"]].read_text(encoding="utf-8"))
        Draft202012Validator.check_schema(schema)
        faults = [fault.message for fault in Draft202012Validator(schema).iter_errors(each)]
        assert faults == [], each["kind"]
