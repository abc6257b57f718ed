"""Who is told, of what, and when (pure)."""

import re
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from schemas.schedule import MOST_WINDOWS, canonical, opening
from services.admin.given_fields import fields_of
from services.admin.notices.kinds import HAPPENING, Channel, Event, Kind
from services.admin.station import Title, fault_text
from services.runtime.errors import UsageError

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MAIL: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_HOST: Final = re.compile(r"[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]+\]|[0-9A-Fa-f:.]+")


def valid_name(text: str) -> str:
    """The name of a contact. Raises ``ValueError``."""
    if not _NAME.fullmatch(text.strip()):
        raise ValueError("a contact's name has 1 to 64 letters, digits, dots, hyphens and underscores, no blanks")
    return text.strip()


def valid_mail(text: str) -> str:
    """A mail address without a name beside it. Raises ``ValueError``."""
    if not _MAIL.fullmatch(text.strip()):
        raise ValueError("write a mail address such as radiology-it@hospital.example, without a name beside it")
    return text.strip()


def valid_webhook(text: str) -> str:
    """An address that is posted to. Raises ``ValueError``."""
    url = text.strip()
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host or not _HOST.fullmatch(host) or port == 0:
        raise ValueError("write an address that begins with https:// or http://, such as https://chat.example/hooks/7")
    if len(url) > 2000 or not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("an address has at most 2000 printable ASCII characters and no blank")
    if parts.fragment:
        raise ValueError("leave out what follows the #: it is never sent")
    return url


def _happens(kind: Kind) -> Kind:
    if kind not in HAPPENING:
        raise ValueError(f"one of {', '.join(HAPPENING)}")
    return kind


HappeningKind = Annotated[Kind, AfterValidator(_happens)]
Rule = Annotated[str, Field(min_length=1, max_length=200)]


class Contact(BaseModel):
    """Who is told by mail, webhook or both.

    It is told of what happens to one of its ``stations`` or by one of its ``rules``, or by a rule that names it
    (``contact``); with ``everything_else`` also of what no contact is named for. Only of ``kinds``. Notices are
    collected for ``digest_minutes`` (0: not at all), and while one of the ``quiet`` windows is open only those of the
    ``urgent`` kinds are sent.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: Annotated[str, AfterValidator(valid_name)]
    mails: list[Annotated[str, AfterValidator(valid_mail)]] = Field(default_factory=list, max_length=50)
    webhook: Annotated[str, AfterValidator(valid_webhook)] | None = None
    kinds: list[HappeningKind] = Field(default=list(HAPPENING), min_length=1, max_length=len(HAPPENING))
    stations: list[Title] = Field(default_factory=list, max_length=1000)
    rules: list[Rule] = Field(default_factory=list, max_length=1000)
    everything_else: bool = False
    digest_minutes: Annotated[int, Field(ge=0, le=10_080)] = 0
    quiet: list[Annotated[str, AfterValidator(canonical)]] = Field(default_factory=list, max_length=MOST_WINDOWS)
    urgent: list[HappeningKind] = Field(default_factory=list, max_length=len(HAPPENING))
    enabled: bool = True

    @field_validator("webhook", mode="before")
    @classmethod
    def _none(cls, value: Any) -> Any:
        return None if isinstance(value, str) and not value.strip() else value

    @field_validator("quiet")
    @classmethod
    def _ends(cls, windows: list[str]) -> list[str]:
        if windows and opening(windows, datetime(2026, 1, 1, tzinfo=UTC)).closes_at is None:
            raise ValueError("these quiet hours never end, so nothing would be sent; leave a time open, or disable it")
        return windows

    @model_validator(mode="after")
    def _is_told(self) -> Self:
        if not self.mails and self.webhook is None:
            raise ValueError("say where its notices go: a mail address, a webhook or both")
        return self

    def channels(self) -> list[Channel]:
        """By what it is told."""
        return [Channel.MAIL] * bool(self.mails) + [Channel.WEBHOOK] * bool(self.webhook)

    def is_named_for(self, event: Event, of_rules: Mapping[str, str]) -> bool:
        """Whether the event is of one of its stations or rules; ``of_rules``: the contact that each rule names."""
        by_rule = event.rule in self.rules or of_rules.get(event.rule) == self.name
        return by_rule or bool(set(self.stations) & set(event.stations))

    def shown(self) -> dict[str, Any]:
        """For the audit: without what may be a secret in the address of its webhook."""
        parts = urlsplit(self.webhook or "")
        place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/…" if self.webhook else None
        return self.model_dump(mode="json") | {"webhook": place}


class Addressee(Contact):
    """A contact with since when it is one: it is not told of what happened before."""

    created_at: datetime

    def contact(self) -> Contact:
        """Without that."""
        return Contact.model_validate(self.model_dump())


def build(fields: Mapping[str, Any]) -> Contact:
    """A contact of these fields. Raises ``UsageError`` that lists every impossible value."""
    known = fields_of(Contact, f"contact {fields.get('name', '')!s}", fields)
    try:
        return Contact.model_validate(known)
    except ValidationError as error:
        faults = [fault_text(_among_happening(dict(fault))) for fault in error.errors(include_url=False)]
        raise UsageError("\n".join(f"contact {fields.get('name', '')!s}: {fault}" for fault in faults)) from None


def _among_happening(fault: dict[str, Any]) -> dict[str, Any]:
    """Of a kind that is none: those there are, without that of a test."""
    return fault | {"msg": f"one of {', '.join(HAPPENING)}"} if fault["type"] == "enum" else fault


def contradictions(
    contact: Contact, before: Contact | None, stations: Collection[str], rules: Collection[str]
) -> list[str]:
    """What it names that is not there, each with the cure. What it named before may be gone meanwhile."""
    named = before or contact.model_copy(update={"stations": [], "rules": []})
    absent = [each for each in contact.stations if each not in stations and each not in named.stations]
    unknown = [each for each in contact.rules if each not in rules and each not in named.rules]
    return [
        *(f"--stations {each}: no such station; 'gateway station list' shows those there are" for each in absent),
        *(f"--rules {each}: the live rule set has no such rule; 'gateway rules show' tells them" for each in unknown),
    ]


def addressed(event: Event, contacts: Iterable[Addressee], of_rules: Mapping[str, str]) -> list[Addressee]:
    """Who is told of an event: whoever is named for it, else who is told of everything else. ``of_rules``: the contact
    that each live rule names."""
    willing = [each for each in contacts if each.enabled and event.kind in each.kinds and each.created_at <= event.at]
    named = [each for each in willing if each.is_named_for(event, of_rules)]
    return named or [each for each in willing if each.everything_else]
