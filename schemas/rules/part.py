"""What all parts of a rule document have in common."""

from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError


class Part(BaseModel):
    """A part of a rule document: unknown fields are faults, and it never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def fault(field: str, value: Any, cure: str) -> PydanticCustomError:
    """The error that carries a fault through pydantic; ``field`` is relative to where it is raised."""
    return PydanticCustomError("rule_fault", "{cure}", {"field": field, "value": value, "cure": cure})
