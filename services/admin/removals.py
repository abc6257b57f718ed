"""What was deleted or erased: when, and by whom."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from services.admin.sql import SQL
from services.runtime.db import Connection

HOW: Final[Mapping[str, str]] = {"studies.delete": "deleted", "studies.erase": "erased"}


async def removals_of(
    conn: Connection, contents: Sequence[Mapping[str, Any]], lives: Sequence[Mapping[str, Any]] = ()
) -> list[dict[str, Any]]:
    """The audit's entries of about then that name one of these contents (``removed``), or of what was received before
    they came anew (``lived``), the oldest first."""
    gone = [*(row for row in contents if row["gone_at"] is not None), *lives]
    if not gone:
        return []
    times = [*(row["gone_at"] for row in gone), *(life["received_at"] for life in lives)]
    named = {row[name] for row in gone for name in ("study", "series", "uid")}
    values = {"actions": list(HOW), "first": min(times), "last": max(times), "named": sorted(named)}
    return await (await conn.execute(SQL.removals_of, values)).fetchall()


def removed(content: Mapping[str, Any], removals: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """``{"how", "at", "by"}`` of a content by its ``study``, ``series``, ``uid``, ``received_at`` and ``gone_at``; None
    if it is here, ``by`` None if the audit does not say it (pure).

    An entry of a deletion is made when it hides what it names, one of an erasure when all of it is gone.
    """
    if content["gone_at"] is None:
        return None
    names = {content["study"], content["series"], content["uid"]}
    found = [each for each in removals if each["object"] in names or not names.isdisjoint(each["uids"] or ())]
    hid = [
        each for each in found
        if each["action"] == "studies.delete" and content["received_at"] <= each["at"] <= content["gone_at"]
    ]  # fmt: skip
    erased = [each for each in found if each["action"] == "studies.erase" and each["at"] >= content["gone_at"]]
    for each in [*reversed(hid), *erased]:
        return {"how": HOW[each["action"]], "at": each["at"], "by": each["by"]}
    return {"how": "deleted", "at": content["gone_at"], "by": None}


def lived(receipts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Receipts of one content that was gone when it came anew, with ``gone_at``: the latest it can have gone (pure).

    ``receipts``: all of it by time. What is here when it comes again is a DUPLICATE; nothing else is.
    """
    new = [each for each in receipts if each["disposition"] != "DUPLICATE"]
    return [{**each, "gone_at": following["received_at"]} for each, following in pairwise(new)]


def ended(life: Mapping[str, Any], removals: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How, when and by whom ended what ``lived`` (pure): the first entry since. ``removed`` tells what is gone now."""
    names = {life["study"], life["series"], life["uid"]}
    for each in removals:
        named = each["object"] in names or not names.isdisjoint(each["uids"] or ())
        late = each["action"] == "studies.delete" and each["at"] > life["gone_at"]
        if named and not late and each["at"] >= life["received_at"]:
            return {"how": HOW[each["action"]], "at": min(each["at"], life["gone_at"]), "by": each["by"]}
    return {"how": "deleted", "at": life["gone_at"], "by": None}


def told(gone: Mapping[str, Any]) -> str:
    """As "erased by user:admin" (pure)."""
    return f"{gone['how']} by {gone['by']}" if gone["by"] else str(gone["how"])
