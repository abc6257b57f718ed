"""What a station says that it has: C-FIND in the model Study Root, over an open association."""

from collections.abc import Callable, Mapping
from typing import Final, Literal

from services.dicom import commands, status
from services.dicom.contexts import UNCOMPRESSED, PresentationContext
from services.dicom.identifiers import Identifier, IdentifierFault, decode_identifier, encode_identifier
from services.dicom.pending import MatchLimits
from services.dicom.query_models import FIND, sop_classes
from services.dicom.requestor import Requestor
from services.dicom.uids import valid_uid

STUDY_ROOT: Final = sop_classes(FIND)[1]
CONTEXTS: Final = tuple((STUDY_ROOT, syntax) for syntax in UNCOMPRESSED)
MOST: Final = MatchLimits(200_000, 256 << 20)

_STUDY, _SERIES, _INSTANCE = 0x0020000D, 0x0020000E, 0x00080018
_INSTANCES_OF_STUDY, _INSTANCES_OF_SERIES = 0x00201208, 0x00201209
_STUDY_DATE, _MODALITIES_IN_STUDY = 0x00080020, 0x00080061


class NotTold(Exception):
    """The station does not answer a question. The text says with what it refused."""


class AskedArchive:
    """The answers of the peer of an open association; ``meanwhile`` is called while it is waited for. Every method
    raises ``NotTold``; errors of the association pass through."""

    def __init__(
        self,
        requestor: Requestor,
        context: PresentationContext,
        limits: MatchLimits = MOST,
        meanwhile: Callable[[], None] | None = None,
    ) -> None:
        self._requestor, self._context = requestor, context
        self._limits, self._meanwhile = limits, meanwhile

    def studies(self, since: str, modality: str = "") -> Mapping[str, int | None]:
        """Studies from a Study Date (YYYYMMDD) on, with the instances that it has of each; None: it counts none.

        With ``modality`` only those that have it. What it tells nevertheless, and says itself that it is not asked for,
        is left out.
        """
        keys = {_STUDY: "", _STUDY_DATE: f"{since}-", _MODALITIES_IN_STUDY: modality, _INSTANCES_OF_STUDY: ""}
        return {
            match.keys[_STUDY]: _count(match, _INSTANCES_OF_STUDY)
            for match in self._find("STUDY", keys)
            if valid_uid(match.keys.get(_STUDY, "")) and _wanted(match, since, modality)
        }

    def study(self, study: str) -> int | Literal["absent"] | None:
        """Instances that it has of a study; None: it does not count them."""
        matches = self._find("STUDY", {_STUDY: study, _INSTANCES_OF_STUDY: ""})
        found = [match for match in matches if match.keys.get(_STUDY) == study]
        if not found:
            return "absent"
        return _count(found[0], _INSTANCES_OF_STUDY)

    def series(self, study: str) -> Mapping[str, int | None]:
        """Instances that it has of each series of a study; None: it does not count them. Matches that name no series
        are none."""
        matches = self._find("SERIES", {_STUDY: study, _SERIES: "", _INSTANCES_OF_SERIES: ""})
        return {
            match.keys[_SERIES]: _count(match, _INSTANCES_OF_SERIES) for match in matches if match.keys.get(_SERIES)
        }

    def instances(self, study: str, series: str) -> frozenset[str]:
        """SOP Instance UIDs that it has of a series. Matches of which it says itself that they are of another one are
        none."""
        asked = {_STUDY: study, _SERIES: series}
        matches = self._find("IMAGE", asked | {_INSTANCE: ""})
        found = [match.keys for match in matches if all(match.keys.get(tag) in ("", None, asked[tag]) for tag in asked)]
        return frozenset(keys[_INSTANCE] for keys in found if keys.get(_INSTANCE))

    def _find(self, level: str, keys: Mapping[int, str]) -> list[Identifier]:
        """All matches. Raises ``NotTold`` for a failure, for more than are taken, and for what cannot be read."""
        matches: list[Identifier] = []
        syntax = self._context.transfer_syntax

        def match(data: bytes) -> None:
            matches.append(decode_identifier(data, syntax))

        try:
            found = self._requestor.find(
                self._context, encode_identifier(level, keys, syntax), match, limits=self._limits, cancel=True,
                meanwhile=self._meanwhile,
            )  # fmt: skip
        except IdentifierFault as fault:
            raise NotTold(f"a match that cannot be read ({fault})") from fault
        if found.cut:
            raise NotTold(f"more than {self._limits.count} matches")
        if status.classify(found.response.status) is not status.SUCCESS:
            words = status.name(found.response.status, commands.C_FIND)
            raise NotTold(f"C-FIND answered with status {found.response.status:04X} ({words})")
        return matches


def _wanted(match: Identifier, since: str, modality: str) -> bool:
    """Whether a study is one that was asked for, as far as it says."""
    modalities, date = match.values(_MODALITIES_IN_STUDY), match.keys.get(_STUDY_DATE, "")
    return not (modality and modalities and modality not in modalities) and not (len(date) == 8 and date < since)


def _count(match: Identifier, tag: int) -> int | None:
    text = match.keys.get(tag, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None
