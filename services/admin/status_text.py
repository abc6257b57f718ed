"""DIMSE statuses, and what a delivery waits for, as people know them."""

from collections.abc import Sequence


def hexadecimal(status: int | None) -> str | None:
    """Four hexadecimal digits, such as A700 (pure); None stays None: there was no answer."""
    return None if status is None else f"{status:04X}"


def waiting(awaited: Sequence[str] | None) -> str:
    """Whose commitment a delivery still needs before it may go (pure); "" if none."""
    return f"waits until {', '.join(awaited)} committed the instance" if awaited else ""
