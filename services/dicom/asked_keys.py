"""What we ask another station: the identifiers of our C-FIND and C-MOVE (pure; PS3.4 C.4.1.1.3, C.4.2.1; R125, R139,
R144, R147, R148)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from schemas.dicom.query_keys import AskedTable, Kind, Level, QueryAttribute, Root, query_keys
from services.dicom.dictionary import keyword_of, standard_vr
from services.dicom.identifiers import UTF_8, encode_identifier
from services.dicom.profile import Profile
from services.dicom.query_models import FIND, UNIQUE, Model, sop_classes
from services.dicom.uids import valid_uid
from services.runtime.errors import UsageError

_DATE: Final = re.compile(r"(\d{8})?(-)?(\d{8})?", re.ASCII)
_LONGEST: Final = 1024
"""Characters of a key: more than any VR but UT holds."""


class KeyFault(UsageError):
    """A question that cannot be put. The text names the key, the value and the cure."""


@dataclass(frozen=True)
class Asked:
    """A question at one level: ``keys`` by tag, "" to be told. ``structured_reports`` are sequences, with the elements
    of their items, and other keys that are asked only of who accepts Enhanced SR (R147)."""

    root: Root
    level: Level
    keys: Mapping[int, str]
    structured_reports: Mapping[int, tuple[int, ...]] = field(default_factory=dict)

    @property
    def sop_class(self) -> str:
        """Of the C-FIND."""
        patient_root, study_root = sop_classes(FIND)
        return patient_root if self.root == "PATIENT" else study_root

    def identifier(self, transfer_syntax: str, profile: Profile, *, structured_reports: bool = False) -> bytes:
        """The identifier for a context. Raises ``KeyFault`` for text that profile xeleris has no character set for."""
        more = self.structured_reports if structured_reports else {}
        plain = {tag: "" for tag, elements in more.items() if not elements}
        sequences = {tag: elements for tag, elements in more.items() if elements}
        for character_set in (profile.character_set,) if profile.xeleris else (profile.character_set, UTF_8):
            try:
                return encode_identifier(
                    self.level, {**self.keys, **plain}, transfer_syntax, character_set=character_set,
                    sequences=sequences,
                )  # fmt: skip
            except UnicodeError:
                continue
        raise KeyFault(
            f"a key has a character that {profile.character_set} does not hold (R125); write a ? in its place, or use "
            "GATEWAY_PROFILE=gateway"
        )


def asked(profile: Profile, level: Level, given: Mapping[int, str], root: Root = "STUDY") -> Asked:
    """The question with these criteria, by tag. Raises ``KeyFault``."""
    model = Model(root)
    if level not in model.levels:
        raise KeyFault(f"level {level}: the model Study Root has STUDY, SERIES and IMAGE")
    if profile.xeleris and root == "PATIENT":
        raise KeyFault("profile xeleris queries in the model Study Root only (R12, R59)")
    keys = {tag: _stripped(tag, text) for tag, text in given.items() if text.strip()}
    table = query_keys().asked_at(level) if level != "PATIENT" else None
    if profile.xeleris and table is not None:
        _check_stated(table, keys)
        _check_above(model, level, keys)
        requested = (*table.required, *table.matching, *table.requested)
    else:
        _check_above(model, level, keys)
        _check_known(keys)
        requested = (*_everything(model, level), *(table.requested if table else ()))
    more = table.structured_reports if table else {}
    return Asked(root, level, dict.fromkeys(requested, "") | keys, more)


def retrieved(level: Level, study: str, series: str, uid: str) -> Mapping[int, str]:
    """The unique keys of a C-MOVE at STUDY, SERIES or IMAGE level (PS3.4 C.4.2.1.4.1); upper ones are "" where none."""
    above = {"STUDY": (), "SERIES": (("STUDY", study),), "IMAGE": (("STUDY", study), ("SERIES", series))}[level]
    return {UNIQUE[each]: value for each, value in (*above, (level, uid))}  # type: ignore[index]


def _everything(model: Model, level: Level) -> list[int]:
    """Profile gateway: every key of the level, in Study Root the patient's too, and the unique keys above."""
    levels = {level} | ({"PATIENT"} if level == "STUDY" and model.root == "STUDY" else set())
    own = [each.tag for each in query_keys().attributes if each.level in levels]
    return [*(UNIQUE[each] for each in model.above(level)), *own]


def _check_above(model: Model, level: Level, keys: Mapping[int, str]) -> None:
    """The unique keys above are there: nothing is relational (R30, R148)."""
    for each in model.above(level):
        if not keys.get(UNIQUE[each]):
            raise KeyFault(f"{keyword_of(UNIQUE[each])} is missing: a query at level {level} names one (R56, R148)")
        _check(UNIQUE[each], keys[UNIQUE[each]], frozenset({"single"}))


def _check_stated(table: AskedTable, keys: Mapping[int, str]) -> None:
    for tag, text in keys.items():
        if tag in table.required:
            continue
        if tag not in table.matching:
            raise KeyFault(
                f"{keyword_of(tag)} is no criterion at level {table.level} in profile xeleris (R56, R144); leave it "
                "out, or use GATEWAY_PROFILE=gateway"
            )
        if tag in table.values and text not in table.values[tag]:
            raise KeyFault(f"{keyword_of(tag)} = {text}: give one of {', '.join(table.values[tag])} (R144)")
        if tag not in table.values:
            _check(tag, text, table.matching[tag])


def _check_known(keys: Mapping[int, str]) -> None:
    known: Mapping[int, QueryAttribute] = query_keys().by_tag
    every: frozenset[Kind] = frozenset({"single", "wildcard", "list", "range"})
    for tag, text in keys.items():
        _check(tag, text, known[tag].matching or every if tag in known else every)


def _check(tag: int, text: str, kinds: frozenset[Kind]) -> None:
    """A value is of its kind (PS3.4 C.2.2.2) and VR as far as that is sure."""
    vr, name = standard_vr(tag), keyword_of(tag)
    if vr == "UI" and not all(map(valid_uid, text.split("\\"))):
        raise KeyFault(f"{name} = {text}: give a UID: digits and dots, at most 64 characters")
    if vr == "DA" and not _is_date(text, ranges="range" in kinds):
        raise KeyFault(f"{name} = {text}: give a date or a range: 20260131, 20260101-20260131, 20260101- or -20260131")
    if "list" not in kinds and "\\" in text:
        raise KeyFault(f"{name} = {text}: give one value")
    if vr not in ("DA", "UI") and "wildcard" not in kinds and any(letter in text for letter in "*?"):
        raise KeyFault(f"{name} = {text}: give one value without * and ?")


def _is_date(text: str, *, ranges: bool) -> bool:
    matched = _DATE.fullmatch(text)
    if matched is None or not text.strip("-") or (matched[2] and not ranges) or (matched[3] and not matched[2]):
        return False
    try:
        days = [datetime.strptime(each, "%Y%m%d") for each in (matched[1], matched[3]) if each]  # noqa: DTZ007 - a day
    except ValueError:
        return False
    return days == sorted(days)


def _stripped(tag: int, text: str) -> str:
    stripped = text.strip()
    if len(stripped) > _LONGEST or not stripped.isprintable():
        raise KeyFault(f"{keyword_of(tag)}: give at most {_LONGEST} printable characters")
    return stripped
