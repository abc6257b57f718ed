"""Commands of people: the row in ``config.request`` is the truth, the message only wakes the forwarder."""

from typing import ClassVar
from uuid import UUID

from schemas.messages.envelope import Message


class RequestMade(Message):
    """A person asked for something that the forwarder does (send, retry, cancel): read and do ``config.request``."""

    TYPE: ClassVar[str] = "request.carry-out"
    VERSION: ClassVar[int] = 1

    request: UUID
