"""Time: aware UTC for what is written down, and what a wrong clock means. Deadlines use ``time.monotonic``."""

from datetime import UTC, datetime

ALARM_SECONDS = 2.0
REFUSE_SECONDS = 60.0


def now() -> datetime:
    """This host's time, aware, UTC. Where time decides something, ask the database's clock instead."""
    return datetime.now(UTC)


def is_alarming(skew_seconds: float | None) -> bool:
    """True when this clock is more than 2 s off another one (pure)."""
    return skew_seconds is not None and abs(skew_seconds) > ALARM_SECONDS


def refusal(other: str, skew_seconds: float | None) -> str | None:
    """Why a process must not be ready: its clock is more than 60 s off that of ``other``; else None (pure)."""
    if skew_seconds is None or abs(skew_seconds) <= REFUSE_SECONDS:
        return None
    direction = "ahead of" if skew_seconds > 0 else "behind"
    return f"this host's clock is {abs(skew_seconds):.0f} s {direction} the clock of {other}; synchronise it (NTP)"
