"""Which model reads which message type and version. Old versions stay here for as long as one may arrive."""

import json
from typing import Any

from pydantic import ValidationError

from schemas.messages.commitment import CommitmentChanged, CommitmentReported, CommitmentRequested, ReportSent
from schemas.messages.delivery import InstanceDelivered, InstanceUnusable
from schemas.messages.envelope import Envelope, Message, MessageError
from schemas.messages.instance import AssociationEnded, InstanceDeleted, InstanceReceived, InstanceStored
from schemas.messages.request import RequestMade

REGISTRY: dict[tuple[str, int], type[Message]] = {
    (model.TYPE, model.VERSION): model
    for model in (
        AssociationEnded,
        CommitmentChanged,
        CommitmentReported,
        CommitmentRequested,
        InstanceDeleted,
        InstanceDelivered,
        InstanceReceived,
        InstanceStored,
        InstanceUnusable,
        ReportSent,
        RequestMade,
    )
}


def decode(raw: bytes) -> Envelope:
    """Read a message.

    Raises:
        MessageError: the bytes are no JSON object, the type or version is unknown, or the body breaks its schema.
    """
    try:
        document: Any = json.loads(raw)
    except ValueError as fault:
        raise MessageError("not JSON") from fault
    if not isinstance(document, dict):
        raise MessageError("not a JSON object")
    model = REGISTRY.get((_text(document.get("type")), _number(document.get("version"))))
    if model is None:
        raise MessageError(f"unknown message type {document.get('type')!r} version {document.get('version')!r}"[:200])
    try:
        body = model.model_validate(document.get("body"))
        return Envelope.model_validate({**document, "body": body})
    except ValidationError as fault:
        places = sorted({".".join(str(part) for part in error["loc"]) for error in fault.errors()})
        raise MessageError(f"{model.routing_key()} breaks its schema at: {', '.join(places)[:200]}") from fault


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Any) -> int:
    return value if isinstance(value, int) else -1
