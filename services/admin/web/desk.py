"""What pages and the API stand on."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Request

from services.admin.access.oidc.settings import OidcSettings
from services.admin.audit_messages.settings import SyslogSettings
from services.admin.importing.ending import UnderWay
from services.admin.looks import Lately
from services.admin.notices.settings import NoticeSettings
from services.admin.pictures.maker import Pictures
from services.admin.settings import AdminSettings
from services.dicom.profile import Profile
from services.dicom.settings import DicomSettings
from services.runtime.app import Runtime
from services.runtime.db import Database
from services.runtime.settings import Settings

if TYPE_CHECKING:  # its libraries take a while to load, where there is none
    from services.admin.access.oidc.provider import Provider


@dataclass(frozen=True)
class Desk:
    """One for the application. ``provider``: by which people log in beside, or instead of, passwords."""

    runtime: Runtime
    settings: AdminSettings
    profile: Profile
    provider: "Provider | None" = None
    notices: NoticeSettings = field(default_factory=NoticeSettings.load)
    lately: Lately = field(default_factory=Lately)
    imports: UnderWay = field(default_factory=UnderWay)
    pictures: Pictures = field(default_factory=Pictures)

    def all_settings(self) -> list[Settings]:
        """What the process runs with."""
        beside = [OidcSettings.load(), SyslogSettings.load(), self.notices]
        return [self.runtime.settings, DicomSettings.load(), self.settings, *beside]

    def settings_of_profile(self) -> dict[str, Any]:
        """What the profile gives to settings that nobody sets."""
        profile = self.profile
        return {
            "GATEWAY_INCOMING_ASSOCIATIONS": profile.incoming,
            "GATEWAY_INCOMING_PER_STATION": profile.incoming_per_station,
            "GATEWAY_OUTGOING_ASSOCIATIONS": profile.outgoing,
            "GATEWAY_PET_RAW_CLASSES": tuple(sorted(profile.pet_raw)),
            "GATEWAY_VERSION_NAME": profile.implementation.version_name,
        }

    @property
    def by_password(self) -> bool:
        """Whether people log in by passwords that are kept here."""
        return self.provider is None or self.provider.settings.local_passwords

    @property
    def database(self) -> Database:
        """Where everything is."""
        return self.runtime.db


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


OfDesk = Annotated[Desk, Depends(_desk)]
