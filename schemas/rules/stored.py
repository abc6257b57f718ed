"""Rule documents as they are stored: the plain data of the model, with the edition of the code that wrote it."""

from collections.abc import Mapping
from typing import Any, Final

from schemas.rules.document import RuleDocument

EDITION: Final = 2
"""The first edition has no key of that name. It wrote ``commit: false`` for every target, whatever the file said:
nothing was asked then, and there it means what leaving it out means now."""


def to_stored(document: RuleDocument) -> dict[str, Any]:
    """The data to store."""
    return {"edition": EDITION, **document.model_dump(mode="json", exclude_none=True)}


def from_stored(stored: Mapping[str, Any]) -> RuleDocument:
    """The document that was stored, by whichever edition. Raises ``ValueError`` (pydantic's) for what is none."""
    plain = {key: value for key, value in stored.items() if key != "edition"}
    if "edition" in stored:
        return RuleDocument.model_validate(plain)
    return RuleDocument.model_validate(plain | {"rules": [_undecided(rule) for rule in plain.get("rules", [])]})


def _undecided(rule: Mapping[str, Any]) -> dict[str, Any]:
    targets = [
        {key: value for key, value in target.items() if key != "commit" or value} for target in rule.get("send", [])
    ]
    return {**rule, "send": targets}
