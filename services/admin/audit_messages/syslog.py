"""A connection to a syslog server over TLS."""

import array
import asyncio
import fcntl
import ssl
import termios
from collections.abc import Sequence
from typing import Final

from services.runtime.errors import Unavailable

CONNECT_SECONDS: Final = 10.0
ACCEPTED_SECONDS: Final = 2.0
TAKEN_SECONDS: Final = 20.0
LOOK_SECONDS: Final = 0.02


class Syslog:
    """Opened when something is sent, and kept."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext) -> None:
        self._host, self._port, self._context = host, port, context
        self.name = f"{host}:{port}"
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def open(self) -> None:
        """Raises ``Unavailable`` while the server is away, or is not the one that its name and our CA say."""
        if self._streams is not None and not self._streams[0].at_eof():
            return
        self.close()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                self._streams = await asyncio.open_connection(self._host, self._port, ssl=self._context)
                await _accepted(*self._streams)
        except (OSError, TimeoutError) as error:
            self.close()
            raise Unavailable(f"syslog server {self.name}: {error or type(error).__name__}") from error

    async def send(self, frames: Sequence[bytes]) -> None:
        """Return once the server's host has taken them: syslog itself acknowledges nothing (RFC 5425).

        Raises ``Unavailable``; some of them may have arrived.
        """
        if self._streams is None:
            raise Unavailable("the syslog server is not connected")
        reader, writer = self._streams
        try:
            async with asyncio.timeout(TAKEN_SECONDS):
                writer.writelines(frames)
                await writer.drain()
                while not _taken(writer):  # noqa: ASYNC110 - the kernel tells nobody when it is
                    await asyncio.sleep(LOOK_SECONDS)
        except (OSError, TimeoutError) as error:
            self.close()
            raise Unavailable(f"syslog server {self.name}: {error or 'took nothing in time'}") from error
        if reader.at_eof():
            self.close()
            raise Unavailable(f"syslog server {self.name}: it has closed the connection")

    def close(self) -> None:
        """What is under way is given up."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def _accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Wait until the server has taken our certificate, or the lack of one: in TLS 1.3 it refuses after our side of the
    handshake, when what we sent would be lost. Its session ticket tells; one that gives none is believed after a while.

    Raises ``OSError`` if it refuses.
    """
    connection, clock = writer.get_extra_info("ssl_object"), asyncio.get_running_loop().time
    until = clock() + ACCEPTED_SECONDS
    while connection.version() == "TLSv1.3" and not connection.session.has_ticket and clock() < until:
        await asyncio.sleep(LOOK_SECONDS)
        if (refusal := reader.exception()) is not None:
            raise refusal
        if reader.at_eof():
            raise ConnectionResetError(
                "it ends the connection at once: it may want a certificate of ours, or refuse it"
            )


def _taken(writer: asyncio.StreamWriter) -> bool:
    """Whether nothing waits here any more, nor in the kernel for the acknowledgement of the other one.

    Raises ``OSError`` for a connection that is broken.
    """
    if writer.transport.is_closing():
        raise ConnectionResetError("the connection is broken")
    unsent = array.array("i", [0])
    fcntl.ioctl(writer.get_extra_info("socket").fileno(), termios.TIOCOUTQ, unsent)
    return not unsent[0] and not writer.transport.get_write_buffer_size()
