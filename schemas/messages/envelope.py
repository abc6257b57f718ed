"""The envelope every message travels in."""

from datetime import UTC, datetime
from typing import ClassVar
from uuid import UUID, uuid4

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SerializeAsAny


class MessageError(Exception):
    """A message cannot be read: not JSON, an unknown type or version, or a body that breaks its schema.

    The text names the fault; it goes to the dead letter as the reason and carries no value of the body.
    """


class Message(BaseModel):
    """Base of all bodies. A subclass names its type and version once; the routing key follows from them."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    TYPE: ClassVar[str]
    VERSION: ClassVar[int]

    @classmethod
    def routing_key(cls) -> str:
        """Message type with version, such as ``instance.received.v1``: never data from the wire."""
        return f"{cls.TYPE}.v{cls.VERSION}"


class Envelope(BaseModel):
    """What is common to all messages.

    ``correlation`` is the association id (or the id of the person's command) all causes lead back to, ``causation``
    the id of the message that caused this one, ``trace`` a W3C traceparent.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: UUID = Field(default_factory=uuid4)
    type: str
    version: int
    occurred_at: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
    producer: str
    correlation: str | None = None
    causation: UUID | None = None
    trace: str | None = None
    body: SerializeAsAny[Message]

    @classmethod
    def wrap(
        cls,
        body: Message,
        producer: str,
        *,
        correlation: str | None = None,
        causation: UUID | None = None,
        trace: str | None = None,
    ) -> "Envelope":
        """Put a body into an envelope with an id of its own."""
        return cls(
            type=body.TYPE,
            version=body.VERSION,
            producer=producer,
            correlation=correlation,
            causation=causation,
            trace=trace,
            body=body,
        )

    @property
    def routing_key(self) -> str:
        """The routing key on the exchange ``gateway``."""
        return self.body.routing_key()

    def encode(self) -> bytes:
        """The message as it crosses the broker: UTF-8 JSON."""
        return self.model_dump_json().encode()
