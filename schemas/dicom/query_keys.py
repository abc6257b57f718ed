"""The keys of C-FIND, by profile, model and level: ``query_keys.json``, checked when read."""

from collections.abc import Mapping
from functools import cache, cached_property
from importlib.resources import files
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Level = Literal["PATIENT", "STUDY", "SERIES", "IMAGE"]
Root = Literal["PATIENT", "STUDY"]
Kind = Literal["single", "wildcard", "range", "list"]
"""How a key with a value is matched (PS3.4 C.2.2.2.1, .2, .4, .5); a list matches any of its values."""
Compare = Literal["text", "name", "number", "date", "time", "modality"]
"""What the column's text means when it is compared; ``modality`` is a list of which one value must match."""


def _tag(text: object) -> object:
    return int(text, 16) if isinstance(text, str) and len(text) == 8 else text


Tag = Annotated[int, BeforeValidator(_tag), Field(ge=0, le=0xFFFFFFFF)]
_STRICT = ConfigDict(extra="forbid", frozen=True)


class QueryAttribute(BaseModel):
    """An element that can be asked for. ``matching`` is of profile gateway."""

    model_config = _STRICT

    tag: Tag
    name: str
    vr: Literal["CS", "DA", "IS", "LO", "PN", "SH", "TM", "UI", "US"]
    level: Level
    column: Annotated[str, Field(pattern="^[a-z_]+$")]
    compare: Compare
    matching: frozenset[Kind]


class KeyTable(BaseModel):
    """The keys of one level of one or both models in profile xeleris, with how each is matched."""

    model_config = _STRICT

    source: str
    roots: frozenset[Root]
    level: Level
    required: tuple[Tag, ...]
    keys: Mapping[Tag, frozenset[Kind]]


class AskedTable(BaseModel):
    """What profile xeleris asks another station at one level (R139, R144, R147, R148)."""

    model_config = _STRICT

    source: str
    level: Level
    required: tuple[Tag, ...]
    matching: Mapping[Tag, frozenset[Kind]]
    values: Mapping[Tag, tuple[str, ...]]
    requested: tuple[Tag, ...]
    structured_reports: Mapping[Tag, tuple[Tag, ...]]


class QueryKeys(BaseModel):
    """The whole document."""

    model_config = _STRICT

    about: str
    attributes: tuple[QueryAttribute, ...]
    xeleris: tuple[KeyTable, ...]
    asked: tuple[AskedTable, ...]

    @cached_property
    def by_tag(self) -> Mapping[int, QueryAttribute]:
        """The attributes by their tag."""
        return {attribute.tag: attribute for attribute in self.attributes}

    def table(self, root: Root, level: Level) -> KeyTable:
        """The table of profile xeleris for a level of a model. Raises StopIteration for a level the model lacks."""
        return next(table for table in self.xeleris if root in table.roots and level == table.level)

    def asked_at(self, level: Level) -> AskedTable:
        """The table of what is asked at a level. Raises StopIteration for PATIENT, which is never asked (R139)."""
        return next(table for table in self.asked if level == table.level)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if missing := {tag for table in self.xeleris for tag in (*table.keys, *table.required)} - set(self.by_tag):
            raise ValueError(f"keys without attribute: {sorted(missing)}")
        return self


@cache
def query_keys() -> QueryKeys:
    """The document, read once. Raises pydantic's ``ValidationError`` if the installation is damaged."""
    return QueryKeys.model_validate_json(files(__package__).joinpath("query_keys.json").read_bytes())
