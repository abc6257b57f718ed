"""What the form of a contact says (pure)."""

from collections.abc import Mapping
from typing import Any, Final

from starlette.datastructures import FormData

LABELS: Final[Mapping[str, str]] = {
    "name": "Name", "mail": "Mail addresses", "mails": "Mail addresses", "webhook": "Webhook", "station": "Stations",
    "stations": "Stations", "rule": "Rules", "rules": "Rules", "kinds": "Kinds",
    "digest-minutes": "Collect for minutes", "quiet": "Quiet hours", "urgent": "Sent in quiet hours, too",
}  # fmt: skip
"""By the option of the command line, or the field of a contact."""


def given(form: FormData, *, known: bool) -> dict[str, Any]:
    """The fields of a contact; ``known``: of one that keeps its name. Lists are written one entry a line."""
    text = {name: str(form.get(name, "")).strip() for name in ("name", "webhook", "digest_minutes")}
    fields: dict[str, Any] = {
        "webhook": text["webhook"] or None,
        "digest_minutes": text["digest_minutes"] or 0,
        "everything_else": form.get("everything_else") == "true",
        "enabled": form.get("enabled") == "true",
    }
    fields |= {name: _lines(str(form.get(name, ""))) for name in ("mails", "stations", "rules", "quiet")}
    fields |= {name: [str(each) for each in form.getlist(name)] for name in ("kinds", "urgent")}
    return fields if known else fields | {"name": text["name"]}


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]
