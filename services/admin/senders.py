"""From whom something comes, and how each is, in a word (pure)."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from services.admin.reachability import Word


def senders(
    heard: Sequence[Mapping[str, Any]], silent: Sequence[Mapping[str, Any]], held: Collection[str]
) -> list[dict[str, Any]]:
    """Who sent lately, and after them who is silent and did not; ``held``: the sources that are."""
    sent, quiet = {each["title"] for each in heard}, {each["title"] for each in silent}
    missing = [_nothing(each) for each in silent if each["title"] not in sent]
    return [{**each, **_word(each, quiet, held)._asdict()} for each in (*heard, *missing)]


def _nothing(silent: Mapping[str, Any]) -> dict[str, Any]:
    counts = dict.fromkeys(("last_day", "last_hour", "last_minute", "bytes_last_hour"), 0)
    return {"title": silent["title"], "known": True, "last_received_at": silent["heard_at"], **counts}


def _word(sender: Mapping[str, Any], silent: Collection[str], held: Collection[str]) -> Word:
    """The first of these that is so, the worst before."""
    if sender["title"] in silent:
        return Word("silent", "warn")
    if sender["title"] in held:
        return Word("held", "warn")
    return Word("sends", "good") if sender["last_hour"] else Word("quiet", "off")
