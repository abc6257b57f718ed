"""Holds as the API answers them."""

from datetime import datetime

from pydantic import BaseModel

from services.admin.holds import Kind


class Held(BaseModel):
    """What waits, why, and until when; null: until it is resumed."""

    kind: Kind
    name: str
    why: str
    held_by: str
    held_at: datetime
    until: datetime | None


class Resumed(BaseModel):
    """What goes on."""

    kind: Kind
    name: str
