"""A header written down by a person, for trying rules on it: elements and facts by the names that rules use. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from services.dicom.rules import values
from services.dicom.rules.names import Name, UnknownName, resolve_fact, resolve_tag
from services.dicom.rules.subject import Subject
from services.dicom.rules.uid_names import uids_named
from services.runtime.errors import UsageError

EXPLICIT_LITTLE_ENDIAN: Final = "1.2.840.10008.1.2.1"
_SHAPE: Final = "write elements and facts, each with a value by name, such as 'elements: {Modality: NM}'"


@dataclass(frozen=True)
class Defaults:
    """What an instance came by where nobody says otherwise."""

    called_aet: str
    received_at: datetime


def subject_of_header(data: Any, defaults: Defaults) -> Subject:
    """The subject that a header describes: ``{"elements": {NAME: value or list}, "facts": {NAME: value}}``.

    What is not named is missing. Raises ``UsageError`` that names every fault.
    """
    if not isinstance(data, Mapping) or not data.keys() <= {"elements", "facts"}:
        raise UsageError(f"the header: {_SHAPE}")
    faults: list[str] = []
    elements = _read(data.get("elements"), "elements", _element, faults)
    facts = _read(data.get("facts"), "facts", _fact, faults)
    if faults:
        raise UsageError("\n".join(faults))
    sop_class = elements.get("00080016")
    return Subject(
        facts={"values": elements, "cut": [], "undecodable": []},
        calling_aet=facts.get("@calling_aet", ""),
        called_aet=facts.get("@called_aet", defaults.called_aet),
        peer_address=facts.get("@peer_address", ""),
        transfer_syntax=facts.get("@transfer_syntax", EXPLICIT_LITTLE_ENDIAN),
        sop_class=facts.get("@sop_class", str(sop_class[0]) if sop_class else ""),
        received_at=facts.get("@received_at", defaults.received_at),
    )


def _read(given: Any, what: str, read: Callable[[str, Any], tuple[str, Any]], faults: list[str]) -> dict[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        faults.append(f"{what}: {_SHAPE}")
        return {}
    found: dict[str, Any] = {}
    for name, value in given.items():
        try:
            key, meaning = read(str(name), value)
            found[key] = meaning
        except (UnknownName, ValueError) as fault:
            faults.append(f"{what}.{name} = {value}: {fault}")
    return found


def _element(text: str, value: Any) -> tuple[str, list[Any]]:
    name = resolve_tag(text)
    given = value if isinstance(value, list) else [] if value is None or value == "" else [value]
    return name.key, [_value(name, each) for each in given]


def _value(name: Name, value: Any) -> Any:
    if isinstance(value, (bool, list, Mapping)):
        raise ValueError("write text or a number, or a list of these")
    if value is None or name.kind == "opaque":
        return None  # present, not extracted: what rules see of sequences and binary data
    if name.kind == "binary number":
        number = values.number(value)
        if number is None:
            raise ValueError("write a number")
        return values.of_32_bits(number) if name.vr == "FL" else number
    return values.pointer(str(value)) if name.vr == "AT" else str(value).strip()


def _fact(text: str, value: Any) -> tuple[str, Any]:
    name = resolve_fact(text)
    written = str(value)
    if name.kind == "named UID":
        found = sorted(uids_named(written, fold=True))
        if not found:
            raise ValueError("write a UID or its name in DICOM")
        return name.key, found[0]
    if name.kind == "address" and values.address(written) is None:
        raise ValueError("write an IP address")
    if name.kind == "date and time":
        return name.key, _moment(written)
    return name.key, written


def _moment(written: str) -> datetime:
    found = values.moment(written)
    if found is None:
        raise ValueError("write a date and time as 2026-01-31T12:30:00Z")
    return found.utc or found.local.replace(tzinfo=UTC)
