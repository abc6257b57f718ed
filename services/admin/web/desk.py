"""What pages and the API stand on."""

from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from services.admin.looks import Lately
from services.admin.pictures.maker import Pictures
from services.admin.settings import AdminSettings
from services.dicom.profile import Profile
from services.runtime.app import Runtime
from services.runtime.db import Database


@dataclass(frozen=True)
class Desk:
    """One for the application."""

    runtime: Runtime
    settings: AdminSettings
    profile: Profile
    lately: Lately = field(default_factory=Lately)
    pictures: Pictures = field(default_factory=Pictures)

    @property
    def database(self) -> Database:
        """Where everything is."""
        return self.runtime.db


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


OfDesk = Annotated[Desk, Depends(_desk)]
