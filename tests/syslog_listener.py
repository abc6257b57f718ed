"""A syslog server over TLS on 127.0.0.1 with certificates of its own CA; it can be away and come back."""

import asyncio
import datetime
import ipaddress
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from lxml import etree

SCHEMA = etree.RelaxNG(file=str(Path(__file__).with_name("audit_message.rng")))
HEADER = re.compile(r"<(\d+)>1 (\S+) (\S+) (\S+) (\S+) (\S+) - \ufeff(.*)", re.S)


@dataclass
class SyslogListener:
    """``messages``: the XML documents, each checked by the schema of PS3.15 A.5.1, in the order in which they came."""

    folder: Path
    port: int = 0
    messages: list[Any] = field(default_factory=list)
    headers: list[tuple[str, ...]] = field(default_factory=list)
    connections: int = 0
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
    _certify(folder)
    listener = SyslogListener(folder)
    await listener.listen()
    yield listener
    await listener.leave()


def _certify(folder: Path) -> None:
    """A CA, and a certificate of it for 127.0.0.1."""
    authority, ca = _certificate("Tests CA", None, None)
    (folder / "ca.pem").write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    key, server = _certificate("127.0.0.1", authority, ca)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "server.pem").write_bytes(private + server.public_bytes(serialization.Encoding.PEM))


def _certificate(
    name: str, authority: ec.EllipticCurvePrivateKey | None, ca: x509.Certificate | None
) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(ca.subject if ca else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=ca is None, path_length=None), critical=True)
    )
    if ca is not None:
        address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(name))])
        builder = builder.add_extension(address, critical=False)
    return key, builder.sign(authority or key, hashes.SHA256())
