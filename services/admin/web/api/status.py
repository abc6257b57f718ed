"""How the gateway is."""

from datetime import datetime
from typing import Final

from fastapi import APIRouter
from pydantic import BaseModel

from services.admin import overview
from services.admin.web.asking import Viewer
from services.admin.web.desk import OfDesk
from services.admin.web.names import seen_by

router: Final = APIRouter(prefix="/status", tags=["status"])


class Configuration(BaseModel):
    """What is in force. ``number`` rises with each change of it."""

    number: int
    rule_set: int | None
    changed_at: datetime
    stations: int


class ReceivingProcess(BaseModel):
    """Under what a process receives. Not ``live``: it is dead, or cut off from the database."""

    process: str
    configuration: int
    rule_set: int | None
    heard_at: datetime
    live: bool


class Receipts(BaseModel):
    """How many instances came. All that came until ``recorded_through`` is recorded."""

    last_day: int
    last_hour: int
    last_received_at: datetime | None
    recorded_through: datetime | None


class ReceivedTooOften(BaseModel):
    """Instances of the last hour that stations send in a circle, and these."""

    instances: int
    stations: list[str]


class Destination(BaseModel):
    """A station that is sent to. Counts are of deliveries, ``failed`` of 24 hours. ``unanswered``: the last C-ECHO by
    hand was in vain, and nothing was taken since; ``tried``: it is known how it is; ``schedule``: for whose something
    waits."""

    title: str
    enabled: bool
    circuit: str
    retry_at: datetime | None
    last_success_at: datetime | None
    last_failure_at: datetime | None
    last_failure: str
    unanswered: bool
    failing_since: datetime | None
    tried: bool
    waiting: int
    held: int
    shut: int
    oldest_waiting_at: datetime | None
    sending: int
    lease_until: datetime | None
    failed: int
    schedule: str
    held_since: datetime | None


class Silent(BaseModel):
    """A station from which nothing came for ``hours``; ``heard_at``: null if ever."""

    title: str
    hours: int
    heard_at: datetime | None
    since: datetime


class HoldInForce(BaseModel):
    """What is held, by whom and why; ``deliveries`` wait for its end."""

    kind: str
    name: str
    why: str
    held_by: str
    held_at: datetime
    until: datetime | None
    in_force: bool
    ends_at: datetime | None
    ended_by: str | None
    deliveries: int


class Pull(BaseModel):
    """A station that is pulled from every so many ``minutes``, with what came of its last turn."""

    title: str
    minutes: int
    asked_at: datetime | None
    studies: int
    pulled: int
    under_way: int
    missing: int
    failures: int
    fault: str


class OfPeers(BaseModel):
    """Commitments that peers wait for us to report."""

    open: int
    oldest_at: datetime | None


class Commitments(BaseModel):
    """By state; those that ended, and ``reports`` by verdict, of 24 hours."""

    states: dict[str, int]
    failed_last_day: int
    oldest_waiting_at: datetime | None
    reports: dict[str, int]
    received: OfPeers


class AuditMessages(BaseModel):
    """DICOM audit messages that wait for the syslog server."""

    waiting: int
    oldest_at: datetime | None
    oldest_seconds: float


class Outbox(BaseModel):
    """Messages that wait for the broker."""

    waiting: int
    oldest_at: datetime | None


class FailingChannel(BaseModel):
    """A way to tell a contact by which nothing arrives."""

    contact: str
    channel: str
    failing_since: datetime


class Notices(BaseModel):
    """Who cannot be told now, and how many notices of 24 hours were given up."""

    failing: list[FailingChannel]
    given_up: int


class Status(BaseModel):
    """The whole gateway as its database knows it. ``jobs``: by state, of 24 hours those that ended; ``unmatched``:
    studies; ``dead_letters``: those that nobody has replayed or discarded."""

    configuration: Configuration
    receiving: list[ReceivingProcess]
    received: Receipts
    received_too_often: ReceivedTooOften
    jobs: dict[str, int]
    destinations: list[Destination]
    silent: list[Silent]
    holds: list[HoldInForce]
    pulls: list[Pull]
    commitments: Commitments
    audit_messages: AuditMessages
    outbox: Outbox
    notices: Notices
    unmatched: int
    dead_letters: int


@router.get("")
async def status(desk: OfDesk, principal: Viewer) -> Status:
    """As ``gateway status --json`` tells it."""
    return Status(**seen_by(desk, principal, await overview.status(desk.database)))
