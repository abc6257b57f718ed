"""A syslog server over TLS on 127.0.0.1 with certificates of its own CA; it can be away and come back."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lxml import etree

from tests.certificates import certify

SCHEMA = etree.RelaxNG(file=str(Path(__file__).with_name("audit_message.rng")))
HEADER = re.compile(r"<(\d+)>1 (\S+) (\S+) (\S+) (\S+) (\S+) - \ufeff(.*)", re.S)


@dataclass
class SyslogListener:
    """``messages``: the XML documents, each checked by the schema of PS3.15 A.5.1, in the order in which they came;
    ``demanding``: who connects has to bring a certificate of the same CA; ``tickets``: TLS 1.3 session tickets that it
    gives."""

    folder: Path
    port: int = 0
    messages: list[Any] = field(default_factory=list)
    headers: list[tuple[str, ...]] = field(default_factory=list)
    connections: int = 0
    demanding: bool = False
    tickets: int = 2
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    def events(self) -> list[tuple[str, str]]:
        """Of each message the event and its type."""
        return [
            (meaning(each, "EventIdentification/EventID"), meaning(each, "EventIdentification/EventTypeCode"))
            for each in self.messages
        ]

    async def listen(self) -> None:
        """From now on; at the port that it had before."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "server.pem")
        context.num_tickets = self.tickets
        if self.demanding:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.folder / "ca.pem")
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]

    async def leave(self) -> None:
        """Be away: nobody is connected, and nobody gets in."""
        assert self._server is not None
        self._server.close()
        for writer in list(self._open):
            writer.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        with suppress(asyncio.IncompleteReadError, OSError):
            while True:
                length = int(await reader.readuntil(b" "))
                self._taken(await reader.readexactly(length))
        self._open.discard(writer)
        writer.close()

    def _taken(self, frame: bytes) -> None:
        found = HEADER.fullmatch(frame.decode())
        assert found is not None, frame
        document = etree.fromstring(found[7].encode())
        SCHEMA.assertValid(document)
        self.headers.append(found.groups()[:6])
        self.messages.append(document)


def meaning(document: Any, path: str) -> str:
    """The meaning of a coded value, "" if it is not there."""
    found = document.find(path)
    return "" if found is None else found.get("originalText")


@asynccontextmanager
async def syslog_listener(folder: Path) -> AsyncIterator[SyslogListener]:
    """One that listens until the block ends; ``ca.pem`` and ``server.pem`` lie in the folder."""
    certify(folder)
    listener = SyslogListener(folder)
    await listener.listen()
    yield listener
    await listener.leave()
