"""A TCP (or TLS) connection to a station, name resolution included, within one limit."""

import contextlib
import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Sequence
from ipaddress import IPv4Network, IPv6Network

from services.dicom.errors import ConnectFailed
from services.dicom.transport import prepare

Network = IPv4Network | IPv6Network
Secure = Callable[[socket.socket], socket.socket]


def connected(
    title: str,
    host: str,
    port: int,
    seconds: float,
    secure: Secure | None,
    ipv4_only: bool,
    denied: Sequence[Network],
) -> socket.socket:
    """A prepared socket; ``secure`` wraps it. Raises ConnectFailed, which names the station.

    The address that was judged is the one connected to: a name that changes meanwhile leads nowhere else.
    """
    limit = time.monotonic() + seconds
    try:
        address = _resolved(host, port, seconds, ipv4_only)
        if is_denied(address, denied):
            raise OSError(f"nothing is connected to {address}, which is within GATEWAY_DENIED_ADDRESSES")
        sock = socket.create_connection((address, port), timeout=max(limit - time.monotonic(), 0.001))
    except OSError as error:
        raise ConnectFailed(f"{title} at {host}:{port}: {error.strerror or error}") from error
    try:
        prepare(sock)
        if secure is not None:
            sock.settimeout(max(limit - time.monotonic(), 0.001))
            sock = secure(sock)
    except OSError as error:
        sock.close()
        raise ConnectFailed(f"{title} at {host}:{port}: {error.strerror or error}") from error
    return sock


def is_denied(address: str, denied: Sequence[Network]) -> bool:
    """Whether an address is within networks that nothing is connected to; an IPv4 address in IPv6 is itself (pure)."""
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(found, "ipv4_mapped", None) or found
    return any(mapped in network for network in denied)


def _resolved(host: str, port: int, seconds: float, ipv4_only: bool) -> str:
    """The address. The resolver of the C library knows no limit, so names are asked for in a thread."""
    with contextlib.suppress(ValueError):
        literal = ipaddress.ip_address(host)
        if ipv4_only and literal.version != 4:
            raise OSError("profile xeleris is IPv4 only (R117)")
        return str(literal)
    found: list[str] = []
    family = socket.AF_INET if ipv4_only else socket.AF_UNSPEC

    def ask() -> None:
        with contextlib.suppress(OSError):
            answers = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
            # IPv4 first (R117): localhost may name ::1 before the address where stations listen.
            found.extend(str(answer[4][0]) for answer in sorted(answers, key=lambda one: one[0] != socket.AF_INET))

    thread = threading.Thread(target=ask, name="resolve", daemon=True)
    thread.start()
    thread.join(seconds)
    if not found:
        raise OSError(f"the host name {host} was not resolved")
    return found[0]
