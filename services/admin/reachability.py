"""How a destination is, in a word (pure)."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

SLOW_AFTER: Final = timedelta(minutes=5)
Tone = Literal["good", "go", "wait", "warn", "bad", "off"]


class Word(NamedTuple):
    """``tone``: how it looks."""

    word: str
    tone: Tone


def word(destination: Mapping[str, Any], now: datetime | None = None) -> Word:
    """Of a row of the overview's destinations: the first of these that is so, the worst before."""
    if not destination["enabled"]:
        return Word("disabled", "off")
    held, shut = destination["held"], destination["shut"]
    all_wait = held + shut == destination["waiting"] - destination["sending"]
    if destination["held_since"] is not None or (held and all_wait):
        return Word("held", "warn")
    if destination["circuit"] != "CLOSED" or destination["unanswered"]:
        return Word("failing", "bad")
    oldest = destination["oldest_waiting_at"]
    if oldest is not None and (now or datetime.now(UTC)) - oldest > SLOW_AFTER and not held and not shut:
        return Word("slow", "warn")
    if destination["sending"]:
        return Word("sending", "go")
    if shut and all_wait:
        return Word("waits for its schedule", "wait")
    return Word("up", "good") if destination["tried"] else Word("not tried yet", "off")
