"""The wires: mail by SMTP, webhooks by HTTP. What goes wrong is said in plain words, without addresses of webhooks."""

import asyncio
import smtplib
import socket
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import httpx2

from services.admin.notices.kinds import plain
from services.admin.notices.settings import NoticeSettings
from services.runtime.errors import GatewayError

STEPS: Final = 4
"""How many waits for an answer one letter may take in all."""


class NotSent(GatewayError):
    """A letter did not arrive; the text says why and what to do."""


async def send_mail(settings: NoticeSettings, message: EmailMessage, recipients: Sequence[str]) -> str:
    """Send it; returns what is to be remarked: who of the recipients was refused. Raises ``NotSent``."""
    if not settings.smtp_host:
        raise NotSent("no mail server is configured: set GATEWAY_NOTICES_SMTP_HOST and GATEWAY_NOTICES_SMTP_FROM")
    try:
        async with asyncio.timeout(STEPS * settings.seconds):
            refused = await asyncio.to_thread(_submit, settings, message, recipients)
    except (OSError, smtplib.SMTPException) as error:
        raise NotSent(_mail_fault(settings, error)) from error
    return "; ".join(f"{each} was refused ({code})" for each, (code, _) in refused.items())


def _submit(settings: NoticeSettings, message: EmailMessage, recipients: Sequence[str]) -> dict[str, tuple[int, bytes]]:
    context = ssl.create_default_context()
    if settings.smtp_security == "tls":
        server: smtplib.SMTP = smtplib.SMTP_SSL(
            settings.smtp_host, settings.port, timeout=settings.seconds, context=context
        )
    else:
        server = smtplib.SMTP(settings.smtp_host, settings.port, timeout=settings.seconds)
    with server:
        if settings.smtp_security == "starttls":
            server.starttls(context=context)
        if settings.smtp_user:
            server.login(settings.smtp_user, settings.smtp_password)
        return server.send_message(message, settings.smtp_from, list(recipients))


def _mail_fault(settings: NoticeSettings, error: Exception) -> str:
    """Why mail was not sent (pure)."""
    server = f"mail server {settings.smtp_host}:{settings.port}"
    if isinstance(error, socket.gaierror):
        return f"{server}: no host of that name is known; check GATEWAY_NOTICES_SMTP_HOST"
    if isinstance(error, ConnectionRefusedError):
        return f"{server}: nobody listens there; check host and port, and whether the mail server runs"
    if isinstance(error, TimeoutError):
        return f"{server} does not answer within {settings.seconds:g} s"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{server}: its certificate is not trusted ({plain(error.verify_message)})"
    if isinstance(error, ssl.SSLError):
        return f"{server}: TLS fails ({plain(error.reason or error)}); check GATEWAY_NOTICES_SMTP_SECURITY and the port"
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return f"{server} refuses the user or password ({error.smtp_code}); check GATEWAY_NOTICES_SMTP_USER"
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return f"{server} ends the connection, or does not answer within {settings.seconds:g} s; check the port"
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return f"{server} has not what the settings ask for ({plain(error)}); check GATEWAY_NOTICES_SMTP_SECURITY"
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = ", ".join(f"{each} ({code})" for each, (code, _) in error.recipients.items())
        return f"{server} refuses every recipient: {plain(codes)}"
    if isinstance(error, smtplib.SMTPSenderRefused):
        return f"{server} refuses the sender {settings.smtp_from} ({error.smtp_code}); check GATEWAY_NOTICES_SMTP_FROM"
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{server} answers {error.smtp_code} {plain(_text(error.smtp_error))}"
    return f"{server}: {plain(error) or type(error).__name__}"


def _text(answer: bytes | str) -> str:
    return answer.decode("ascii", "replace") if isinstance(answer, bytes) else answer


async def post(settings: NoticeSettings, url: str, body: bytes, headers: dict[str, str]) -> None:
    """Post a document; what is answered beyond the status is not read. Raises ``NotSent``."""
    place = _place(url)
    content = {"Content-Type": "application/json", "User-Agent": "dicom-gateway"}
    try:
        async with (
            asyncio.timeout(settings.seconds),
            httpx2.AsyncClient(timeout=settings.seconds, follow_redirects=False) as client,
            client.stream("POST", url, content=body, headers=content | headers) as answer,
        ):
            status, location = answer.status_code, answer.headers.get("Location", "")
    except (TimeoutError, httpx2.TimeoutException) as error:
        raise NotSent(f"webhook at {place} does not answer within {settings.seconds:g} s") from error
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        raise NotSent(f"webhook at {place} cannot be reached: {_without(plain(error), url)}") from error
    if 300 <= status < 400:
        raise NotSent(
            f"webhook at {place} answers {status} and sends us to {_place(location)}: redirects are not followed, name "
            "the address itself"
        )
    if status >= 400:
        raise NotSent(f"webhook at {place} answers {status} {_phrase(status)}".rstrip())


def _place(url: str) -> str:
    """Scheme, host and port: what follows may be a secret (pure)."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "?"
    return plain(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}")


def _without(text: str, url: str) -> str:
    return text.replace(url, _place(url)) or "the connection ended"


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
