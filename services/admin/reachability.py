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
    """Of a row of the overview's destinations: disabled, held, failing, slow, sending or up."""
    if not destination["enabled"]:
        return Word("disabled", "off")
    if destination["held"] and destination["held"] == destination["waiting"] - destination["sending"]:
        return Word("held", "warn")
    if destination["circuit"] != "CLOSED":
        return Word("failing", "bad")
    oldest = destination["oldest_waiting_at"]
    if oldest is not None and (now or datetime.now(UTC)) - oldest > SLOW_AFTER and not destination["held"]:
        return Word("slow", "warn")
    return Word("sending", "go") if destination["sending"] else Word("up", "good")
