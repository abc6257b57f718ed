"""From an identifier to a question (pure; PS3.4 C.4.1.2, C.4.1.3; R98, R137 to R148)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from schemas.dicom.query_keys import Kind, Level, QueryAttribute, query_keys
from services.dicom.identifiers import Identifier, IdentifierFault
from services.dicom.matching import Condition, conditions
from services.dicom.query_models import UNIQUE, Model

RETRIEVE_AE_TITLE: Final = 0x00080054


class Mismatch(IdentifierFault):
    """The identifier does not fit the SOP class: its level, or a unique key that the hierarchy wants (PS3.4 C.4.1)."""


@dataclass(frozen=True)
class Question:
    """What matches, and which elements a response returns, in the order of their tags.

    ``complete`` is false when something was asked that is not supported: then responses say FF01, not FF00.
    """

    level: Level
    conditions: tuple[Condition, ...]
    returned: tuple[QueryAttribute, ...]
    complete: bool


@dataclass(frozen=True)
class Keys:
    """The keys of one level of one model in one profile: how each is matched, and the unique keys that must be named.

    A key with an empty set is returned only.
    """

    matching: Mapping[int, frozenset[Kind]]
    required: Sequence[int]


def keys_of(model: Model, level: Level, *, xeleris: bool) -> Keys:
    """The keys of a level: the table of the statement, or everything at the level and above it."""
    data, above = query_keys(), [UNIQUE[each] for each in model.above(level)]
    if xeleris:
        table = data.table(model.root, level)
        # R148: unique keys of the levels above come with the request and are returned, listed or not.
        single: frozenset[Kind] = frozenset({"single"})
        return Keys(dict.fromkeys(above, single) | dict(table.keys), table.required)
    order = list(UNIQUE)
    reached = order[: order.index(level) + 1]
    return Keys({each.tag: each.matching for each in data.attributes if each.level in reached}, above)


def question(identifier: Identifier, model: Model, *, xeleris: bool, relational: bool = False) -> Question:
    """What an identifier asks.

    Raises ``Mismatch`` when it does not fit the model, ``IdentifierFault`` for a date or time that is none.
    """
    level = model.level(identifier.level)
    if level is None:
        raise Mismatch("query/retrieve level is missing or not of this model")
    keys = keys_of(model, level, xeleris=xeleris)
    if not relational:
        check_hierarchy(identifier, keys.required)
    attributes = query_keys().by_tag
    asked = {tag for tag in identifier.keys if tag != RETRIEVE_AE_TITLE}
    known = asked & keys.matching.keys()
    unique = {UNIQUE[each] for each in (*model.above(level), level)}
    return Question(
        level,
        tuple(
            condition
            for tag in sorted(known)
            for condition in conditions(attributes[tag], identifier.keys[tag], keys.matching[tag])
        ),
        tuple(attributes[tag] for tag in sorted(known | unique)),
        asked == known and not identifier.others,
    )


def check_hierarchy(identifier: Identifier, required: Sequence[int]) -> None:
    """Each of these unique keys has one value, without wildcards (PS3.4 C.4.1.2.1). Raises ``Mismatch``."""
    for tag in required:
        values = identifier.values(tag)
        if len(values) != 1 or any(character in "*?" for character in values[0]):
            raise Mismatch("a unique key of a level above must have one value")
