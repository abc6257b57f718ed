"""How long who fails to log in has to wait (pure)."""

from typing import Final

WINDOW_SECONDS: Final = 3600
"""Failures before that do not count."""
FREE_FAILURES: Final = 5
LONGEST_SECONDS: Final = 900


def wait_seconds(failures: int, since_last: float) -> float:
    """Seconds until another attempt is heard, after so many failures of a name or an address within the window, the
    last of them ``since_last`` seconds ago: nothing at first, then from a second up, twice as long each time."""
    if failures < FREE_FAILURES:
        return 0.0
    pause: int = min(2 ** min(failures - FREE_FAILURES, 20), LONGEST_SECONDS)
    return max(0.0, pause - since_last)
