"""The query service in the statement: levels, keys with their matching, statuses (R97 to R100, R137 to R148)."""

from typing import Final

from schemas.dicom.query_keys import Level, query_keys
from services.cli.statement.document import Section, Table
from services.dicom.profile import Profile
from services.dicom.query_models import UNIQUE, Model
from services.dicom.status import CANNOT_UNDERSTAND, DATA_SET_MISMATCH, OUT_OF_RESOURCES, classify
from services.query.find import CANCELLED, MATCH, MATCH_WITHOUT_SOME_KEYS, SUCCESS
from services.query.questions import keys_of

_MEANINGS: Final = {
    MATCH: ("Matches are continuing", "one for each match; every key is supported"),
    MATCH_WITHOUT_SOME_KEYS: ("Matches are continuing", "one for each match; some key is not supported (notes A31)"),
    SUCCESS: ("Success", "after the last match; no identifier"),
    CANCELLED: ("Matching terminated due to cancel", "the peer cancelled"),
    OUT_OF_RESOURCES: ("Refused: Out of resources", "the database is away or busy, the query takes too long"),
    CANNOT_UNDERSTAND: ("Error: Unable to process", "the identifier cannot be read, or a fault of ours"),
}
_MISMATCH: Final = "Error: Identifier does not match SOP Class"
_MISMATCHED: Final = "the level is not of the model, or a unique key above it is missing"


def query(profile: Profile) -> Section:
    """C-FIND as SCP."""
    return Section(
        "Activity: query (SCP)",
        (
            f"Each match is a Pending response, the last response has no identifier (R97). {_relational(profile)}"
            "Patient's Name is matched as a whole, ignoring case and component limits (R99, R141). Retrieve "
            "AE Title is always returned: our own title (R140). Unique keys of the levels above are returned (R148).",
            Table("Entities (R137)", ("Level", "What it is here"), _ENTITIES),
            *(_keys(profile, Model(root), level) for root in ("PATIENT", "STUDY") for level in Model(root).levels),
            Table("Responses to C-FIND", ("Status", "Class", "Meaning", "When"), _answers(profile)),
        ),
    )


def _relational(profile: Profile) -> str:
    """Whether a unique key above the level may be missing (R98, PS3.4 C.4.1.2)."""
    return "No relational queries (R98). " if profile.xeleris else "Relational queries by extended negotiation. "


_ENTITIES = [
    ("PATIENT", "Patient"),
    ("STUDY", "Study"),
    ("SERIES", "Series"),
    ("IMAGE", "Dataset: any instance"),
]


def _keys(profile: Profile, model: Model, level: Level) -> Table:
    keys = keys_of(model, level, xeleris=profile.xeleris)
    attributes = query_keys().by_tag
    rows = [
        (
            attributes[tag].name,
            f"({tag >> 16:04X},{tag & 0xFFFF:04X})",
            "unique" if tag == UNIQUE[level] else "unique, of a level above" if tag in UNIQUE.values() else "-",
            ", ".join(sorted(kinds)) or "none, returned only",
        )
        for tag, kinds in sorted(keys.matching.items())
    ]
    columns = ("Key", "Tag", "Unique key", "Matching besides universal")
    return Table(f"{model.root.capitalize()} Root, level {level}", columns, rows)


def _answers(profile: Profile) -> list[tuple[str, str, str, str]]:
    meanings = dict(_MEANINGS)
    if profile.xeleris:
        words, when = meanings[CANNOT_UNDERSTAND]
        meanings[CANNOT_UNDERSTAND] = words, f"{when}; {_MISMATCHED} (A900 is not among its statuses, R100)"
    else:
        meanings[DATA_SET_MISMATCH] = _MISMATCH, _MISMATCHED
    return [(f"{status:04X}", classify(status).value.capitalize(), *meanings[status]) for status in sorted(meanings)]
