"""Commands of people: the row in ``config.request`` is the truth, the message only wakes who does it."""

from typing import ClassVar
from uuid import UUID

from schemas.messages.envelope import Message


class RequestMade(Message):
    """A person asked for something: the service that does its kind reads ``config.request``, the others let it be."""

    TYPE: ClassVar[str] = "request.carry-out"
    VERSION: ClassVar[int] = 1

    request: UUID
