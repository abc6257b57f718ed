"""Bodies of requests with damaged bytes: the API answers each in words, and never with a fault of its own."""

import json
import random
import time

import pytest
from structlog.testing import capture_logs

from services.admin import requests
from tests.desk import Desk
from tests.factories import nm_static
from tests.faults.fuzz_targets import HEADERS, RULE_FILES, STRUCTURE, WORDS, part_10
from tests.faults.fuzzing import mutated

SECONDS, SECONDS_OF_ALL = 3.0, 60.0
"""For each seed."""
UID = "1.2.840.113619.2.1"
RULES = RULE_FILES[1].decode()
JSON = (
    ("POST", "/stations", {"title": "CT1", "host": "10.0.0.1", "port": 104, "description": "of radiology"}),
    ("POST", "/stations/import", [{"title": "MR1", "host": "mr1.example", "port": 11112}]),
    ("POST", "/rules/check", {"source": RULES, "days": 0}),
    ("PUT", "/rules/drafts/night", {"source": RULES, "comment": "agreed"}),
    ("PUT", "/rules/tests/nm", {"header": HEADERS[0].decode(), "expected": ["A"], "comment": ""}),
    ("POST", "/rules/tests/run", {"source": RULES}),
    ("POST", "/rules/explanations", {"uid": UID, "source": RULES, "limit": 10}),
    ("POST", "/jobs/act", {"action": "cancel", "state": "FAILED", "until": "2026-01-31T12:00:00Z", "dry_run": True}),
    ("POST", "/studies/send", {"uids": [UID], "to": "CT1"}),
    ("POST", "/erasures/preview", {"patient_id": "P-17", "issuer": None, "why": "asked for"}),
    ("POST", "/contacts", {"name": "night", "mails": ["it@example.org"]}),
    ("POST", "/keys", {"name": "ris", "role": "viewer", "days": 30}),
    ("POST", "/titles", {"title": "GATEWAY2"}),
)
FILES = (("POST", "/rules/try"), ("PUT", "/rules/tests/nm/file"))
TOKENS = (
    *WORDS, b'{"', b'":', b"[", b"{", b"null", b"1e999", b"-0", b'"\\u0000"', b'"\\ud800"', b"NaN", b"\xff", b"9" * 400,
)  # fmt: skip


@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore::UserWarning")  # of damaged values, on which a process goes on
async def test_the_api_answers_whatever_the_body(
    desk: Desk, seed: int, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "ANSWER_SECONDS", 0.01)
    program, chance = await desk.program(), random.Random(seed)
    texts = [json.dumps(body).encode() for _, _, body in JSON]
    file = part_10(nm_static(1, matrix=2))
    ends = time.monotonic() + (SECONDS_OF_ALL if request.config.getoption("--faults") == "all" else SECONDS)
    broken: dict[str, str] = {}
    while time.monotonic() < ends:
        if chance.random() < 0.85:
            number = chance.randrange(len(JSON))
            method, path, _ = JSON[number]
            body, kind = mutated(texts[number], chance, TOKENS, texts), "application/json"
        else:
            method, path = chance.choice(FILES)
            body, kind = mutated(file, chance, STRUCTURE, [file]), "application/dicom"
        with capture_logs() as logged:  # what shows them to people takes minutes for a traceback
            answer = await program.request(method, f"/api/v1{path}", content=body, headers={"Content-Type": kind})
        if answer.status_code >= 500 and answer.status_code != 503:
            faults = [repr(line["exc_info"])[:300] for line in logged if "exc_info" in line]
            broken.setdefault(f"{method} {path} {answer.status_code} {faults}", body[:3000].hex())
    assert not broken, f"seed {seed}: {broken}"
