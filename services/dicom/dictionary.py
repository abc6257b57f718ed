"""Names and VRs of elements: the standard's from pydicom, private ones from our own list before pydicom's.

Private elements are known by creator, group and low byte, never by the tag alone: each creator gets a block of its own
in every data set (PS3.5 section 7.8.1).
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from importlib.resources import files
from typing import Final

from pydicom._dicom_dict import DicomDictionary, RepeatersDictionary
from pydicom._private_dict import private_dictionaries
from pydicom.datadict import keyword_dict, masks

_AMBIGUOUS: Final = {"US or SS": "US", "OB or OW": "OW", "US or OW": "OW", "US or SS or OW": "OW", "NONE": "UN"}


def standard_vr(tag: int) -> str:
    """VR of a standard element, UN when the dictionary has none. US stands for ``US or SS``, OW for ``OB or OW``."""
    entry = DicomDictionary.get(tag)
    vr = entry[0] if entry is not None else _repeating_vr(tag)
    return _AMBIGUOUS.get(vr, vr)


@lru_cache(maxsize=8192)
def standard_vrs(tag: int) -> frozenset[str]:
    """All VRs that a standard element may have; none when the dictionary does not know it or leaves it open."""
    entry = DicomDictionary.get(tag)
    vrs = (entry[0] if entry is not None else _repeating_vr(tag)).split(" or ")
    return frozenset(vrs) - {"NONE", "UN"}


def signed_by_pixel_representation(tag: int) -> bool:
    """Whether the element is US or SS as Pixel Representation (0028,0103) says (PS3.5 section 6.2, PS3.3 C.7.6.3)."""
    entry = DicomDictionary.get(tag)
    return entry is not None and entry[0] in ("US or SS", "US or SS or OW")


@lru_cache(maxsize=4096)
def _repeating_vr(tag: int) -> str:
    """VR of an element of a repeating group such as (60xx,3000); group lengths are UL everywhere."""
    if not tag & 0xFFFF:
        return "UL"
    for pattern, (compared, ignored) in masks.items():
        if (tag ^ compared) & ignored == 0:
            return RepeatersDictionary[pattern][0]
    return "UN"


@lru_cache(maxsize=8192)
def private_vr(creator: str, group: int, element: int) -> str:
    """VR of a private element by creator, group and low byte of the element; UN when nobody knows it."""
    own = stated_private_element(creator, group, element)
    if own is not None:
        return own[0]
    entries = private_dictionaries.get(creator, {})
    entry = entries.get(f"{group:04x}xx{element:02x}") or entries.get(f"{group:04X}xx{element:02X}")
    return _AMBIGUOUS.get(entry[0], entry[0]) if entry is not None else "UN"


@lru_cache(maxsize=8192)
def stated_private_element(creator: str, group: int, element: int) -> tuple[str, str] | None:
    """VR and name of a private element of the Xeleris objects; None for all others."""
    own = _own_elements().get(creator, {}).get(f"{group:04X}", {}).get(f"{element:02X}")
    return None if own is None else (own[0], own[2])


def stated_private_elements() -> Iterator[tuple[str, str, str, str, str, str]]:
    """Every private element of the Xeleris objects: creator, group and low byte (hexadecimal), VR, VM, name."""
    for creator, groups in _own_elements().items():
        for group, elements in groups.items():
            for element, (vr, vm, name) in elements.items():
                yield creator, group, element, vr, vm, name


def implicit_vr(tag: int, creators: Mapping[int, str], *, signed: bool) -> str:
    """VR of an element that comes without one.

    ``creators`` are the private creators of its data set by group and block (``gggg << 8 | block``), ``signed`` what
    Pixel Representation says.
    """
    if not tag & 0x10000:
        return "SS" if signed and signed_by_pixel_representation(tag) else standard_vr(tag)
    element = tag & 0xFFFF
    if element < 0x1000:
        return "LO" if 0x10 <= element <= 0xFF else "UL" if not element else "UN"
    creator = creators.get(tag >> 8)
    return private_vr(creator, tag >> 16, tag & 0xFF) if creator else "UN"


def in_private_dictionary(creator: str, group: int, element: int | None = None) -> bool:
    """Whether our own list has the creator's element of that low byte (None: any) in the group; pydicom's does not
    count."""
    known = _own_elements().get(creator, {}).get(f"{group:04X}", {})
    return bool(known) if element is None else f"{element:02X}" in known


@cache
def _own_elements() -> dict[str, dict[str, dict[str, list[str]]]]:
    text = files("schemas.dicom").joinpath("private_elements.json").read_text(encoding="utf-8")
    elements: dict[str, dict[str, dict[str, list[str]]]] = json.loads(text)["elements"]
    return elements


def private_creators() -> frozenset[str]:
    """All creators of which some element is known."""
    return frozenset(_own_elements()) | frozenset(private_dictionaries)


def has_one_value(tag: int) -> bool:
    """Whether the standard gives an element a value multiplicity of exactly 1."""
    entry = DicomDictionary.get(tag)
    return entry is not None and entry[1] == "1"


def tag_of(keyword: str) -> int | None:
    """Tag of a standard element by its keyword."""
    tag = keyword_dict.get(keyword)
    return None if tag is None else int(tag)


def keyword_of(tag: int) -> str:
    """Keyword of a standard element; empty when it has none."""
    entry = DicomDictionary.get(tag)
    return entry[4] if entry is not None else ""


def repeating_keyword_of(tag: int) -> str:
    """Keyword of an element of a repeating group such as (50xx,3000); empty when it has none."""
    return next((RepeatersDictionary[name][4] for name, (same, any_) in masks.items() if not (tag ^ same) & any_), "")


def keywords() -> frozenset[str]:
    """All keywords of standard elements."""
    return frozenset(keyword_dict)
