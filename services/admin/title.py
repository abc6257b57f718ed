"""What a title of the gateway's own is and may be (pure)."""

from collections.abc import Collection, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.admin.given_fields import fields_of
from services.admin.station import Title, fault_text
from services.runtime.errors import UsageError


class OwnTitle(BaseModel):
    """A title the gateway answers to. ``stations`` may call it (empty: every known one), over ``associations`` at a
    time (None: as many as the AE takes). The gateway's main title needs no entry; one limits it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    title: Title
    stations: list[Title] = Field(default_factory=list, max_length=1000)
    associations: Annotated[int, Field(ge=1, le=4096)] | None = None


def build(fields: Mapping[str, Any]) -> OwnTitle:
    """A title of these fields. Raises ``UsageError`` that lists every impossible value."""
    known = fields_of(OwnTitle, f"title {fields.get('title', '')!s}", fields)
    try:
        return OwnTitle.model_validate(known)
    except ValidationError as error:
        faults = [fault_text(dict(fault)) for fault in error.errors(include_url=False)]
        raise UsageError("\n".join(f"title {fields.get('title', '')!s}: {fault}" for fault in faults)) from None


def contradictions(title: OwnTitle, known_stations: Collection[str], profile: str) -> list[str]:
    """Why the title cannot be had, each with the cure; empty when it can."""
    if profile == "xeleris":
        return [
            f"title {title.title}: profile xeleris is one AE with one title, GATEWAY_AET (R10); "
            "several need GATEWAY_PROFILE=gateway"
        ]
    return [
        f"title {title.title}: --station {station}: no such station; add it first with 'gateway station add'"
        for station in title.stations
        if station not in known_stations
    ]
