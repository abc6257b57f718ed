"""Retention, cell by cell: what goes, what stays and why, and when it is looked at again."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.dicom.profile import profile_of
from services.dicom.settings import DicomSettings
from services.runtime.errors import UsageError
from services.storage.gate import Held
from services.storage.retention_policy import LOOK_AGAIN, Content, Policy, Source, judge
from services.storage.settings import StorageSettings

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
OLD = Source("CT1", AT - 31 * DAY)
THIRTY = Policy(30)
FINE = Content("1.2.3", 1, 100)


def content(**fields: Any) -> Content:
    return Content("1.2.3", 1, 100, **fields)


@pytest.mark.parametrize(
    ("policy", "received", "kept", "again"),
    [
        (Policy(), [OLD], "what CT1 sends is kept for ever", None),
        (THIRTY, [OLD], "", AT),
        (THIRTY, [Source("CT1", AT - 30 * DAY)], "", AT),
        (THIRTY, [Source("CT1", AT - 29 * DAY)], "kept until 2026-03-02 12:00Z", AT + DAY),
        (Policy(None, {"CT1": 7}), [OLD], "", AT),
        (Policy(None, {"CT1": 7}), [OLD, Source("MR1", OLD.received_at)], "what MR1 sends is kept for ever", None),
        (Policy(30, {"CT1": 0}), [OLD], "what CT1 sends is kept for ever", None),
        (Policy(30, {"CT1": 60}), [OLD], "kept until 2026-03-30 12:00Z", AT + 29 * DAY),
        (Policy(30, {"MR1": 40}), [OLD, Source("MR1", AT - 35 * DAY)], "kept until 2026-03-06 12:00Z", AT + 5 * DAY),
        (Policy(30, {"MR1": 2}), [OLD, Source("MR1", AT - DAY)], "kept until 2026-03-02 12:00Z", AT + DAY),
    ],
)
def test_a_study_is_old_enough_when_each_of_its_sources_says_so(
    policy: Policy, received: list[Source], kept: str, again: datetime | None
) -> None:
    verdict = judge(policy, AT, received, [FINE], [])
    assert (verdict.kept, verdict.look_at) == (kept, again)


@pytest.mark.parametrize(
    ("fields", "unmatched", "reason"),
    [
        ({}, False, ""),
        ({"waiting": ("PENDING to PACS1",)}, False, "PENDING to PACS1"),
        ({"waiting": ("SENDING to PACS1",)}, False, "SENDING to PACS1"),
        ({"waiting": ("UNKNOWN to PACS1",)}, False, "UNKNOWN to PACS1"),
        ({"waiting": ("FAILED to PACS1",)}, True, "FAILED to PACS1"),
        ({"waiting": ("FAILED to PACS1", "PENDING to PACS2")}, False, "FAILED to PACS1, PENDING to PACS2"),
        ({"sent": False, "delivered": False}, False, "no rule sends it anywhere"),
        ({"sent": False, "delivered": False}, True, ""),
        ({"delivered": False}, True, "sent nowhere: what was to be was cancelled, or its station said that it had it"),
        ({"state": "DAMAGED"}, True, "its object is damaged"),
        ({"disposition": "HELD", "itself": False}, True, "HELD, a person has to decide"),
        ({"disposition": "HELD", "itself": True}, False, ""),
        ({"disposition": "RECOVERED", "itself": False}, True, "RECOVERED, a person has to decide"),
        ({"disposition": "KEPT", "itself": False}, False, ""),
        ({"disposition": "RETURNED", "itself": False}, False, ""),
    ],
)
def test_what_is_not_delivered_everywhere_stays(fields: dict[str, Any], unmatched: bool, reason: str) -> None:
    verdict = judge(Policy(30, unmatched=unmatched), AT, [OLD], [content(**fields)], [])
    assert verdict.kept == (f"{reason} (1.2.3)" if reason else "")
    assert verdict.look_at == (AT + LOOK_AGAIN if reason else AT)


@pytest.mark.parametrize(
    ("held", "reason"),
    [
        (Held("1.2.3", 1, missing=("ARCHIVE",)), "not yet committed by ARCHIVE"),
        (Held("1.2.3", 1, routed=False), "not routed yet"),
        (
            Held("1.2.3", 1, missing=("A",), promised=True),
            "not yet committed by A, committed to a peer by this gateway",
        ),
        (Held("1.2.3", 1, untold=("CT1",)), "to be reported as committed to CT1"),
    ],
)
def test_what_is_to_be_committed_or_routed_stays(held: Held, reason: str) -> None:
    assert judge(THIRTY, AT, [OLD], [FINE], [held]).kept == f"{reason} (1.2.3)"


def test_one_instance_keeps_its_study_and_each_reason_is_told_once() -> None:
    waiting = [Content(f"1.2.{number}", 1, 1, waiting=("FAILED to PACS1",)) for number in range(3)]
    verdict = judge(THIRTY, AT, [OLD], [FINE, *waiting, content(state="DAMAGED")], [])
    assert verdict.kept == "FAILED to PACS1 (1.2.0 and 2 more); its object is damaged (1.2.3)"


@pytest.mark.parametrize(
    ("policy", "least"),
    [
        (Policy(), None),
        (Policy(30), 30),
        (Policy(None, {"CT1": 0}), None),
        (Policy(30, {"CT1": 7, "MR1": 0}), 7),
        (Policy(None, {"CT1": 7}), 7),
    ],
)
def test_the_shortest_policy_says_when_to_look(policy: Policy, least: int | None) -> None:
    assert policy.least_days == least


def test_profile_xeleris_refuses_it_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_STORAGE_RETENTION_DAYS", "30")
    settings = StorageSettings.load()
    assert settings.fit(profile_of("gateway", DicomSettings.load())).retention_days == 30
    with pytest.raises(UsageError, match=r"GATEWAY_STORAGE_RETENTION_DAYS=30: profile xeleris keeps everything.*R94"):
        settings.fit(profile_of("xeleris", DicomSettings.load()))
