"""What people give of a thing that is configured (pure)."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from services.runtime.errors import UsageError


def fields_of(model: type[BaseModel], thing: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """As they are. Raises ``UsageError`` for those that a thing of that kind has not got: they would do nothing."""
    if unknown := sorted(map(str, given.keys() - model.model_fields.keys())):
        raise UsageError(
            f"{thing}: it has no field {', '.join(unknown)[:200]}; its fields are {', '.join(model.model_fields)}"
        )
    return dict(given)


def changes_of(name_field: str, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """What is to be changed of the thing of that name. Raises ``UsageError`` where it is given another name."""
    other = given.get(name_field, name)
    if not isinstance(other, str) or other.strip() != name:
        raise UsageError(
            f"{name_field} {other!r:.80}: {name} keeps its {name_field}; define another one, and remove this one"
        )
    return {**given, name_field: name}
