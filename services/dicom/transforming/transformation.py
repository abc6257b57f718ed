"""The steps of a transformation as the ledger keeps them: resolved for one sender, under a number of their own."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from pydantic import TypeAdapter

from schemas.rules.steps import AnyStep, PrefixStep, ReduceStep, ReplaceStep, SetStep, Step, TransferSyntaxStep
from services.dicom.contexts import (
    DEFLATED_LITTLE_ENDIAN,
    EXPLICIT_BIG_ENDIAN,
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
    UNCOMPRESSED,
)
from services.dicom.transcoding import ways
from services.dicom.transforming.uids import sent_uid

RECEIVED: Final = "received"
SYNTAXES: Final = {
    RECEIVED: RECEIVED,
    "explicit vr little endian": EXPLICIT_LITTLE_ENDIAN,
    "implicit vr little endian": IMPLICIT_LITTLE_ENDIAN,
    EXPLICIT_LITTLE_ENDIAN: EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN: IMPLICIT_LITTLE_ENDIAN,
}
"""What a transfer syntax preference may name, in lower case."""
PLACES: Final = ("calling_aet", "called_aet")
"""What texts of steps may name in braces."""
REWRITTEN: Final = frozenset({EXPLICIT_BIG_ENDIAN, DEFLATED_LITTLE_ENDIAN})
"""What goes as explicit or implicit VR little endian once anything of it is changed."""
_STEPS: Final[TypeAdapter[list[Step]]] = TypeAdapter(list[Step])


@dataclass(frozen=True)
class Transformation:
    """Steps, and the gateway's key for new UIDs. ``number`` is the SHA-256 of the steps: equal ones are the same.

    ``fault`` says why nothing can be sent by it: what was stored is not understood.
    """

    number: str
    steps: tuple[AnyStep, ...]
    key: bytes
    fault: str = ""

    @property
    def edits(self) -> tuple[AnyStep, ...]:
        """The steps that change elements, in their order; reduction and transfer syntax come after them."""
        return tuple(step for step in self.steps if not isinstance(step, (ReduceStep, TransferSyntaxStep)))

    @property
    def reduces(self) -> bool:
        """Whether level 1 classes are reduced (R92)."""
        return any(isinstance(step, ReduceStep) for step in self.steps)

    def ways(self, received: str) -> tuple[str, ...]:
        """The transfer syntaxes in which it may be sent, the preferred one first."""
        preferred = [each for step in self.steps if isinstance(step, TransferSyntaxStep) for each in step.prefer]
        possible = ways(received)
        if (self.edits or self.reduces) and received in REWRITTEN:
            possible = UNCOMPRESSED
        wanted = [SYNTAXES[each.strip().lower()] for each in preferred] or [RECEIVED]
        chosen: dict[str, None] = {}
        for each in wanted:
            # What was received in a syntax that nothing is written in goes as explicit, else as implicit.
            asked = [received] if received in possible else list(UNCOMPRESSED)
            chosen |= dict.fromkeys(syntax for syntax in (asked if each == RECEIVED else [each]) if syntax in possible)
        return tuple(chosen) or possible[:1]

    @property
    def summary(self) -> str:
        """What the steps do, for people."""
        return ", ".join(dict.fromkeys(str(getattr(step, "do", "")) for step in self.steps))

    def sent_uid(self, uid: str) -> str:
        """The SOP Instance UID under which an instance is sent."""
        return sent_uid(self.steps, self.key, uid)


def plain(steps: Sequence[AnyStep]) -> list[dict[str, Any]]:
    """Steps as data to be stored."""
    return [step.model_dump(mode="json", exclude_none=True) for step in steps]


def number_of(steps: Sequence[Mapping[str, Any]]) -> str:
    """The number of stored steps."""
    return hashlib.sha256(json.dumps(steps, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def stored(number: str, steps: Sequence[Mapping[str, Any]], key: bytes) -> Transformation:
    """The transformation that was stored; one with a fault for what this version does not understand."""
    return _stored(number, json.dumps(steps), key)


@lru_cache(maxsize=256)
def _stored(number: str, steps: str, key: bytes) -> Transformation:
    try:
        return Transformation(number, tuple(_STEPS.validate_json(steps)), key)
    except ValueError:
        return Transformation(number, (), key, f"transformation {number[:12]} is of another version of the gateway")


def resolved(steps: Sequence[AnyStep], facts: Mapping[str, str]) -> tuple[AnyStep, ...]:
    """Steps with the values of what their texts name in braces."""
    return tuple(_resolved(step, facts) for step in steps)


def _resolved(step: AnyStep, facts: Mapping[str, str]) -> AnyStep:
    if isinstance(step, SetStep):
        return step.model_copy(update={"value": [_filled(text, facts) for text in step.value]})
    if isinstance(step, PrefixStep):
        return step.model_copy(update={"text": _filled(step.text, facts)})
    if isinstance(step, ReplaceStep):
        return step.model_copy(update={"by": _filled(step.by, facts)})
    return step


def _filled(text: str, facts: Mapping[str, str]) -> str:
    for name in PLACES:
        text = text.replace(f"{{{name}}}", facts[name])
    return text
