"""What came of publishing rules, as people read it (pure)."""

from collections.abc import Iterator, Mapping
from typing import Any

from services.admin.counted import counted
from services.admin.web.shown import ago


def told_published(published: Mapping[str, Any]) -> tuple[str, bool]:
    """The text, and whether something is wrong: some process still receives under older rules."""
    return "\n".join(_lines(published)), not published["taken"]["everywhere"]


def _lines(published: Mapping[str, Any]) -> Iterator[str]:
    number, taken = published["number"], published["taken"]
    if not published["changed"]:
        yield f"Nothing changed: rule set {number} is live already and says the same."
        return
    copied = f", a copy of {published['copied_from']}" if published.get("copied_from") else ""
    yield f"Rule set {number} is live{copied}."
    if taken["by"]:
        yield f"Taken by {counted(len(taken['by']), 'receiving processes')} after {taken['seconds']} s."
    for row in taken["behind"]:
        yield f"{row['process']} still receives under rule set {row['rule_set']}."
    for row in taken["silent"]:
        yield f"{row['process']} is dead or cut off from the database: last heard of {ago(row['heard_at'])}."
    if taken["unknown"]:
        yield f"Nobody could be asked what they receive under: {taken['unknown']}"
