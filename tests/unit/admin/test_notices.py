"""Who is told of what, when, and in which words (pure)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.admin.notices.contact import Addressee, addressed, build
from services.admin.notices.kinds import Event, Kind
from services.admin.notices.letters import Letter, document, mail, subject
from services.admin.notices.timing import due
from services.runtime.errors import UsageError

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
HOSTILE = "CT1\r\nBcc: evil@example.org\r\n\r\n<script>\u202e\x1b[31m"
FAILED, SILENT = Kind.JOB_FAILED, Kind.MODALITY_SILENT


def contact(name: str = "it", **fields: Any) -> Addressee:
    whole = {"name": name, "mails": ["it@example.org"], "everything_else": True, "created_at": NOW - timedelta(days=1)}
    return Addressee.model_validate(whole | fields)


def names(event: Event, *contacts: Addressee, **of_rules: str) -> list[str]:
    return [each.name for each in addressed(event, contacts, of_rules)]


def test_who_is_named_for_a_station_or_rule_is_told_and_else_who_takes_everything_else() -> None:
    default = contact()
    of_station = contact("ct", stations=["CT1"], everything_else=False)
    of_rule = contact("nm", rules=["nm-to-pacs"], everything_else=False)
    known = (default, of_station, of_rule)
    assert names(Event(1, FAILED, NOW, ["PACS1", "CT1"], "other"), *known) == ["ct"]
    assert names(Event(1, FAILED, NOW, ["PACS1", "CT1"], "nm-to-pacs"), *known) == ["ct", "nm"]
    assert names(Event(1, FAILED, NOW, ["PACS1"], "other"), *known) == ["it"]
    assert names(Event(1, FAILED, NOW, ["PACS1"], "other"), *known, other="nm", night="ct") == ["nm"]
    assert names(Event(1, FAILED, NOW, ["CT1"], "other"), *known, other="nm") == ["ct", "nm"]
    assert names(Event(1, Kind.DEAD_LETTER, NOW), *known) == ["it"]
    only_letters = contact("ct", stations=["CT1"], everything_else=False, kinds=["dead-letter"])
    assert names(Event(1, SILENT, NOW, ["CT1"]), default, only_letters) == ["it"]
    assert names(Event(1, FAILED, NOW - timedelta(days=2)), default) == []
    assert names(Event(1, FAILED, NOW), contact(enabled=False)) == []


@pytest.mark.parametrize(
    ("fields", "waited", "sent_minutes_ago", "expected"),
    [
        ({}, {FAILED: 0}, None, [FAILED]),
        ({}, {FAILED: 0, SILENT: 3}, 2, [FAILED, SILENT]),
        ({}, {FAILED: 0}, 0.5, []),
        ({"digest_minutes": 15}, {FAILED: 14}, None, []),
        ({"digest_minutes": 15}, {FAILED: 3, SILENT: 15}, 1, [FAILED, SILENT]),
        ({"quiet": ["daily 12:00-14:00 Europe/Zurich"]}, {FAILED: 60}, None, []),
        ({"quiet": ["daily 12:00-13:00 Europe/Zurich"]}, {FAILED: 60}, None, [FAILED]),
        ({"quiet": ["daily 08:00-18:00 UTC"], "urgent": ["modality-silent"]}, {FAILED: 60, SILENT: 0}, None, [SILENT]),
        ({"quiet": ["daily 08:00-18:00 UTC"], "urgent": ["modality-silent"], "digest_minutes": 5},
         {FAILED: 60, SILENT: 4}, None, []),
        ({"quiet": ["mon 22:00-13:00 UTC", "tue 13:00-23:00 UTC"]}, {FAILED: 60}, None, []),
        ({"enabled": False}, {FAILED: 60}, None, []),
    ],
)  # fmt: skip
def test_when_what_waits_is_sent(
    fields: dict[str, Any], waited: dict[Kind, float], sent_minutes_ago: float | None, expected: list[Kind]
) -> None:
    """It is a Tuesday, 12:00 UTC, 13:00 in Zurich."""
    oldest = {kind: NOW - timedelta(minutes=minutes) for kind, minutes in waited.items()}
    sent_at = None if sent_minutes_ago is None else NOW - timedelta(minutes=sent_minutes_ago)
    assert due(contact(**fields), oldest, sent_at, NOW, timedelta(minutes=1)) == expected


def test_what_stations_are_called_injects_no_header_and_no_line() -> None:
    facts = {"station": HOSTILE, "hours": 24, "heard": HOSTILE}
    letter = Letter(HOSTILE[:16], "https://desk.example", "it", [Event(1, SILENT, NOW, [HOSTILE], "", facts)], NOW)
    message = mail(letter, "gateway@example.org", ["it@example.org"])
    head, _, body = message.as_bytes().decode().partition("\r\n\r\n")
    assert [line.partition(":")[0] for line in head.split("\r\n") if not line.startswith((" ", "\t"))] == [
        "Subject", "From", "To", "Date", "Message-ID", "Auto-Submitted", "Content-Type", "Content-Transfer-Encoding",
        "MIME-Version",
    ]  # fmt: skip
    assert len(message.get_content().splitlines()) == 6
    assert not [letter for letter in message.get_content() if not letter.isprintable() and letter != "\n"]
    assert body
    assert b"\\r\\n" not in document(letter).split(b'"text": "')[1].split(b'"')[0]


def test_a_digest_tells_all_of_it_by_kind() -> None:
    jobs = [Event(n, FAILED, NOW, ["PACS1"], "", {"job": n, "study": "1.2", "destination": "PACS1"}) for n in (1, 2)]
    letters = [Event(3, Kind.DEAD_LETTER, NOW, facts={"number": 7, "queue": "q", "type": None})]
    letter = Letter("GW", "", "it", [*letters, *jobs], NOW)
    assert subject(letter) == "[GW] 2 failed jobs, 1 dead letter: PACS1"
    body = mail(letter, "gateway@example.org", ["it@example.org"]).get_content()
    assert (
        body.index("2 failed jobs") < body.index("Job 1 failed") < body.index("1 dead letter") < body.index("letter 7")
    )


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"mails": [], "webhook": "ftp://example.org/x"}, "https://"),
        ({"mails": [], "webhook": "http://exa mple.org/"}, "https://"),
        ({"mails": [], "webhook": "http://example.org:0/"}, "https://"),
        ({"mails": ["it@example.org\r\nBcc: evil@example.org"]}, "mail address"),
        ({"mails": ["IT <it@example.org>"]}, "mail address"),
        ({"mails": []}, "say where its notices go"),
        ({"kinds": ["test"]}, "one of job-failed"),
        ({"kinds": []}, "at least 1"),
        ({"digest_minutes": -1}, "greater than or equal to 0"),
        ({"quiet": ["daily 22:00-06:00 Mars/Olympus"]}, "IANA"),
        ({"quiet": ["daily 00:00-24:00 UTC"]}, "never end"),
        ({"name": "a b"}, "no blanks"),
    ],
)
def test_what_cannot_be_is_said_with_its_cure(fields: dict[str, Any], told: str) -> None:
    whole: dict[str, Any] = {"name": "it", "mails": ["it@example.org"], "everything_else": True} | fields
    with pytest.raises(UsageError, match=told):
        build(whole)
