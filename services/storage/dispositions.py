"""What a received instance is, given what is known of its SOP Instance UID (promise P5). Pure.

Identity is SOP Instance UID plus SHA-256 of the data set.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from schemas.messages.instance import Disposition

Policy = Literal["route", "keep", "hold", "refuse"]
IdentityChange = Literal["insert", "revive", "none"]

LIVE: Final = frozenset({"STORED", "DAMAGED"})
BY_POLICY: Final[dict[Policy, Disposition]] = {
    "route": "REVISION",
    "keep": "KEPT",
    "hold": "HELD",
    "refuse": "HELD",  # ingest refuses; one that slipped through while the first was being recorded is held
}

REVISION_FLAG: Final = "revision"
CORRECTED_FLAG: Final = "corrected"
TRANSFER_SYNTAX_FLAG: Final = "transfer-syntax-only"
FACTS_REFUSED_FLAG: Final = "facts-refused"
TOO_OFTEN_FLAG: Final = "received-too-often"

DEPENDS_ON_ENCODING: Final = frozenset(
    {"00080008", "00280004", "00280006", "00282110", "00282112", "00282114", "00280106", "00280107"}
)
"""Image Type, Photometric Interpretation, Planar Configuration, lossy compression, smallest and largest pixel value."""


@dataclass(frozen=True)
class Content:
    """Where the bytes of a data set are: ``size`` of them in an object from ``data_set_offset``."""

    object_key: str
    data_set_offset: int
    size: int
    transfer_syntax_uid: str


@dataclass(frozen=True)
class Known:
    """A row of storage.identity with the facts of its receipt."""

    revision: int
    sha256: str
    state: str
    transfer_syntax_uid: str
    facts: Mapping[str, Any] | None = None
    object_key: str = ""
    data_set_offset: int = 0
    size: int = 0

    @property
    def content(self) -> Content:
        """Its bytes."""
        return Content(self.object_key, self.data_set_offset, self.size, self.transfer_syntax_uid)

    @property
    def live(self) -> bool:
        """Not deleted and not about to be."""
        return self.state in LIVE


@dataclass(frozen=True)
class Arrival:
    """What of a receipt decides. ``delivered_to_sender``: we (may) have sent that UID to the station it came from, and
    what we sent, under that UID or as a copy with this one, is still here: what was deleted is not held against it.

    ``corrected``: a person had it made from an earlier revision, and it is routed whatever its source's policy.
    ``other_pixels`` are the hashes of known contents that say the same (``look_alikes``) but of other pixel data.
    """

    sha256: str
    transfer_syntax_uid: str
    facts: Mapping[str, Any]
    policy: Policy = "route"
    delivered_to_sender: bool = False
    recovered: bool = False
    corrected: bool = False
    other_pixels: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Decision:
    """``revision`` is the identity's; ``redundant`` objects are deleted once the first one was verified."""

    disposition: Disposition
    revision: int
    identity: IdentityChange
    flags: tuple[str, ...] = ()

    @property
    def redundant(self) -> bool:
        """The object adds nothing to the one that is there."""
        return self.identity == "none"


def decide(arrival: Arrival, known: Sequence[Known]) -> Decision:
    """The decision on one arrival, ``known`` being all rows of its UID.

    Content that was deleted and comes again is new: its row is revived, because UID and hash are unique.
    """
    same = next((row for row in known if row.sha256 == arrival.sha256), None)
    if same is not None and same.live:
        return Decision("DUPLICATE", same.revision, "none")
    live = [row for row in known if row.live]
    if arrival.corrected:
        change: IdentityChange = "revive" if same else "insert"
        return Decision("REVISION", _revision(same, known), change, (REVISION_FLAG, CORRECTED_FLAG))
    flags = (REVISION_FLAG,) if live else ()
    disposition = _disposition(arrival, live)
    if live and disposition == "HELD" and _only_another_syntax(arrival, live):
        flags = (TRANSFER_SYNTAX_FLAG,)
    return Decision(disposition, _revision(same, known), "revive" if same else "insert", flags)


def _disposition(arrival: Arrival, live: Sequence[Known]) -> Disposition:
    if arrival.recovered:
        return "RECOVERED"
    if arrival.delivered_to_sender:
        return "RETURNED"
    if not live:
        return "NEW"
    return "HELD" if _only_another_syntax(arrival, live) else BY_POLICY[arrival.policy]


def _revision(same: Known | None, known: Sequence[Known]) -> int:
    """A revived row keeps its number unless a later one exists: revisions are in order of arrival."""
    newest = max((row.revision for row in known), default=0)
    return newest if same is not None and same.revision == newest else newest + 1


def look_alikes(arrival: Arrival, known: Sequence[Known]) -> list[Known]:
    """Live rows that say the same in another transfer syntax; whether their pixel data is the same, facts cannot tell.

    None for content that is known already.
    """
    if arrival.corrected or any(row.sha256 == arrival.sha256 and row.live for row in known):
        return []
    return [
        row
        for row in known
        if row.live and row.transfer_syntax_uid != arrival.transfer_syntax_uid and same_facts(row.facts, arrival.facts)
    ]


def _only_another_syntax(arrival: Arrival, live: Sequence[Known]) -> bool:
    return any(row.sha256 not in arrival.other_pixels for row in look_alikes(arrival, live))


def same_facts(one: Mapping[str, Any] | None, other: Mapping[str, Any]) -> bool:
    """Whether two data sets say the same in all that does not depend on their encoding.

    Private elements do not count: implicit VR hides their type. Nothing to compare is not the same.
    """
    first, second = _comparable(one or {}), _comparable(other)
    return bool(first) and first == second


def _comparable(facts: Mapping[str, Any]) -> dict[str, Any]:
    values: Mapping[str, Any] = facts.get("values", {})
    return {
        key: found
        for key, found in values.items()
        if ":" not in key and key not in DEPENDS_ON_ENCODING and None not in found
    }
