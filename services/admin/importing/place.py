"""Where the gateway hears what is imported, and from which address it will see it come."""

import socket
from typing import Final

LOCAL: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what it listens on everywhere, it hears here too


def local_address(dicom_host: str) -> str:
    """Where a gateway that listens on ``dicom_host`` is reached from its own machine (pure)."""
    return LOCAL.get(dicom_host, dicom_host)


def place(import_at: str, dicom_host: str, dicom_port: int) -> tuple[str, int]:
    """Host and port that imports are sent to: ``import_at`` (HOST:PORT, GATEWAY_ADMIN_IMPORT_AT) where ingest runs on
    another machine, in another container or pod; "": the gateway's own port on this one (pure)."""
    host, _, port = import_at.rpartition(":")
    return (host.strip("[]"), int(port)) if host else (local_address(dicom_host), dicom_port)


def source(host: str, port: int, *, ipv4_only: bool = False) -> str:
    """The address from which this machine calls there, as far as routes tell; ``host`` where they do not. Blocks while
    the name is looked up; sends nothing."""
    family = socket.AF_INET if ipv4_only else socket.AF_UNSPEC
    try:
        for found, kind, _, _, address in socket.getaddrinfo(host, port, family, socket.SOCK_DGRAM):
            with socket.socket(found, kind) as probe:
                probe.connect(address)
                return str(probe.getsockname()[0]).partition("%")[0]
    except OSError:
        pass
    return host
