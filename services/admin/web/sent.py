"""What programs send: a field or parameter that there is not is refused, because to leave it out may do a great deal
more than was meant."""

from typing import Any

from fastapi import Request
from fastapi.dependencies.models import Dependant
from pydantic import BaseModel, ConfigDict

from services.runtime.errors import UsageError


class Sent(BaseModel):
    """The body of a request."""

    model_config = ConfigDict(extra="forbid")


async def refuse_unknown_parameters(request: Request) -> None:
    """A dependency of every route. Raises ``UsageError`` for a parameter of the query that the route has not got."""
    route: Any = request.scope["route"]
    known = _parameters(route.dependant)
    if unknown := sorted(set(request.query_params) - known):
        there = f"there are {', '.join(sorted(known))}" if known else "there are none here"
        raise UsageError(f"there is no parameter {', '.join(unknown)[:200]!r}; {there}")


def _parameters(dependant: Dependant) -> set[str]:
    names = {field.alias for field in dependant.query_params}
    return names.union(*(_parameters(each) for each in dependant.dependencies))
