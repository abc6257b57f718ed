"""What the gateway runs with."""

from typing import Final

from fastapi import APIRouter
from pydantic import BaseModel

from services.admin.settings_in_force import in_force
from services.admin.web.asking import Admin
from services.admin.web.desk import OfDesk

router: Final = APIRouter(prefix="/settings", tags=["settings"])


class Setting(BaseModel):
    """``source``: environment, file, home (its gateway.json) or default. A secret's value is not told."""

    variable: str
    value: str
    source: str


@router.get("")
async def list_settings(desk: OfDesk, principal: Admin) -> list[Setting]:
    """Those in force; they are changed in the environment of the processes, not here."""
    found = in_force(desk.all_settings(), desk.settings_of_profile())
    return [Setting(variable=each.variable, value=each.value, source=each.source) for each in found]
