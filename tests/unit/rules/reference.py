"""The rule language evaluated as plainly as docs/rules.md tells it, sharing nothing with services.dicom.rules.

A header is a mapping from a step of a path, as rules write it, to an ``Element``, or to a list of headers: the items of
a sequence.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from ipaddress import ip_address, ip_network
from typing import Any, Union

import pydicom

Header = Mapping[str, Union["Element", "list[Header]"]]
Value = str | int | float


@dataclass(frozen=True)
class Element:
    """An element: ``values`` is None where they are binary data that nobody reads."""

    vr: str
    values: tuple[Value, ...] | None
    decodable: bool = True


def routed(rules: Sequence[Mapping[str, Any]], header: Header, came: Mapping[str, Any]) -> list[str]:
    """Names of the rules that match an instance with this header that came so."""
    names = []
    for rule in rules:
        if rule.get("enabled", True) and holds(rule["when"], header, came):
            names.append(rule["name"])
            if rule.get("stop"):
                break
    return names


def deliveries(rules: Sequence[Mapping[str, Any]], header: Header, came: Mapping[str, Any]) -> dict[str, str]:
    """By destination the rule that sends there."""
    matching, sent = routed(rules, header, came), dict[str, str]()
    for rule in rules:
        for target in rule["send"] if rule["name"] in matching else []:
            if target["to"] != came["calling_aet"] or rule.get("back"):
                sent.setdefault(target["to"], rule["name"])
    return sent


def holds(node: Mapping[str, Any], header: Header, came: Mapping[str, Any]) -> bool:
    """Whether a node is true."""
    if "all" in node:
        return all(holds(each, header, came) for each in node["all"])
    if "any" in node:
        return any(holds(each, header, came) for each in node["any"])
    if "none" in node:
        return not any(holds(each, header, came) for each in node["none"])
    if "fact" in node:
        return _fact_holds(node, came[node["fact"]])
    found = _elements([header], node["tag"].split("/"))
    if not found or not all(each.decodable for each in found if isinstance(each, Element)):
        return bool(node["op"] == "absent")
    if node["op"] in ("exists", "absent"):
        return bool(node["op"] == "exists")
    read = [each for each in found if isinstance(each, Element) and each.values is not None]
    if not read:
        return False
    values = [value for each in read for value in each.values or ()]
    return _values_hold(node, read[0].vr, values or [""])


def _elements(headers: Sequence[Header], steps: Sequence[str]) -> list[Any]:
    found = [header[steps[0]] for header in headers if steps[0] in header]
    if len(steps) == 1:
        return found
    return _elements([item for items in found if isinstance(items, list) for item in items], steps[1:])


def _fact_holds(node: Mapping[str, Any], value: Any) -> bool:
    if node["op"] in ("exists", "absent"):
        return bool(node["op"] == "exists")
    if node["fact"] == "received_at":
        return _values_hold(node, "DT", [value.isoformat()])
    if node["fact"] == "peer_address" and node["op"] in ("equals", "not_equals", "in"):
        wanted = node["value"] if node["op"] == "in" else [node["value"]]
        inside = any(ip_address(value) in ip_network(each) for each in wanted)
        return inside is not (node["op"] == "not_equals")
    if node["fact"] in ("sop_class", "transfer_syntax"):
        uid = pydicom.uid.UID(value)
        return _values_hold(node, "LO", [value, uid.name, uid.keyword])
    return _values_hold(node, "LO", [value])


def _values_hold(node: Mapping[str, Any], vr: str, values: Sequence[Value]) -> bool:
    op, wanted = node["op"], node.get("value")
    if op == "not_equals":
        as_text = vr not in _MEANINGS or vr == "UN" or wanted == "" or values == [""]
        understood = as_text or any(_meaning(vr, value) is not None for value in values)
        return understood and not _values_hold({**node, "op": "equals"}, vr, values)
    if op == "in":
        return any(_values_hold({**node, "op": "equals", "value": each}, vr, values) for each in wanted)
    return any(_value_holds(op, vr, value, wanted, fold=node.get("ignore_case", True)) for value in values)


def _value_holds(op: str, vr: str, value: Value, wanted: Any, *, fold: bool) -> bool:
    text = str(value)
    if op == "regex":
        return re.search(wanted, text, re.IGNORECASE if fold else 0) is not None
    if op in ("contains", "starts_with", "wildcard"):
        pattern = str(wanted)
        text, pattern = (text.casefold(), pattern.casefold()) if fold else (text, pattern)
        if op == "wildcard":
            return _fits(text, pattern)
        return pattern in text if op == "contains" else text[: len(pattern)] == pattern
    if op == "equals" and (vr not in _MEANINGS or vr == "UN" or wanted == ""):
        other = re.sub(r"[(),]", "", str(wanted)) if vr == "AT" else str(wanted)
        return text.casefold() == other.casefold() if fold else text == other
    return _ordered(op, _meaning(vr, value), vr, wanted)


def _fits(text: str, pattern: str) -> bool:
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(_fits(text[place:], pattern[1:]) for place in range(len(text) + 1))
    return bool(text) and pattern[0] in ("?", text[0]) and _fits(text[1:], pattern[1:])


def _ordered(op: str, meaning: Any, vr: str, wanted: Any) -> bool:
    if meaning is None:
        return False
    if op == "between":
        return _ordered("ge", meaning, vr, wanted[0]) and _ordered("le", meaning, vr, wanted[1])
    other = _meaning(vr, wanted)
    if vr == "DT":
        aware = meaning.tzinfo is not None and other.tzinfo is not None
        meaning, other = (each if aware else each.replace(tzinfo=None) for each in (meaning, other))
    return bool({
        "equals": meaning == other, "lt": meaning < other, "le": meaning <= other, "gt": meaning > other,
        "ge": meaning >= other,
    }[op])  # fmt: skip


def _number(text: str) -> Fraction | None:
    try:
        return Fraction(float(text))
    except ValueError:
        return None


def _date(text: str) -> str | None:
    digits = re.sub(r"[-.]", "", text)
    try:
        datetime.strptime(digits, "%Y%m%d")  # noqa: DTZ007 - a date has no time zone
    except ValueError:
        return None
    return digits if len(digits) == 8 else None


def _time(text: str) -> Fraction | None:
    match = re.fullmatch(r"(\d\d):?(\d\d)?:?(\d\d(?:\.\d+)?)?", text)
    if match is None or int(match[1]) > 23 or int(match[2] or 0) > 59:
        return None
    return int(match[1]) * 3600 + int(match[2] or 0) * 60 + Fraction(match[3] or 0)


def _moment(text: str) -> datetime | None:
    match = re.fullmatch(r"(.*?)(Z|[+-]\d\d:?\d\d)?", text.replace("T", ""))
    if match is None:
        return None
    written, offset = match[1], match[2] if len(match[1]) > 8 else None
    if match[2] and offset is None:
        written += match[2]
    digits = re.sub(r"[-:]", "", written)
    for shape in ("%Y", "%Y%m", "%Y%m%d", "%Y%m%d%H", "%Y%m%d%H%M", "%Y%m%d%H%M%S", "%Y%m%d%H%M%S.%f"):
        try:
            local = datetime.strptime(digits, shape)  # noqa: DTZ007 - its offset follows
        except ValueError:
            continue
        if offset is None:
            return local
        hours = 0 if offset == "Z" else int(offset.replace(":", "")[1:3]) * 60 + int(offset[-2:])
        return local.replace(
            tzinfo=UTC if not hours else timezone(timedelta(minutes=-hours if offset[0] == "-" else hours))
        )
    return None


def _age(text: str) -> Fraction | None:
    match = re.fullmatch(r"(\d{3})([DWMY])", text)
    days = {"D": Fraction(1), "W": Fraction(7), "M": Fraction("365.25") / 12, "Y": Fraction("365.25")}
    return None if match is None else int(match[1]) * days[match[2]]


_MEANINGS = {
    **dict.fromkeys(("DS", "IS", "US", "SS", "FL", "FD", "UN"), _number),
    "DA": _date, "TM": _time, "DT": _moment, "AS": _age,
}  # fmt: skip


def _meaning(vr: str, value: Any) -> Any:
    return _MEANINGS[vr](str(value))
