"""What becomes of messages: the handler's answer turned into one outcome a message. No broker in here."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeVar

import structlog

from schemas.messages import Envelope, MessageError, decode
from services.runtime import logs
from services.runtime.errors import Conflict, RefusedData, Reject, Unavailable

Handler = Callable[[Sequence[Envelope]], Awaitable[None]]
CONFLICT_ATTEMPTS = 2

log = structlog.get_logger(__name__)
T = TypeVar("T")


class Kind(Enum):
    """DONE is acknowledged, REJECTED goes to the dead letters, RETURNED goes back to the queue."""

    DONE = "done"
    REJECTED = "rejected"
    RETURNED = "returned"


@dataclass(frozen=True)
class Outcome:
    """Of one message; ``reason`` of a rejected one."""

    kind: Kind
    reason: str = ""


@dataclass
class Settlement:
    """Outcomes in the order of the messages. ``stop``: the consumer's database is away. ``failed``: a handler broke."""

    outcomes: list[Outcome] = field(default_factory=list)
    stop: bool = False
    failed: bool = False


DONE = Outcome(Kind.DONE)
RETURNED = Outcome(Kind.RETURNED)


async def settle(bodies: Sequence[bytes], handler: Handler) -> Settlement:
    """Decode the messages, hand the readable ones to the handler at once, and find each one's outcome."""
    read = [_read(body) for body in bodies]
    handled = await _handled([envelope for envelope in read if isinstance(envelope, Envelope)], handler)
    outcomes = iter(handled.outcomes)
    handled.outcomes = [found if isinstance(found, Outcome) else next(outcomes) for found in read]
    return handled


def _read(body: bytes) -> Envelope | Outcome:
    try:
        return decode(body)
    except MessageError as error:
        return Outcome(Kind.REJECTED, str(error))
    except RecursionError:
        return Outcome(Kind.REJECTED, "nested too deep")


async def _handled(envelopes: list[Envelope], handler: Handler) -> Settlement:
    if not envelopes:
        return Settlement()
    try:
        with logs.bound(**_ids(envelopes)):
            await _with_second_try(envelopes, handler)
    except Unavailable as error:
        log.warning("handler_stopped", reason=str(error), messages=len(envelopes))
        return Settlement([RETURNED] * len(envelopes), stop=True)
    except Exception as error:  # noqa: BLE001 - whatever it is decides what becomes of the message
        if len(envelopes) > 1:
            return await _one_by_one(envelopes, handler)
        return _of_one(envelopes[0], error)
    return Settlement([DONE] * len(envelopes))


def _ids(envelopes: list[Envelope]) -> dict[str, object]:
    """What the log lines of a handler are bound to: its message and the association that caused it, or all of them."""
    messages = [str(envelope.id) for envelope in envelopes]
    associations = sorted({envelope.correlation for envelope in envelopes if envelope.correlation})
    if len(messages) > 1:
        return {"message": messages, "association": associations}
    return {"message": messages[0], "association": associations[0] if associations else ""}


async def _with_second_try(envelopes: list[Envelope], handler: Handler) -> None:
    for _ in range(1, CONFLICT_ATTEMPTS):
        try:
            return await handler(envelopes)
        except Conflict:
            await asyncio.sleep(0.05)
    return await handler(envelopes)


async def _one_by_one(envelopes: list[Envelope], handler: Handler) -> Settlement:
    """Only the culprit of a failed batch must suffer."""
    whole = Settlement()
    for envelope in envelopes:
        if whole.stop:
            whole.outcomes.append(RETURNED)
            continue
        one = await _handled([envelope], handler)
        whole.outcomes += one.outcomes
        whole.stop, whole.failed = one.stop, whole.failed or one.failed
    return whole


def _of_one(envelope: Envelope, error: Exception) -> Settlement:
    if isinstance(error, Reject | RefusedData):
        log.warning("message_rejected", message=str(envelope.id), type=envelope.type, reason=str(error))
        return Settlement([Outcome(Kind.REJECTED, str(error))])
    log.error("message_failed", message=str(envelope.id), type=envelope.type, exc_info=error)
    return Settlement([RETURNED], failed=True)
