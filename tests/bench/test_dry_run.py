"""Dry-run of 40 rules on stored facts over 1,000,000 instances in 2,000 series."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from private_servers.postgresql import PrivatePostgresql

from services.dicom.rules import dump, read
from tests.bench.conftest import Measured
from tests.bench.figures import Figure
from tests.bench.history import filled
from tests.recorded import add_rule_set, add_station

SERIES, INSTANCES = 2000, 500
DESTINATIONS = ("ARCHIVE1", "ARCHIVE2", "XELERIS1", "XELERIS2")


def rules(changed: int) -> list[dict[str, Any]]:
    """Forty rules on nine elements and two facts, those that differ from instance to instance among them.

    The first ``changed`` of them send elsewhere than they do without it.
    """
    parts = ["HEART", "BONE", "THYROID", "LUNG", "BRAIN"]
    made = []
    for number in range(40):
        part, modality = parts[number % 5], ("CT", "MR", "NM")[number % 3]
        kinds: list[list[dict[str, Any]]] = [
            [{"tag": "StudyDescription", "op": "contains", "value": part.lower()}],
            [
                {"tag": "StudyDescription", "op": "regex", "value": f"^{part}.*N$"},
                {"tag": "Rows", "op": "ge", "value": 64},
            ],
            [{"tag": "InstanceNumber", "op": "between", "value": [number, number + 100]}],
            [
                {"tag": "SliceLocation", "op": "gt", "value": number * 20},
                {"tag": "ImageType", "op": "equals", "value": "AXIAL"},
            ],
            [{"tag": "PatientID", "op": "in", "value": [f"PAT{number}", f"PAT{number + 100}"]}],
            [{"tag": "AccessionNumber", "op": "wildcard", "value": f"ACC*{number % 10}"}],
            [{"fact": "peer_address", "op": "in", "value": [f"10.1.{number % 4}.0/24"]}],
            [{"tag": "RadiopharmaceuticalInformationSequence/Radiopharmaceutical", "op": "exists"}],
        ]
        to = DESTINATIONS[(number + (1 if number < changed else 0)) % 4]
        when = {"all": [{"tag": "Modality", "op": "equals", "value": modality}, *kinds[number % 8]]}
        made.append({"name": f"rule-{number}", "when": when, "send": [{"to": to}]})
    return made


@pytest.fixture
def history(tmp_path: Path) -> Iterator[PrivatePostgresql]:
    """A server with the history, the destinations and forty live rules."""
    server = filled(tmp_path / "postgresql", SERIES, INSTANCES)
    for title in DESTINATIONS:
        add_station(server.url, title, 104)
    add_rule_set(server.url, 1, rules(changed=0))
    yield server
    server.kill()


@pytest.mark.bench("dry-run")
@pytest.mark.timeout(3600)
def test_dry_run_of_a_million_instances(history: PrivatePostgresql, tmp_path: Path, measured: Measured) -> None:
    (tmp_path / "gateway.json").write_text(json.dumps({"database_url": history.url}))
    draft = tmp_path / "draft.yaml"
    draft.write_text(dump(read({"version": 1, "rules": rules(changed=5)})), encoding="utf-8")
    command = [sys.executable, "-m", "services.cli", "rules", "dry-run", str(draft), "--since", "7d", "--json"]
    began = time.monotonic()
    with (tmp_path / "out").open("wb") as out:
        process = subprocess.Popen(command, stdout=out, env=os.environ | {"GATEWAY_HOME": str(tmp_path)})
        _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    told = json.loads((tmp_path / "out").read_text())
    assert (told["instances"], told["studies"]) == (SERIES * INSTANCES, SERIES // 2)
    assert told["from_objects"]["read"] == told["deleted"] == 0
    in_sequence = next(row for row in told["rules"] if row["rule"] == "rule-7")
    assert in_sequence["instances"] == 0, "rule 7 is of MR, which has no radiopharmaceutical"
    assert sum(row["newly_sent"]["instances"] for row in told["rules"]) > 0
    measured(
        Figure("instances", told["instances"], ""),
        Figure("series", SERIES, ""),
        Figure("rules in draft and live set, each", 40, ""),
        Figure("whole command", seconds, "s", limit=60),
        Figure("evaluation", told["seconds"], "s"),
        Figure("instances a second", told["instances"] / told["seconds"], "1/s"),
        Figure("peak memory of the command", usage.ru_maxrss / 1024, "MiB", limit=500e6 / 2**20),
    )
