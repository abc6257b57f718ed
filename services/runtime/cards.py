"""Where a process is reached that announced itself in the home folder (services.runtime.health)."""

from typing import Any, Final
from urllib.parse import urlsplit

EVERYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound to


def reached_at(card: dict[str, Any], here: str) -> str:
    """The address of a card's process for who is on the host ``here``: where it listens on all, its host's (pure)."""
    address = urlsplit(card["http"])
    if address.hostname not in EVERYWHERE:
        return str(card["http"])
    host = card.get("host", here)
    return f"http://{'127.0.0.1' if host == here else host}:{address.port}"
