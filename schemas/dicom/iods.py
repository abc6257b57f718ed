"""The form of the IOD tables (``standard_iods.json``, ``xeleris_iods.json``) and of the code tables; what each field
means stands in the ``about`` of the files. Reading one checks all of it, so that a slip is found at the first use."""

from importlib.resources import files
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Type = Literal["1", "1C", "2", "2C", "3"]
Condition = dict[str, bool | list[str]]
"""Attributes and what they must hold: one of these values, or whether they are present."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Attribute(_Model):
    """What is asked of one attribute.

    ``values``: all that it may hold, for every value or by position. ``items``: attributes of the items of a sequence,
    or the macro that has them. ``count``: the attribute that says how many items there are. ``codes``: a code table.
    """

    type: Type
    when: Condition = Field(default_factory=dict)
    unless: Condition = Field(default_factory=dict)
    values: list[str] | dict[int, list[str]] | None = None
    items: "Attributes | str | None" = None
    count: str | None = None
    codes: str | None = None


def _whole(attribute: object) -> object:
    return {"type": attribute} if isinstance(attribute, str) else attribute


Attributes = dict[str, Annotated[Attribute, BeforeValidator(_whole)]]
"""By keyword, by tag (``50000005``) or, private, by group, creator and low byte (``0009:CREATOR:01``)."""


class Module(_Model):
    """A module of attributes; ``section`` is where it is defined."""

    section: str
    title: str = ""
    attributes: Attributes


class Frames(_Model):
    """Frame Increment Pointers by Image Type value 3 and, by vector, the attribute that limits its values."""

    pointers: dict[str, list[str]]
    counts: dict[str, str]


class Iod(_Model):
    """An IOD: its modules in order, each required (M), optional (U), or required under a condition."""

    name: str
    section: str
    pixels: bool = False
    frames: Frames | None = None
    modules: dict[str, Literal["M", "U"] | Condition]


class Tables(_Model):
    """IODs by SOP Class UID, and the modules and macros they are made of."""

    about: str
    macros: dict[str, Attributes]
    modules: dict[str, Module]
    iods: dict[str, Iod]


class Codes(_Model):
    """Code tables: value, scheme, meaning. The schemes in ``same`` are compared as one."""

    about: str
    same: list[str]
    tables: dict[str, list[tuple[str, str, str]]]


Attribute.model_rebuild()
_File = TypeVar("_File", Tables, Codes)


def standard_tables() -> Tables:
    """What PS3.3 asks of the ten public classes."""
    return _read("standard_iods.json", Tables)


def xeleris_tables() -> Tables:
    """What the tables of the Xeleris ask of the objects it makes (R149 to R157)."""
    return _read("xeleris_iods.json", Tables)


def xeleris_codes() -> Codes:
    """The codes in the objects of the Xeleris (R129)."""
    return _read("xeleris_codes.json", Codes)


def _read(name: str, model: type[_File]) -> _File:
    return model.model_validate_json(files("schemas.dicom").joinpath(name).read_text(encoding="utf-8"))
