"""Settings of the audit messages."""

import ssl
from typing import Annotated, Self

from pydantic import Field, FilePath, model_validator
from pydantic_settings import SettingsConfigDict

from services.runtime.errors import UsageError
from services.runtime.settings import Settings


class SyslogSettings(Settings):
    """``GATEWAY_ADMIN_SYSLOG_*``. Without ``host`` no audit messages are made.

    ``host``: as the server's certificate names it; ``ca_file``: what that is checked by, otherwise the system's CAs;
    ``certificate_file`` and ``key_file``: PEM, for a server that wants to know who sends; ``site``: the enterprise site
    in each message.
    """

    model_config = SettingsConfigDict(env_prefix="GATEWAY_ADMIN_SYSLOG_")

    host: str = ""
    port: Annotated[int, Field(ge=1, le=65535)] = 6514
    ca_file: FilePath | None = None
    certificate_file: FilePath | None = None
    key_file: FilePath | None = None
    site: str = ""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.key_file is not None and self.certificate_file is None:
            raise ValueError("KEY_FILE needs a CERTIFICATE_FILE")
        return self

    def context(self) -> ssl.SSLContext:
        """How connections are protected: TLS 1.2 or later, the server's certificate and name checked.

        Raises ``UsageError`` for files that hold no certificate or key.
        """
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            if self.certificate_file is not None:
                context.load_cert_chain(self.certificate_file, self.key_file)
        except (OSError, ValueError) as error:
            raise UsageError(
                f"GATEWAY_ADMIN_SYSLOG_CA_FILE, …_CERTIFICATE_FILE, …_KEY_FILE: {error}; give PEM files that fit"
            ) from error
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context
