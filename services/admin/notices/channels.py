"""The wires: mail by SMTP, webhooks by HTTP. What goes wrong is said in plain words, without addresses of webhooks."""

import asyncio
import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from email.message import EmailMessage
from http import HTTPStatus
from typing import Final, TypeVar
from urllib.parse import urlsplit

import httpx2

from services.admin.judged_transport import JudgedTransport
from services.admin.notices.kinds import plain
from services.admin.notices.settings import NoticeSettings
from services.dicom.settings import DicomSettings
from services.runtime.errors import GatewayError

T = TypeVar("T")
STEPS: Final = 4
"""How many waits for an answer one letter may take in all."""


class NotSent(GatewayError):
    """A letter did not arrive; the text says why and what to do."""


async def send_mail(settings: NoticeSettings, message: EmailMessage, recipients: Sequence[str]) -> str:
    """Send it; returns what is to be remarked: who of the recipients was refused. Raises ``NotSent``."""
    if not settings.smtp_host:
        raise NotSent("no mail server is configured: set GATEWAY_NOTICES_SMTP_HOST and GATEWAY_NOTICES_SMTP_FROM")
    refused = await _with_mail_server(
        settings, lambda server: server.send_message(message, settings.smtp_from, list(recipients))
    )
    return "; ".join(f"{each} was refused ({code})" for each, (code, _) in refused.items())


async def reach_mail_server(settings: NoticeSettings) -> None:
    """Log in, and send nothing. Raises ``NotSent``."""
    await _with_mail_server(settings, lambda server: server.noop())


async def _with_mail_server(settings: NoticeSettings, work: Callable[[smtplib.SMTP], T]) -> T:
    def worked() -> T:
        with _mail_server(settings) as server:
            return work(server)

    try:
        async with asyncio.timeout(STEPS * settings.seconds):
            return await asyncio.to_thread(worked)
    except (OSError, smtplib.SMTPException) as error:
        raise NotSent(_mail_fault(settings, error)) from error


@contextmanager
def _mail_server(settings: NoticeSettings) -> Iterator[smtplib.SMTP]:
    """Connected and logged in."""
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
        yield server


_PLACE: Final = "GATEWAY_NOTICES_SMTP_HOST and …_SMTP_PORT"


def _mail_fault(settings: NoticeSettings, error: Exception) -> str:
    """Why mail was not sent (pure)."""
    server = f"mail server {settings.smtp_host}:{settings.port}"
    if isinstance(error, socket.gaierror):
        return f"{server}: no host of that name is known; check GATEWAY_NOTICES_SMTP_HOST"
    if isinstance(error, ConnectionRefusedError):
        return f"{server}: nobody listens there; check {_PLACE}, and whether the mail server runs"
    if isinstance(error, TimeoutError):
        return f"{server} does not answer within {settings.seconds:g} s; check {_PLACE}, and the firewalls between"
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"{server}: its certificate is not trusted ({plain(error.verify_message)}); name it as its certificate "
            "does, or have this system trust who signed that (update-ca-certificates)"
        )
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
    words = error.strerror if isinstance(error, OSError) else None
    return f"{server}: {plain(words or error) or type(error).__name__}"


def _text(answer: bytes | str) -> str:
    return answer.decode("ascii", "replace") if isinstance(answer, bytes) else answer


async def post(settings: NoticeSettings, url: str, body: bytes, headers: dict[str, str]) -> None:
    """Post a document; what is answered beyond the status is not read. Raises ``NotSent``."""
    place = _place(url)
    status, location = await _answered(settings, "POST", url, {"Content-Type": "application/json"} | headers, body)
    if 300 <= status < 400:
        raise NotSent(
            f"webhook at {place} answers {status} and sends us to {_place(location)}: redirects are not followed, name "
            "the address itself"
        )
    if status >= 400:
        raise NotSent(f"webhook at {place} answers {status} {_phrase(status)}".rstrip())


async def reach_webhook(settings: NoticeSettings, url: str) -> str:
    """Ask for nothing there and take any answer; returns where it is. Raises ``NotSent``."""
    await _answered(settings, "HEAD", url, {})
    return _place(url)


async def _answered(
    settings: NoticeSettings, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
) -> tuple[int, str]:
    """Status, and where it sends us to. Raises ``NotSent``."""
    place, told = _place(url), {"User-Agent": "dicom-gateway", **headers}
    try:
        async with (
            asyncio.timeout(settings.seconds),
            httpx2.AsyncClient(
                timeout=settings.seconds,
                follow_redirects=False,
                transport=JudgedTransport(DicomSettings.load().denied),
            ) as client,
            client.stream(method, url, content=body, headers=told) as answer,
        ):
            return answer.status_code, answer.headers.get("Location", "")
    except (TimeoutError, httpx2.TimeoutException) as error:
        raise NotSent(f"webhook at {place} does not answer within {settings.seconds:g} s") from error
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        raise NotSent(f"webhook at {place} cannot be reached: {_without(plain(error), url)}") from error


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
