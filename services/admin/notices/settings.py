"""Settings of notices."""

from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator
from pydantic_settings import SettingsConfigDict

from services.admin.notices.contact import valid_mail
from services.runtime.settings import Settings

PORTS = {"starttls": 587, "tls": 465, "none": 25}


def _address(text: str) -> str:
    if text and (urlsplit(text).scheme not in ("http", "https") or not urlsplit(text).hostname):
        raise ValueError("write the address people open, such as https://gateway.hospital.example")
    return text.rstrip("/")


def _sender(text: str) -> str:
    return valid_mail(text) if text else text


class NoticeSettings(Settings):
    """``GATEWAY_NOTICES_*``. Mail goes by ``smtp_host`` (empty: there is none) from ``smtp_from``.

    ``smtp_security``: starttls, tls (from the first byte) or none. ``seconds``: the longest wait for an answer of the
    mail server or of a webhook. ``desk_url``: where people reach the desk; links begin with it. ``look_seconds``: how
    often it is looked for what happened, and sent. ``gap_seconds``: between two letters to one contact.
    """

    model_config = SettingsConfigDict(env_prefix="GATEWAY_NOTICES_")

    smtp_host: str = ""
    smtp_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    smtp_user: str = ""
    smtp_password: str = Field("", repr=False)
    smtp_from: Annotated[str, AfterValidator(_sender)] = ""
    seconds: Annotated[float, Field(gt=0, le=120)] = 20
    desk_url: Annotated[str, AfterValidator(_address)] = ""
    look_seconds: Annotated[float, Field(gt=0)] = 10
    gap_seconds: Annotated[float, Field(ge=0, le=3600)] = 60

    @model_validator(mode="after")
    def _sends(self) -> Self:
        if self.smtp_host and not self.smtp_from:
            raise ValueError("SMTP_HOST needs SMTP_FROM, the address that mail is sent from")
        if self.smtp_password and not self.smtp_user:
            raise ValueError("SMTP_PASSWORD needs SMTP_USER, whose password it is")
        return self

    @property
    def port(self) -> int:
        """Of the mail server."""
        return self.smtp_port or PORTS[self.smtp_security]
