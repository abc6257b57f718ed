"""Free TCP ports on 127.0.0.1.

Ports are taken below the kernel's ephemeral range: a client that reconnects to a stopped server on an ephemeral port
may be given that very port as its own and connect to itself.
"""

import random
import socket
from pathlib import Path

from private_servers.errors import PrivateServerError

LOOPBACK = "127.0.0.1"
LOWEST = 20000
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_ATTEMPTS = 200


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen on this port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def choose_port(preferred: int | None = None, host: str = LOOPBACK) -> int:
    """``preferred`` if it is free, else some other free port. Raises PrivateServerError when none is found."""
    if preferred is not None and is_free(preferred, host):
        return preferred
    highest = _ephemeral_start() - 1
    for _ in range(_ATTEMPTS):
        port = random.randint(LOWEST, highest)  # noqa: S311 - a port number is no secret
        if is_free(port, host):
            return port
    raise PrivateServerError(f"no free TCP port between {LOWEST} and {highest} on {host}: end some servers")


def _ephemeral_start() -> int:
    """First port of the kernel's ephemeral range, or 32768 when it leaves us too little room."""
    try:
        start = int(_RANGE.read_text().split()[0])
    except (OSError, ValueError):
        return 32768
    return start if start > LOWEST + 1000 else 32768
