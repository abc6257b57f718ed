"""What becomes of an instance for its SOP class, whatever the rules say (R96, R122). Pure."""

from dataclasses import dataclass
from typing import Final

from services.dicom.rules.compile import Match

PET_RAW_RULE: Final = "PET raw data (R122)"
UNSENDABLE: Final = "class cannot be sent (R96)"


@dataclass(frozen=True)
class ByClass:
    """``pet_raw`` and ``unsendable`` are the profile's classes; ``pet_raw_station``: who takes PET raw data (None:
    nobody does)."""

    pet_raw: frozenset[str] = frozenset()
    unsendable: frozenset[str] = frozenset()
    pet_raw_station: str | None = None

    def decides(self, sop_class: str) -> bool:
        """Whether the class is one that is told apart here."""
        return sop_class in self.pet_raw or sop_class in self.unsendable

    def matches(self, sop_class: str) -> tuple[Match, ...]:
        """What sends an instance of the class besides the rules, after them."""
        if self.pet_raw_station is None or sop_class not in self.pet_raw:
            return ()
        return (pet_raw_match(self.pet_raw_station),)

    def note(self, sop_class: str) -> str:
        """Why PET raw data does not go besides the rules, or "": the flag was taken away after its receipt."""
        lost = self.pet_raw_station is None and sop_class in self.pet_raw
        return "PET raw data: no station is flagged --pet-raw" if lost else ""

    def refusal(self, sop_class: str) -> str:
        """Why no instance of the class is sent anywhere, or ""."""
        return UNSENDABLE if sop_class in self.unsendable else ""


def pet_raw_match(station: str) -> Match:
    """What sends PET raw data to the station that takes it, besides what the rules say (R122)."""
    return Match(rule=PET_RAW_RULE, level="instance", quiet_seconds=0, destinations=(station,), priority="normal")
