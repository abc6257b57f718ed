"""Settings of the provider."""

import ssl
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, FilePath, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from services.admin.access.role import Role
from services.runtime.errors import UsageError
from services.runtime.settings import Settings

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def protected(url: str) -> str:
    """An address where tokens pass, as it is. Raises ``ValueError`` unless it has a host and, but on loopback, TLS."""
    parts = urlsplit(url)
    if not parts.hostname or parts.scheme not in ("http", "https"):
        raise ValueError("it should be a URL such as https://login.example.org/realms/hospital")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise ValueError("it should begin with https://: passwords and tokens pass there")
    return url


class OidcSettings(Settings):
    """``GATEWAY_ADMIN_OIDC_*``. Without ``issuer`` nobody logs in by a provider.

    ``issuer``: as the provider's discovery document says it. ``name``: of the provider, on the page to log in.
    ``viewer_groups``, ``operator_groups``, ``admin_groups``: names of groups, separated by semicolons; the highest role
    counts, who is in none is refused. ``groups_claim`` may lead into claims by dots (realm_access.roles).
    ``name_claim``: what users are called here. ``redirect_url``: where the provider sends browsers back to, ending in
    /login/oidc/callback; not set, it is the address at which the browser came. ``ca_file``: certificates that the
    provider's is checked by, beside those of the system. ``local_passwords``: whether users of the gateway's own log in
    too.
    """

    model_config = SettingsConfigDict(env_prefix="GATEWAY_ADMIN_OIDC_")

    issuer: str = ""
    name: str = "your organisation"
    client_id: str = ""
    client_secret: str = Field("", repr=False)
    scopes: str = "openid profile"
    groups_claim: str = "groups"
    name_claim: str = "preferred_username"
    viewer_groups: str = ""
    operator_groups: str = ""
    admin_groups: str = ""
    redirect_url: str = ""
    ca_file: FilePath | None = None
    local_passwords: bool = True

    @property
    def groups(self) -> dict[Role, frozenset[str]]:
        """The groups whose members have a role."""
        named = {Role.VIEWER: self.viewer_groups, Role.OPERATOR: self.operator_groups, Role.ADMIN: self.admin_groups}
        return {role: frozenset(filter(None, map(str.strip, text.split(";")))) for role, text in named.items()}

    def context(self) -> ssl.SSLContext:
        """How the provider's certificate is checked. Raises ``UsageError`` for a file that holds no certificates."""
        context = ssl.create_default_context()
        if self.ca_file is not None:
            try:
                context.load_verify_locations(self.ca_file)
            except OSError as error:
                raise UsageError(
                    f"GATEWAY_ADMIN_OIDC_CA_FILE {self.ca_file}: {error}; give a file of PEM certificates"
                ) from error
        return context

    @field_validator("issuer", "redirect_url")
    @classmethod
    def _protected(cls, value: str) -> str:
        return protected(value) if value else value

    @field_validator("scopes")
    @classmethod
    def _openid(cls, value: str) -> str:
        if "openid" not in value.split():
            raise ValueError("it should have the scope openid (OpenID Connect Core 3.1.2.1)")
        return value

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not self.issuer and not self.local_passwords:
            raise ValueError("LOCAL_PASSWORDS=false needs an ISSUER: nobody could log in")
        if self.issuer and not self.client_id:
            raise ValueError("ISSUER needs the CLIENT_ID that the provider gave this gateway")
        if self.issuer and not any(self.groups.values()):
            raise ValueError("ISSUER needs VIEWER_GROUPS, OPERATOR_GROUPS or ADMIN_GROUPS: nobody would have a role")
        return self
