"""Notices: who is told of what went wrong, and what was sent."""

from collections.abc import Mapping
from typing import Annotated, Any, Final
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import Response

from services.admin.notices import contacts, history
from services.admin.notices.contact import Contact, build
from services.admin.notices.contacts import Kept
from services.admin.notices.history import STATES
from services.admin.notices.kinds import HAPPENING
from services.admin.notices.notifying import sender_of
from services.admin.notices.trial import send_test
from services.admin.web import cursors
from services.admin.web.asking import Admin
from services.admin.web.contact_form import LABELS, given
from services.admin.web.desk import Desk, OfDesk
from services.admin.web.finding import Find, fitting
from services.admin.web.labelled import labelled
from services.admin.web.preconditions import as_seen, tag_of
from services.admin.web.rendering import message, page
from services.admin.web.told import Once
from services.runtime.errors import UsageError

router: Final = APIRouter(prefix="/notices")
LISTED: Final = 50
Text = Annotated[str, Query(max_length=500)]


@router.get("")
async def show_notices(
    request: Request, desk: OfDesk, principal: Admin, contact: Text = "", state: Text = "", kind: Text = "",
    find: Find = "", cursor: Text = "",
) -> Response:  # fmt: skip
    """Contacts, or those that a text fits, and the notices that the filter in the address fits, the newest first."""
    wanted = _wanted(contact, state, kind)
    after = cursors.read(cursor or None, str)
    rows = await history.list_notices(desk.database, wanted, LISTED + 1, after)
    found = cursors.page_of(rows, LISTED, history.key)
    async with desk.database.transaction() as conn:
        trouble = await history.trouble(conn)
        of_rules = await contacts.contacts_of_rules(conn)
    known = await contacts.list_all(desk.database)
    kept = wanted | ({"find": find} if find else {})
    return page(
        request,
        "notices.html",
        contacts=known,
        listed=fitting(known, find, lambda each: _told(each, of_rules)),
        find=find,
        trouble=trouble,
        of_rules=of_rules,
        mail=bool(desk.notices.smtp_host),
        notices=found.items,
        wanted={"contact": "", "state": "", "kind": ""} | wanted,
        filtered=bool(wanted),
        kinds=HAPPENING,
        states=STATES,
        here=_link(kept | ({"cursor": cursor} if cursor else {})),
        next=found.next and _link(kept | {"cursor": found.next}),
    )


@router.get("/new/form")
async def new_contact(request: Request, desk: OfDesk, principal: Admin) -> Response:
    """The form of a new one."""
    return await _form(request, desk, None)


@router.get("/{name}")
async def show_contact(request: Request, desk: OfDesk, principal: Admin, name: str) -> Response:
    """One with its form."""
    return await _form(request, desk, await contacts.show(desk.database, name))


@router.post("")
async def add_contact(request: Request, desk: OfDesk, principal: Admin) -> Response:
    """Have somebody told from now on."""
    form = await request.form()
    with labelled(LABELS):
        kept = await contacts.add(desk.database, principal.actor, build(given(form, known=False)))
    return await _kept(request, desk, kept)


@router.post("/{name}")
async def change_contact(request: Request, desk: OfDesk, principal: Admin, name: str) -> Response:
    """Change it, unless somebody else has since it was shown."""
    form = await request.form()
    fields, seen = given(form, known=True), as_seen(str(form.get("seen", "")))
    with labelled(LABELS):
        kept = await contacts.set_fields(desk.database, principal.actor, name, fields, seen)
    return await _kept(request, desk, kept)


@router.post("/{name}/remove")
async def remove_contact(
    request: Request, desk: OfDesk, principal: Admin, name: str, seen: Annotated[str, Form()]
) -> Response:
    """Tell it nothing more."""
    await contacts.remove(desk.database, principal.actor, name, as_seen(seen))
    return Response(headers={"HX-Redirect": "/notices"})


@router.post("/{name}/test")
async def try_contact(request: Request, desk: OfDesk, principal: Admin, name: str) -> Response:
    """Send it a test now."""
    tried = await send_test(desk.database, principal.actor, sender_of(desk.runtime, desk.notices), name)
    text = "\n".join(each.text for each in tried)
    return message(request, text, bad=not all(each.ok for each in tried))


@router.post("/{name}/secret")
async def renew_secret(request: Request, desk: OfDesk, principal: Admin, name: str) -> Response:
    """Make another key of the signatures; it is shown in this answer and never again."""
    made = await contacts.renew_secret(desk.database, principal.actor, name)
    return await _form(request, desk, await contacts.show(desk.database, name), made)


async def _kept(request: Request, desk: Desk, kept: Kept) -> Response:
    if kept.secret is None:
        return Response(headers={"HX-Redirect": "/notices"})
    response = await _form(request, desk, kept.contact, kept.secret)
    response.headers["HX-Push-Url"] = f"/notices/{quote(kept.contact.name)}"
    return response


async def _form(request: Request, desk: Desk, contact: Contact | None, secret: str | None = None) -> Response:
    async with desk.database.transaction() as conn:
        rules, of_rules = await contacts.live_rules(conn), await contacts.contacts_of_rules(conn)
    return page(
        request,
        "contact.html",
        contact=contact,
        tag=tag_of(contact.model_dump()) if contact else "",
        once=Once(f"Secret of the webhook of {contact.name}", secret) if contact and secret else None,
        kinds=HAPPENING,
        rules=rules,
        named_by=[rule for rule, name in of_rules.items() if contact is not None and name == contact.name],
        mail=bool(desk.notices.smtp_host),
    )


def _wanted(contact: str, state: str, kind: str) -> dict[str, str]:
    """The filter. Raises ``UsageError``."""
    for name, value, known in (("state", state, STATES), ("kind", kind, HAPPENING)):
        if value and value not in known:
            raise UsageError(f"{name} {value[:40]!r} of notices does not exist: choose one of {', '.join(known)}")
    name = contacts.name_of(contact) if contact.strip() else ""
    return {key: value for key, value in (("contact", name), ("state", state), ("kind", kind)) if value}


def _told(contact: Contact, of_rules: Mapping[str, str]) -> list[str]:
    rules = [rule for rule, name in of_rules.items() if name == contact.name]
    return [contact.name, *contact.mails, *contact.stations, *contact.rules, *contact.kinds, *rules]


def _link(query: Mapping[str, Any]) -> str:
    return f"/notices?{urlencode(query)}" if query else "/notices"
