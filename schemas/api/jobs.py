"""Jobs, and what they consist of."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel

JobState = Literal["QUEUED", "ACTIVE", "COMPLETED", "FAILED", "CANCELED"]
DeliveryState = Literal["PENDING", "SENDING", "DELIVERED", "WARNED", "FAILED", "CANCELED", "SUPERSEDED", "UNKNOWN"]


class ListedJob(BaseModel):
    """A job as the job browser lists it. ``total``: instances, or sub-operations of a retrieve job; null: unknown."""

    id: UUID
    kind: Literal["send", "retrieve"]
    state: JobState
    destination: str
    study_instance_uid: str
    total: int | None
    done: int
    failed: int
    reason: str
    created_at: datetime
    finished_at: datetime | None


class JobDelivery(BaseModel):
    """One instance of a send job. ``status``: of the last C-STORE response, hexadecimal."""

    instance: str
    revision: int
    destination: str
    state: str
    attempts: int
    status: str | None
    status_name: str
    reason: str
    finished_at: datetime | None
    next_attempt_at: datetime | None


class Job(ListedJob):
    """A job with what it consists of, at most 1000 of each, what failed first; ``/deliveries`` lists all of those."""

    source: str
    rule_set: int | None
    rule: str
    level: str
    priority: int
    completed_by: str
    started_at: datetime | None
    deliveries: list[JobDelivery]
    commitments: list[dict[str, Any]]
    moves: list[dict[str, Any]]


class Asked(BaseModel):
    """An action that the service whose thing it is carries out. ``done`` is false while it has not answered: it is kept
    and will be done; ``result``: what it answered."""

    id: UUID
    done: bool
    result: dict[str, Any] | None
