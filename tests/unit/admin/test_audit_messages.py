"""Which entries have which DICOM audit message, and codes as the dictionary of DICOM has them."""

from datetime import UTC, datetime

import pytest
from pydicom.sr.codedict import codes

from services.admin.audit_messages import events
from services.admin.audit_messages.document import frame_of
from services.admin.audit_messages.events import Code, event_of
from services.admin.audit_messages.messages import Entry, Source, Study, messages_of


def test_codes_are_those_of_dicom() -> None:
    ours = [each for each in vars(events).values() if isinstance(each, Code) and each.scheme == "DCM"]
    listed = [getattr(codes.DCM, name) for name in dir(codes.DCM)]
    known = {code.value: code.meaning for code in listed if hasattr(code, "meaning")}
    assert {each.value: each.meaning for each in ours} == {each.value: known[each.value] for each in ours}


@pytest.mark.parametrize(
    ("action", "code", "kind"),
    [
        ("station.set", "Security Alert", "Network Configuration"),
        ("station.query", "Query", ""),
        ("station.test", "", ""),
        ("user.set-password", "Security Alert", "User Security Attributes Changed"),
        ("rules.publish", "Security Alert", "Software Configuration"),
        ("rules.draft.save", "", ""),
        ("rules.test", "DICOM Instances Accessed", ""),
        ("rules.test.add", "", ""),
        ("studies.delete", "DICOM Study Deleted", ""),
        ("request.cancel", "", ""),
        ("something", "", ""),
    ],
)
def test_the_longest_name_of_an_action_counts(action: str, code: str, kind: str) -> None:
    event = event_of(action)
    found = ("", "") if event is None else (event.code.meaning, "" if event.type is None else event.type.meaning)
    assert found == (code, kind)


def test_a_message_is_as_long_as_every_server_takes() -> None:
    """PS3.15 A.6: 32,768 octets."""
    at, after = datetime(2026, 11, 29, tzinfo=UTC), {"from": "ARCHIVE1", "to": "DESK", "to_us": True}
    entry = Entry(at, "user:" + "a" * 64, "request.retrieve", "1", "2001:db8:1234:5678:9abc:def0:1234:5678", after)
    studies = [Study("1" * 58 + f".{number:05}", "P" * 64) for number in range(101)]
    frames = [frame_of(message, 4_000_000) for message in messages_of(entry, studies, Source("A" * 16, "h" * 255, "s"))]
    assert len(frames) == 3
    assert max(map(len, frames)) <= 32_768
