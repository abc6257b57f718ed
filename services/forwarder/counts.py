"""How many instances a source says that a series or study has, and when it is asked again (pure)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from schemas.dicom.query_keys import Level
from services.dicom.asked_keys import Asked
from services.dicom.identifiers import Identifier

_STUDY, _SERIES = 0x0020000D, 0x0020000E
_INSTANCES_OF_STUDY, _INSTANCES_OF_SERIES = 0x00201208, 0x00201209
_MOST_DIGITS: Final = 9
FIRST_WAIT_SECONDS: Final = 5.0
LONGEST_WAIT_SECONDS: Final = 300.0


@dataclass(frozen=True)
class Question:
    """A series or study that jobs collect; ``group_uid`` is its own UID. ``asked``: how often its source was."""

    source: str
    level: str
    study_instance_uid: str
    group_uid: str
    asked: int

    def identifier(self) -> Asked:
        """What is asked by C-FIND in the model Study Root."""
        if self.level == "series":
            keys = {_STUDY: self.study_instance_uid, _SERIES: self.group_uid, _INSTANCES_OF_SERIES: ""}
        else:
            keys = {_STUDY: self.study_instance_uid, _INSTANCES_OF_STUDY: ""}
        level: Level = "SERIES" if self.level == "series" else "STUDY"
        return Asked("STUDY", level, keys)

    def told(self, matches: Sequence[Identifier]) -> int | str:
        """The number of instances that matches tell, or why they tell none."""
        own, number = (_SERIES, _INSTANCES_OF_SERIES) if self.level == "series" else (_STUDY, _INSTANCES_OF_STUDY)
        found = [match.keys.get(number, "") for match in matches if match.keys.get(own) == self.group_uid]
        if not found:
            return f"{self.source} does not find the {self.level}"
        text = found[0].strip()
        if not text.isascii() or not text.isdigit() or len(text) > _MOST_DIGITS:
            return f"{self.source} does not tell how many instances the {self.level} has"
        return int(text) or f"{self.source} says that the {self.level} has no instances"

    @property
    def wait_seconds(self) -> float:
        """From this question to the next one: twice as long each time."""
        return min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * (1 << min(self.asked, 10)))
