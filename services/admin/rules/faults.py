"""The faults of a rule file as one error."""

from collections.abc import Mapping, Sequence
from typing import Any

from schemas.rules.places import Places
from services.admin.station import Station
from services.dicom.rules import RuleFault
from services.runtime.errors import GatewayError


class FaultyRules(GatewayError):
    """A rule file has faults; ``faults`` holds every one as rule, field, value and cure. ``text``: the file."""

    def __init__(self, faults: Sequence[RuleFault], known: Mapping[str, Station], text: str = "") -> None:
        self.faults = [describe(fault, known) for fault in faults]
        self._text = text
        super().__init__("\n".join(line(fault) for fault in self.faults))

    def placed(self) -> list[dict[str, Any]]:
        """Every fault with ``line`` and ``column`` besides, counted from 1; None where they are not known."""
        places = Places(self._text)
        found = [places.of(fault["rule"], fault["field"]) for fault in self.faults]
        return [
            fault | {"line": place and place.line, "column": place and place.column}
            for fault, place in zip(self.faults, found, strict=True)
        ]


def describe(fault: RuleFault, known: Mapping[str, Station]) -> dict[str, Any]:
    """A fault as data; a station that exists but may not be sent to gets the cure that makes it a target (pure)."""
    station = known.get(str(fault.value)) if fault.field.endswith("to") else None
    cure = fault.cure if station is None else _cure(station)
    return {"rule": fault.rule, "field": fault.field, "value": fault.value, "cure": cure}


def line(fault: Mapping[str, Any]) -> str:
    """A fault as people read it (pure)."""
    place = ": ".join(part for part in (fault["rule"], fault["field"]) if part)
    return f"{place} = {fault['value']}: {fault['cure']}" if fault["value"] else f"{place}: {fault['cure']}"


def _cure(station: Station) -> str:
    if not station.enabled:
        return f"the station is disabled; 'gateway station set {station.title} --enabled', or send elsewhere"
    return f"the station may not be sent to; 'gateway station set {station.title} --store', or send elsewhere"
