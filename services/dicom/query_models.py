"""The query/retrieve information models and their hierarchy (pure; PS3.4 C.3, C.4.1.2 and C.6)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from schemas.dicom.query_keys import Level, Root

UNIQUE: Final[Mapping[Level, int]] = {
    "PATIENT": 0x00100020,
    "STUDY": 0x0020000D,
    "SERIES": 0x0020000E,
    "IMAGE": 0x00080018,
}
"""The unique key of each level, from the highest level down."""


@dataclass(frozen=True)
class Model:
    """Patient Root or Study Root, as a SOP class of C-FIND, C-MOVE or C-GET names it."""

    root: Root

    @property
    def levels(self) -> Sequence[Level]:
        """From the highest down."""
        return ("PATIENT", "STUDY", "SERIES", "IMAGE") if self.root == "PATIENT" else ("STUDY", "SERIES", "IMAGE")

    def above(self, level: Level) -> Sequence[Level]:
        """The levels above one of this model's."""
        return self.levels[: self.levels.index(level)]

    def level(self, name: str) -> Level | None:
        """The level of that name, None if this model has none such."""
        return next((level for level in self.levels if level == name), None)


_PATIENT_ROOT: Final = "1.2.840.10008.5.1.4.1.2.1."
_STUDY_ROOT: Final = "1.2.840.10008.5.1.4.1.2.2."
FIND, MOVE, GET = "1", "2", "3"
"""Last component of the SOP Class UIDs of both models (PS3.4 C.6)."""

RELATIONAL: Final = b"\x01"
"""First byte of extended negotiation: relational queries (PS3.4 C.5.1.1) or retrievals (C.5.2.1, C.5.3.1)."""


def sop_classes(operation: str) -> tuple[str, str]:
    """The SOP classes of an operation: Patient Root and Study Root."""
    return _PATIENT_ROOT + operation, _STUDY_ROOT + operation


def model_of(abstract_syntax: str, operation: str) -> Model | None:
    """The model that a SOP class of ``operation`` names, None for any other class."""
    patient_root, study_root = sop_classes(operation)
    models = {patient_root: Model("PATIENT"), study_root: Model("STUDY")}
    return models.get(abstract_syntax)
