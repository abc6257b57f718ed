"""The proof of an erasure as a document (pure)."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from services.admin.erasing.places import PLACES

OTHERS: Final = {
    "object store": "objects deleted, each looked for by its key afterwards",
    "storage.fact": "header facts deleted",
    "index.instance": "rows deleted",
    "index.study, index.patient": "rows deleted; those of studies that others share made anew of what remains",
    "routing.delivery, open": "deliveries given up",
    "routing, answers of stations": "texts that stations wrote about the instances cut off",
    "routing.destination, outage": "texts that name the patient cut off",
}
"""Places of other services, and what was done there."""
KEPT: Final = (
    "UIDs and SHA-256 of what was stored, with receipts, deliveries, retrievals and commitments: who had what when",
    "audit entries without the texts that named the patient: who did what when to which UID",
    "texts that have an ID or name of fewer than four characters (two, in scripts without spaces) among other words",
    "rules, their drafts and comments, and descriptions of stations: configuration, which people write",
)
ELSEWHERE: Final = (
    "stations that were sent the instances, and files that were exported or downloaded",
    "backups of the database and of the object store",
    "blocks of the file systems that are free again, and write-ahead logs, until they are written over",
    "messages in the broker, which are there for seconds",
    "DICOM audit messages and exported audits that have left",
    "what came in of the patient after the erasure was asked for: that is a new patient",
)


def document_of(
    erasure: Mapping[str, Any], items: Sequence[Mapping[str, Any]], counts: Mapping[str, int], left: Mapping[str, int]
) -> dict[str, Any]:
    """Who, when, why, what and where; the patient by keyed hash alone. ``left``: what the last look found, by place."""
    return {
        "erasure": str(erasure["id"]),
        "patient_hmac_sha256": erasure["patient_hmac"],
        "asked_by": erasure["asked_by"],
        "why": erasure["why"],
        "forced": erasure["forced"],
        "asked_at": _time(erasure["asked_at"]),
        "started_at": _time(erasure["started_at"]),
        "verified_at": _time(erasure["at"]),
        "erased": dict(counts),
        "places": _places(erasure["found"], erasure["removed"], left),
        "kept": KEPT,
        "not_looked_at": ELSEWHERE,
        "instances": [dict(each) for each in items],
    }


def written(document: Mapping[str, Any]) -> tuple[str, str]:
    """As text, always the same, and the SHA-256 of that in UTF-8."""
    text = json.dumps(document, ensure_ascii=False, indent=1) + "\n"
    return text, hashlib.sha256(text.encode()).hexdigest()


def _places(found: Mapping[str, int], removed: Mapping[str, int], left: Mapping[str, int]) -> list[dict[str, Any]]:
    others = [(name, what, found.get(name, 0)) for name, what in OTHERS.items()]
    ours = [(place.name, place.what, removed.get(place.name, 0)) for place in PLACES]
    return [
        {"place": name, "what": what, "erased": count, "found_afterwards": left[name]}
        for name, what, count in others + ours
    ]


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
