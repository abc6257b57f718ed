"""From the identifier of a C-MOVE or C-GET to what is wanted (pure; PS3.4 C.4.2.2.1, R102 to R104)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from schemas.dicom.query_keys import Level
from services.dicom.identifiers import Identifier
from services.dicom.query_models import UNIQUE, Model
from services.runtime.errors import GatewayError

CANNOT_COUNT: Final = 0xA701
CANNOT_PERFORM: Final = 0xA702
UNKNOWN_DESTINATION: Final = 0xA801
MISMATCH: Final = 0xA900
UNABLE: Final = 0xC000


class Refusal(GatewayError):
    """A retrieval that is not begun: its final status, and why, without any value from the wire."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


@dataclass(frozen=True)
class Wish:
    """What to retrieve: ``keys`` are the values of the unique keys by level, at ``level`` any of several."""

    level: Level
    keys: Mapping[Level, tuple[str, ...]]


def wish(identifier: Identifier, model: Model | None, *, strict: bool) -> Wish:
    """What an identifier asks for. Keys that are not unique keys are passed over; PS3.4 allows none.

    ``strict`` (profile xeleris): every level above must be named, since nothing is relational (R103). Else a level
    above may be left out, as many peers do; a UID names one thing without it.

    Raises ``Refusal`` with A900.
    """
    if model is None:
        raise Refusal(MISMATCH, "the model is neither Patient Root nor Study Root")
    level = model.level(identifier.level)
    if level is None:
        raise Refusal(MISMATCH, "the level is missing or not of this model")
    keys: dict[Level, tuple[str, ...]] = {}
    for each in (*model.above(level), level):
        values = tuple(dict.fromkeys(value for value in identifier.values(UNIQUE[each]) if value))
        if len(values) > 1 and (each != level or level == "PATIENT"):
            raise Refusal(MISMATCH, f"the unique key of level {each} has several values")
        if values:
            keys[each] = values
        elif strict or each == level:
            raise Refusal(MISMATCH, f"the unique key of level {each} is missing")
    return Wish(level, keys)
