"""What was found when something was tried."""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Literal

from services.runtime.errors import GatewayError, Unavailable

State = Literal["ok", "warning", "failed", "not reachable"]


@dataclass(frozen=True)
class Finding:
    """One thing that was tried; ``text`` says what was found, or what is wrong and how to cure it."""

    name: str
    state: State
    text: str


async def found(name: str, attempt: Awaitable[str]) -> Finding:
    """What an attempt returns or raises."""
    try:
        return Finding(name, "ok", await attempt)
    except Unavailable as error:
        return Finding(name, "not reachable", str(error))
    except GatewayError as error:
        return Finding(name, "failed", str(error))
