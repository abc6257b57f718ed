"""People who may log in."""

from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field, SecretStr

from services.admin.access import accounts
from services.admin.access.role import Role
from services.admin.web.asking import Admin
from services.admin.web.desk import OfDesk
from services.admin.web.preconditions import IfMatch, require, tagged
from services.admin.web.sent import Sent

router: Final = APIRouter(prefix="/users", tags=["users"])
Password = Annotated[SecretStr | None, Field(description="Left out: one is made, and shown once.")]


class User(BaseModel):
    """Somebody who may log in; ``sessions``: browsers in which he is; ``origin``: local, or oidc for who logs in by the
    provider, which says the role too."""

    name: str
    role: Role
    origin: Literal["local", "oidc"]
    created_at: datetime
    password_set_at: datetime | None
    logged_in_at: datetime | None
    sessions: int


class Account(BaseModel):
    """Somebody, without what he does: ``origin`` as of ``User``."""

    name: str
    role: Role
    origin: Literal["local", "oidc"]


class NewUser(Sent):
    """Somebody who is to log in."""

    name: Annotated[str, Field(max_length=64, examples=["technician"])]
    role: Role = Role.VIEWER
    password: Password = None


class Made(BaseModel):
    """``password``: the one that was made; it is never shown again."""

    name: str
    role: Role
    password: str | None


class OtherRole(Sent):
    """What he may do from now on."""

    role: Role


class OtherPassword(Sent):
    """Another password."""

    password: Password = None


@router.get("")
async def list_users(desk: OfDesk, principal: Admin) -> list[User]:
    """By name."""
    return [User(**row) for row in await accounts.list_all(desk.database)]


@router.post("", status_code=HTTPStatus.CREATED)
async def add_user(desk: OfDesk, principal: Admin, user: NewUser) -> Made:
    """Let somebody log in."""
    added = await accounts.add(desk.database, principal.actor, user.name, user.role, _given(user.password))
    return Made(**vars(added))


@router.get("/{name}")
async def show_user(desk: OfDesk, principal: Admin, name: str, response: Response) -> Account:
    """What of one of them is edited, with its ETag."""
    return tagged(response, Account(**await accounts.show(desk.database, name)))


@router.put("/{name}/role", status_code=HTTPStatus.NO_CONTENT)
async def set_role(
    desk: OfDesk, principal: Admin, name: str, wanted: OtherRole, if_match: IfMatch = None
) -> None:  # fmt: skip
    """Let him do more, or less. The ETag is that of `/users/{name}`."""
    seen = partial(require, if_match)
    await accounts.set_role(desk.database, principal.actor, name, wanted.role, seen)


@router.put("/{name}/password")
async def set_password(desk: OfDesk, principal: Admin, name: str, wanted: OtherPassword) -> OtherPassword:
    """Give him another password; his sessions end. Answers with the one that was made, if none was given."""
    made = await accounts.set_password(desk.database, principal.actor, name, _given(wanted.password))
    return OtherPassword(password=made and SecretStr(made))


@router.delete("/{name}", status_code=HTTPStatus.NO_CONTENT)
async def remove_user(desk: OfDesk, principal: Admin, name: str) -> None:
    """Let him log in no longer."""
    await accounts.remove(desk.database, principal.actor, name)


def _given(password: SecretStr | None) -> str | None:
    return None if password is None else password.get_secret_value()
