"""Programs that may use the API."""

from http import HTTPStatus
from typing import Final

from fastapi import APIRouter

from services.admin.access import api_keys
from services.admin.access.api_keys import ApiKey, MadeApiKey, NewApiKey
from services.admin.web.asking import Admin
from services.admin.web.desk import OfDesk

router: Final = APIRouter(prefix="/keys", tags=["keys"])


@router.get("")
async def list_keys(desk: OfDesk, principal: Admin) -> list[ApiKey]:
    """In the order in which they were made."""
    return await api_keys.list_all(desk.database)


@router.post("", status_code=HTTPStatus.CREATED)
async def add_key(desk: OfDesk, principal: Admin, wanted: NewApiKey) -> MadeApiKey:
    """Make one; it is shown in this answer and never again."""
    return await api_keys.add(desk.database, principal.actor, wanted)


@router.delete("/{key_id}")
async def revoke_key(desk: OfDesk, principal: Admin, key_id: str) -> ApiKey:
    """Let it be good for nothing from now on."""
    return await api_keys.revoke(desk.database, principal.actor, key_id)
