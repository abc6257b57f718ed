"""Every version of every message that may still arrive loads; everything else is refused with its reason."""

import json
from pathlib import Path
from typing import Any

import pytest

import schemas
from schemas.messages import REGISTRY, Envelope, MessageError, decode
from schemas.topology import QUEUES

EXAMPLES = sorted((Path(schemas.__file__).parent / "examples").glob("*.json"))


def example(name: str = "instance.stored.v1") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(next(path for path in EXAMPLES if path.stem == name).read_text())
    return found


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_a_golden_example_keeps_loading(path: Path) -> None:
    golden = json.loads(path.read_text())
    envelope = decode(path.read_bytes())
    assert envelope.routing_key == path.stem
    assert json.loads(envelope.encode()) == golden, "nothing of it is lost or changed on the way"
    assert decode(envelope.encode()) == envelope


def test_every_type_and_version_has_an_example() -> None:
    assert {model.routing_key() for model in REGISTRY.values()} == {path.stem for path in EXAMPLES}


def test_every_queue_is_bound_to_a_message_that_exists() -> None:
    assert {queue.binding for queue in QUEUES} <= {model.routing_key() for model in REGISTRY.values()}


def test_fields_of_newer_writers_are_ignored() -> None:
    document = example()
    document["added_later"] = document["body"]["added_later"] = 1
    assert decode(json.dumps(document).encode()) == decode(json.dumps(example()).encode())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"version": 99}, "unknown message type 'instance.stored' version 99"),
        ({"version": "1"}, "unknown message type"),
        ({"type": "instance.lost"}, "unknown message type 'instance.lost'"),
        ({"body": None}, "breaks its schema"),
        ({"body": {}}, "object_key"),
        ({"body": {"revision": "two"}}, "revision"),
        ({"occurred_at": "2026-11-23T10:15:30"}, "occurred_at"),
        ({"id": "1"}, "id"),
    ],
)
def test_what_breaks_the_schema_is_refused_with_the_place(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(MessageError, match=reason):
        decode(json.dumps(example() | change).encode())


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff\xfe", b"[]", b"null", b'"text"', b"1"])
def test_what_is_no_json_object_is_refused(raw: bytes) -> None:
    with pytest.raises(MessageError, match="not "):
        decode(raw)


def test_reasons_carry_no_values_of_the_body() -> None:
    document = example("instance.received.v1")
    document["body"]["receipt"]["sha256"] = "DOE^JOHN"
    with pytest.raises(MessageError) as caught:
        decode(json.dumps(document).encode())
    assert "sha256" in str(caught.value)
    assert "DOE" not in str(caught.value)


def test_a_message_names_its_type_once() -> None:
    envelope = decode(next(path for path in EXAMPLES if path.stem == "request.carry-out.v1").read_bytes())
    assert Envelope.wrap(envelope.body, "test").routing_key == envelope.routing_key
