"""Servers that notices are sent to: a mail server and a webhook, real ones on loopback, which keep what they get."""

import asyncio
import json
import warnings
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session


@dataclass
class Posted:
    """One request to a webhook."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


@dataclass
class Webhook:
    """``status``: what it answers, with ``location`` where that is given."""

    port: int
    status: int = 204
    location: str = ""
    posted: list[Posted] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks/secret-7"

    @property
    def notices(self) -> list[dict[str, Any]]:
        return [notice for each in self.posted for notice in each.document["notices"]]


@contextmanager
def webhook(port: int = 0) -> Iterator[Webhook]:
    """One that runs within the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kept.posted.append(Posted(self.path, dict(self.headers), body))
            self.send_response(kept.status)
            if kept.location:
                self.send_header("Location", kept.location)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Nothing on standard error."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    kept = Webhook(server.server_address[1])
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield kept
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class MailServer:
    """``password``: what a user has to give; ``refused``: recipients that it does not know."""

    port: int = 0
    password: str = ""
    refused: frozenset[str] = frozenset()
    received: list[tuple[list[str], EmailMessage]] = field(default_factory=list)

    @property
    def messages(self) -> list[EmailMessage]:
        return [message for _, message in self.received]

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refused:
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.content
        assert isinstance(content, bytes)
        self.received.append((envelope.rcpt_tos, message_from_bytes(content, policy=policy.default)))
        return "250 kept"

    def authenticated(self, server: SMTP, session: Session, envelope: Envelope, way: str, given: Any) -> AuthResult:
        return AuthResult(success=given.password == self.password.encode(), handled=False)


@asynccontextmanager
async def mail_server(password: str = "") -> AsyncIterator[MailServer]:
    """One that runs within the block, without TLS."""
    kept = MailServer(password=password)
    login: dict[str, Any] = {"authenticator": kept.authenticated, "auth_required": True, "auth_require_tls": False}

    def made() -> SMTP:
        with warnings.catch_warnings():  # that passwords go without TLS
            warnings.simplefilter("ignore")
            return SMTP(kept, hostname="mail.test", enable_SMTPUTF8=False, **(login if password else {}))

    server = await asyncio.get_running_loop().create_server(made, "127.0.0.1", 0)
    kept.port = server.sockets[0].getsockname()[1]
    try:
        yield kept
    finally:
        server.close()
        await server.wait_closed()
