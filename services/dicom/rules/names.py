"""What a rule may name: tags by keyword, number, private element or sequence path, and facts of the association."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from services.dicom.dictionary import keywords, private_creators, private_vr, standard_vr, tag_of
from services.dicom.rules.likeness import likest

_NUMBER = re.compile(r"\(\s*([0-9A-Fa-f]{4})\s*,\s*([0-9A-Fa-f]{4})\s*\)")
_PRIVATE = re.compile(r"\(\s*([0-9A-Fa-f]{4})\s*,\s*\"([^\"]{1,64})\"\s*,\s*(?:xx)?([0-9A-Fa-f]{2})\s*\)")
_STEP = re.compile(r"\((?:[^()\"]|\"[^\"]*\")*\)|[^/()]+")

_KINDS: Final = {
    **dict.fromkeys(("US", "SS", "UL", "SL", "UV", "SV", "FL", "FD"), "binary number"),
    **dict.fromkeys(("DS", "IS"), "number"),
    **dict.fromkeys(("AE", "AT", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"), "text"),
    "DA": "date",
    "TM": "time",
    "DT": "date and time",
    "AS": "age",
    "UI": "UID",
}

FACTS: Final = {
    "calling_aet": "text",
    "called_aet": "text",
    "peer_address": "address",
    "transfer_syntax": "named UID",
    "sop_class": "named UID",
    "received_at": "date and time",
}
"""Facts of the association and their kinds."""


@dataclass(frozen=True)
class Name:
    """What a condition looks at.

    ``key`` is the key in the header facts, or ``@`` and the name of an association fact; ``kind`` says which operators
    and values fit: text, UID, named UID, address, number, binary number, date, time, date and time, age, unknown
    (a private element nobody knows) or opaque (sequences and binary data).
    """

    key: str
    kind: str
    vr: str
    depth: int = 0


class UnknownName(ValueError):
    """No such tag or fact; the message is the cure."""


def resolve_fact(name: str) -> Name:
    """The association fact of that name.

    Raises:
        UnknownName: there is none.
    """
    if name not in FACTS:
        raise UnknownName(nearest(name, FACTS, "write one of " + ", ".join(FACTS)))
    return Name("@" + name, FACTS[name], "")


@lru_cache(maxsize=4096)
def resolve_tag(path: str) -> Name:
    """The element that a tag or sequence path names.

    Raises:
        UnknownName: not a tag, an unknown keyword, or a path through what is no sequence.
    """
    steps = _STEP.findall(path)
    if "/".join(steps) != path or not 1 <= len(steps) <= 16:
        raise UnknownName(
            'write a keyword, (gggg,eeee), (gggg,"CREATOR",ee), or a path of these such as '
            "RadiopharmaceuticalInformationSequence/RadionuclideTotalDose"
        )
    resolved = [_step(step.strip()) for step in steps]
    for step, (_, vr) in list(zip(steps, resolved, strict=True))[:-1]:
        if vr not in ("SQ", "UN"):
            raise UnknownName(f"{step} is no sequence (its VR is {vr}): end the path there")
    vr = resolved[-1][1]
    kind = "unknown" if vr == "UN" else _KINDS.get(vr, "opaque")
    return Name("/".join(key for key, _ in resolved), kind, vr, len(steps) - 1)


def _step(text: str) -> tuple[str, str]:
    """Fact key and VR of one step of a path."""
    if match := _NUMBER.fullmatch(text):
        tag = int(match[1] + match[2], 16)
        if tag & 0x10000 and tag & 0xFFFF > 0xFF:
            raise UnknownName(f'name the private creator: ({match[1]},"CREATOR",{match[2][2:]})')
        vr = "LO" if tag & 0x10000 else standard_vr(tag)
        if vr == "UN":
            raise UnknownName(f"{text} is no element of the DICOM dictionary; check the number")
        return f"{tag:08X}", vr
    if match := _PRIVATE.fullmatch(text):
        group, creator, element = int(match[1], 16), match[2].strip(), int(match[3], 16)
        if not group & 1:
            raise UnknownName(f"private elements have an odd group; {match[1]} is even")
        return f"{group:04X}:{creator}:{element:02X}", private_vr(creator, group, element)
    tag_number = tag_of(text)
    if tag_number is None:
        raise UnknownName(_cure(text))
    return f"{tag_number:08X}", standard_vr(tag_number)


def _cure(text: str) -> str:
    if text.startswith("("):
        creator = likest(text, tuple(private_creators()))
        hint = f"; known creators include {creator}" if creator else ""
        return f'write (gggg,eeee) or (gggg,"CREATOR",ee), both in hexadecimal{hint}'
    by_lower_case = {keyword.lower(): keyword for keyword in keywords()}
    exact = by_lower_case.get(re.sub(r"[\s'_-]", "", text).lower())
    if exact is not None:
        return f"write {exact}"
    return nearest(text, keywords(), "write a keyword of the DICOM dictionary, such as StudyDescription")


def nearest(text: str, known: "frozenset[str] | dict[str, str] | list[str]", otherwise: str) -> str:
    """The cure for a name that is not known: the name most like it, or the other advice."""
    found = likest(text, tuple(known))
    return f"did you mean {found}?" if found else otherwise
