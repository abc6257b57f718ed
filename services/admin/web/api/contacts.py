"""Contacts: who is told of what went wrong."""

from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Response
from pydantic import BaseModel

from services.admin.notices import contacts
from services.admin.notices.contact import Contact, build
from services.admin.notices.contacts import Kept
from services.admin.notices.kinds import Channel
from services.admin.notices.notifying import sender_of
from services.admin.notices.trial import send_test
from services.admin.web.asking import Admin
from services.admin.web.desk import OfDesk
from services.admin.web.preconditions import IfMatch, as_seen, tagged

router: Final = APIRouter(prefix="/contacts", tags=["notices"])
EXAMPLE: Final[dict[str, Any]] = {
    "name": "radiology-it",
    "mails": ["radiology-it@hospital.example"],
    "webhook": "https://chat.hospital.example/hooks/7",
    "kinds": ["job-failed", "dead-letter", "commitment-overdue", "modality-silent"],
    "everything_else": True,
    "digest_minutes": 15,
    "quiet": ["daily 22:00-06:00 Europe/Zurich"],
    "urgent": ["modality-silent"],
}
Fields = Annotated[dict[str, Any], Body(examples=[EXAMPLE])]


class KeptContact(Contact):
    """``secret``: the key of the signatures of its webhook, if one was made now; it is never shown again."""

    secret: str | None


class Secret(BaseModel):
    """The key of the signatures of its webhook; it is never shown again."""

    secret: str


class Tried(BaseModel):
    """What came of a test by one channel, in plain words."""

    channel: Channel
    ok: bool
    text: str


@router.get("")
async def list_contacts(desk: OfDesk, principal: Admin) -> list[Contact]:
    """By name."""
    return await contacts.list_all(desk.database)


@router.post("", status_code=HTTPStatus.CREATED)
async def add_contact(desk: OfDesk, principal: Admin, fields: Fields, response: Response) -> KeptContact:
    """Have somebody told from now on; what is left out has its default."""
    return _kept(response, await contacts.add(desk.database, principal.actor, build(fields)))


@router.get("/{name}")
async def show_contact(desk: OfDesk, principal: Admin, name: str, response: Response) -> Contact:
    """One contact."""
    return tagged(response, await contacts.show(desk.database, name))


@router.patch("/{name}")
async def change_contact(
    desk: OfDesk, principal: Admin, name: str, fields: Fields, response: Response, if_match: IfMatch = None
) -> KeptContact:
    """Change some of its fields."""
    return _kept(response, await contacts.set_fields(desk.database, principal.actor, name, fields, as_seen(if_match)))


@router.delete("/{name}", status_code=HTTPStatus.NO_CONTENT)
async def remove_contact(desk: OfDesk, principal: Admin, name: str, if_match: IfMatch = None) -> None:
    """Have it told of nothing more."""
    await contacts.remove(desk.database, principal.actor, name, as_seen(if_match))


@router.post("/{name}/test")
async def test_contact(desk: OfDesk, principal: Admin, name: str) -> list[Tried]:
    """Send a test notice now, and tell what came of it."""
    tried = await send_test(desk.database, principal.actor, sender_of(desk.runtime, desk.notices), name)
    return [Tried(**vars(each)) for each in tried]


@router.post("/{name}/secret")
async def renew_secret(desk: OfDesk, principal: Admin, name: str) -> Secret:
    """Make another key of the signatures; the old one is good no longer."""
    return Secret(secret=await contacts.renew_secret(desk.database, principal.actor, name))


def _kept(response: Response, kept: Kept) -> KeptContact:
    tagged(response, kept.contact)
    return KeptContact(**kept.contact.model_dump(), secret=kept.secret)
