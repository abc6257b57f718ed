"""People who may log in, and programs that may use the API."""

from functools import partial
from typing import Annotated, Final

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from services.admin.access import accounts, api_keys
from services.admin.access.api_keys import NewApiKey
from services.admin.access.role import Role
from services.admin.web.asking import Admin
from services.admin.web.desk import Desk, OfDesk
from services.admin.web.finding import Find, find_shown, fitting
from services.admin.web.preconditions import require, tag_of
from services.admin.web.rendering import page
from services.admin.web.told import Once
from services.runtime.clock import now
from services.runtime.errors import UsageError

router: Final = APIRouter(prefix="/users")
MEANINGS: Final = {
    Role.VIEWER: "looks",
    Role.OPERATOR: "acts on jobs, studies and holds",
    Role.ADMIN: "changes the configuration",
}
Name = Annotated[str, Form(max_length=200)]
Password = Annotated[str, Form(max_length=1000)]


@router.get("")
async def list_users(request: Request, desk: OfDesk, principal: Admin, find: Find = "") -> Response:
    """All of them, people and keys, or those that a text fits."""
    return await _page(request, desk, find=find)


@router.post("")
async def add_user(
    request: Request, desk: OfDesk, principal: Admin, name: Name, role: Annotated[Role, Form()], password: Password = ""
) -> Response:
    """Let somebody log in; without a password one is made."""
    added = await accounts.add(desk.database, principal.actor, name, role, password or None)
    told = None if added.password is None else Once(f"Password of {added.name}", added.password)
    return await _page(request, desk, told)


@router.post("/role")
async def set_role(
    request: Request, desk: OfDesk, principal: Admin, name: Name, role: Annotated[Role, Form()],
    seen: Annotated[str, Form()],
) -> Response:  # fmt: skip
    """Let him do more, or less."""
    await accounts.set_role(desk.database, principal.actor, name, role, partial(require, seen))
    return await _page(request, desk)


@router.post("/password")
async def set_password(
    request: Request, desk: OfDesk, principal: Admin, name: Name, password: Password = ""
) -> Response:
    """Give him another one; his sessions end."""
    made = await accounts.set_password(desk.database, principal.actor, name, password or None)
    return await _page(request, desk, None if made is None else Once(f"Password of {accounts.name_of(name)}", made))


@router.post("/remove")
async def remove_user(request: Request, desk: OfDesk, principal: Admin, name: Name) -> Response:
    """Let him log in no longer."""
    await accounts.remove(desk.database, principal.actor, name)
    return await _page(request, desk)


@router.post("/keys")
async def add_key(
    request: Request, desk: OfDesk, principal: Admin, name: Annotated[str, Form(max_length=100)],
    role: Annotated[Role, Form()], days: Annotated[str, Form(max_length=10)] = "",
) -> Response:  # fmt: skip
    """Make one; it is shown in this answer and never again."""
    wanted = NewApiKey(name=_name(name), role=role, days=_days(days))
    made = await api_keys.add(desk.database, principal.actor, wanted)
    return await _page(request, desk, Once(f"Key of {made.name}", made.key))


@router.post("/keys/{key_id}/revoke")
async def revoke_key(request: Request, desk: OfDesk, principal: Admin, key_id: str) -> Response:
    """Let it be good for nothing from now on."""
    await api_keys.revoke(desk.database, principal.actor, key_id)
    return await _page(request, desk)


async def _page(request: Request, desk: Desk, once: Once | None = None, find: str | None = None) -> Response:
    find = find_shown(request) if find is None else find
    rows = fitting(await accounts.list_all(desk.database), find, lambda user: (user["name"], user["role"]))
    users = [row | {"tag": tag_of(accounts.editable(row))} for row in rows]
    keys = fitting(
        await api_keys.list_all(desk.database), find, lambda key: (key.name, key.role, key.id, key.created_by)
    )
    provider = None if desk.provider is None else desk.provider.settings.name
    return page(
        request, "users.html", users=users, keys=keys, roles=MEANINGS, once=once, now=now(), find=find,
        provider=provider,
    )  # fmt: skip


def _name(text: str) -> str:
    if not text.strip():
        raise UsageError("name of the key: say what program it is for")
    return text.strip()


def _days(text: str) -> int | None:
    text = text.strip()
    if text and not (text.isascii() and text.isdigit() and 1 <= int(text) <= api_keys.MOST_DAYS):
        raise UsageError(f"days {text!r}: a number of 1 to {api_keys.MOST_DAYS}, or empty: until it is revoked")
    return int(text) if text else None
