"""Stations and rules that are kept in files, which somebody else applies: the desk shows them and changes nothing."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Final, Literal

from fastapi import Depends

from services.admin.access.principal import Principal
from services.admin.web.asking import Admin, NotAllowed
from services.admin.web.desk import Desk, OfDesk

Kept = Literal["stations", "rules"]
NOTE: Final = "The {what} of this gateway are kept in files, which are applied at each installation: change them there."


def note(desk: Desk, what: Kept) -> str:
    """What is said of it; empty where people change them here."""
    kept = desk.settings.stations_in_files if what == "stations" else desk.settings.rules_in_files
    return NOTE.format(what=what) if kept else ""


def changing(what: Kept) -> Callable[[Desk, Principal], Awaitable[Principal]]:
    """The dependency of what changes them. Raises ``NotAllowed``, also as ``Admin`` does."""

    async def found(desk: OfDesk, principal: Admin) -> Principal:
        if told := note(desk, what):
            raise NotAllowed(told)
        return principal

    return found


ChangesStations = Annotated[Principal, Depends(changing("stations"))]
ChangesRules = Annotated[Principal, Depends(changing("rules"))]
