"""The faults of a rule file as one error."""

from collections.abc import Mapping, Sequence
from typing import Any

from services.admin.station import Station
from services.dicom.rules import RuleFault
from services.runtime.errors import GatewayError


class FaultyRules(GatewayError):
    """A rule file has faults; ``faults`` holds every one as rule, field, value and cure."""

    def __init__(self, faults: Sequence[RuleFault], known: Mapping[str, Station]) -> None:
        self.faults = [describe(fault, known) for fault in faults]
        super().__init__("\n".join(line(fault) for fault in self.faults))


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
