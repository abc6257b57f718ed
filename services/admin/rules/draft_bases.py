"""What a draft was begun from, against what is live when it is published (pure)."""

from collections.abc import Mapping
from datetime import UTC
from typing import Any

from services.admin.errors import Refused
from services.runtime.errors import UsageError


def refuse_if_behind(draft: str, base: int | None, live: Mapping[str, Any] | None) -> None:
    """Raises ``Refused`` where publishing a draft would undo what others published since it was begun.

    ``base``: the number it was begun from, 0: nothing was live, None: not known, then nothing is refused. ``live``: the
    live rule set, None: none is.
    """
    if base is None or live is None or base == live["number"]:
        return
    begun = f"from rule set {base}" if base else "when no rules were live"
    at = live["created_at"].astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    raise Refused(
        f"draft {draft} was begun {begun}, but rule set {live['number']} is live, published by {live['created_by']} at "
        f"{at}: publishing it would undo what that changed; look at the difference with 'gateway rules draft diff "
        f"{draft}', bring into the draft what is to stay, and take it over with 'gateway rules draft take-over {draft} "
        f"{live['number']}'"
    )


def refuse_unknown(base: int | None, live: int) -> None:
    """Raises ``UsageError`` for the number of a rule set that there is not; ``live`` is the newest."""
    if base is not None and not 0 <= base <= live:
        raise UsageError(f"base: rule set {base} does not exist; 'gateway rules history' lists those there are")
