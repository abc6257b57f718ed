"""DICOM over TLS (PS3.15 B.12: BCP 195, TLS 1.2 and 1.3, both sides authenticated), in and out.

The files are looked at again while they are used: new ones serve new associations, ones that cannot be used leave those
before in force, with a line in the log and ``gateway_tls_files_stale``. Sessions are never resumed, so that every
association proves again who it is.
"""

import contextlib
import os
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import structlog

from services.dicom import metrics
from services.dicom.certificates import belongs, expires_at
from services.runtime.errors import UsageError

CIPHERS: Final = ":".join(
    f"ECDHE-{key}-{cipher}" for cipher in ("AES256-GCM-SHA384", "AES128-GCM-SHA256") for key in ("ECDSA", "RSA")
)
"""Of TLS 1.2 (RFC 9325 section 4.2); those of TLS 1.3 are all good."""
LOOK_SECONDS: Final = 1.0
LINGER_SECONDS: Final = 1.5
"""How long a peer that is refused gets to read why."""

_EXPIRED, _NO_CERTIFICATE = 10, "PEER_DID_NOT_RETURN_A_CERTIFICATE"
_Mark = tuple[tuple[int, int, int], ...]

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class TlsFiles:
    """PEM files: our certificate with those that lead to its authority, its key, the authorities of peers."""

    certificate: Path
    key: Path
    authorities: Path


@dataclass(frozen=True)
class _Loaded:
    """The contexts of a listener, of calls to stations by their host's name, of calls to those with certificates."""

    listening: ssl.SSLContext
    by_name: ssl.SSLContext
    by_certificate: ssl.SSLContext
    expires_at: datetime
    authorities_expire_at: datetime


class Identity:
    """Who we are in TLS, and whom we believe. Any thread may use it; nothing is read before."""

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._lock = threading.Lock()
        self._loaded: _Loaded | None = None
        self._mark: _Mark | None = None
        self._look_at = 0.0
        self.fault = ""
        """Why the files as they are now cannot be used."""

    def load(self) -> datetime:
        """Read the files if they are other ones than before; when our certificate expires.

        Raises ``UsageError`` while there are none that can be used.
        """
        return self._current().expires_at

    def watch(self) -> None:
        """Tell the metrics, whenever they are asked for, how long the certificates are good and whether files are not.

        Raises ``UsageError`` as ``load``.
        """
        self.load()
        metrics.TLS_EXPIRES.labels("certificate").set_function(lambda: _left(self._current().expires_at))
        metrics.TLS_EXPIRES.labels("authorities").set_function(lambda: _left(self._current().authorities_expire_at))
        metrics.TLS_UNUSABLE.set_function(self._unusable)

    def accept(self, connection: socket.socket) -> socket.socket:
        """A connection somebody opened, secured within its time-out. Raises OSError after the peer was told why."""
        secured = self._current().listening.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        try:
            secured.do_handshake()
        except OSError as error:
            metrics.TLS_REFUSED.labels(_reason(error)).inc()
            if not isinstance(error, TimeoutError):
                _let_read(secured)
            secured.close()
            raise
        return secured

    def call(self, connection: socket.socket, host: str, certificates: Sequence[str]) -> socket.socket:
        """A connection we opened, secured within its time-out and to who was meant: one of ``certificates``, without
        any a certificate for the name or address ``host``. Raises OSError."""
        current = self._current()
        context = current.by_certificate if certificates else current.by_name
        secured = context.wrap_socket(connection, server_hostname=host)
        if certificates and not belongs(secured.getpeercert(binary_form=True) or b"", certificates, host):
            secured.close()
            raise OSError("the certificate it presented is none of those given for it (--certificate)")
        return secured

    def _current(self) -> _Loaded:
        with self._lock:
            if time.monotonic() >= self._look_at:
                self._look()
                self._look_at = time.monotonic() + LOOK_SECONDS
            if self._loaded is None:
                raise UsageError(self.fault)
            return self._loaded

    def _look(self) -> None:
        mark = _mark(self._files)
        if mark == self._mark and mark is not None:
            return
        renewed = self._loaded is not None
        try:
            self._loaded, fault = _load(self._files), ""
            log.info("tls_files_in_force", expires_at=self._loaded.expires_at.isoformat(), renewed=renewed)
        except UsageError as error:
            fault = str(error)
            if fault != self.fault:
                log.error("tls_files_unusable", reason=fault, old_ones_in_force=renewed)
        self._mark, self.fault = mark, fault

    def _unusable(self) -> float:
        with contextlib.suppress(UsageError):
            self._current()
        return float(bool(self.fault))


@dataclass(frozen=True, slots=True)
class Secured:
    """How a station is called by TLS; ``identity`` None: we have none, which is said when it is called."""

    identity: Identity | None
    host: str
    certificates: tuple[str, ...]

    def __call__(self, connection: socket.socket) -> socket.socket:
        """Secure a connection to it. Raises OSError."""
        if self.identity is None:
            raise OSError("it is called by TLS, which needs GATEWAY_TLS_CERTIFICATE (profile gateway only)")
        try:
            return self.identity.call(connection, self.host, self.certificates)
        except UsageError as fault:
            raise OSError(str(fault)) from fault


def _load(files: TlsFiles) -> _Loaded:
    """Raises ``UsageError`` that names the file and the cure."""
    authorities = _read("GATEWAY_TLS_AUTHORITIES", files.authorities)
    expires = _expiry("GATEWAY_TLS_CERTIFICATE", files.certificate, _read("GATEWAY_TLS_CERTIFICATE", files.certificate))
    authorities_expire = _expiry("GATEWAY_TLS_AUTHORITIES", files.authorities, authorities)
    _read("GATEWAY_TLS_KEY", files.key)
    listening, by_name, by_certificate = (
        ssl.SSLContext(protocol)
        for protocol in (ssl.PROTOCOL_TLS_SERVER, ssl.PROTOCOL_TLS_CLIENT, ssl.PROTOCOL_TLS_CLIENT)
    )
    by_certificate.check_hostname = False
    for context in (listening, by_name, by_certificate):
        _prepare(context, files, authorities.decode("ascii", "ignore"))
    listening.num_tickets = 0
    return _Loaded(listening, by_name, by_certificate, expires, authorities_expire)


def _prepare(context: ssl.SSLContext, files: TlsFiles, authorities: str) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_verify_locations(cadata=authorities)
        # Without the function OpenSSL would ask for a passphrase on the terminal.
        context.load_cert_chain(files.certificate, files.key, password=lambda: "")
    except (OSError, ValueError) as error:
        raise UsageError(
            f"GATEWAY_TLS_CERTIFICATE={files.certificate}, GATEWAY_TLS_KEY={files.key}: they do not fit together "
            f"({error}); give a certificate and its own key without passphrase, both as PEM"
        ) from error


def _read(variable: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{variable}={path}: {error.strerror}; name a PEM file that the gateway may read") from error


def _expiry(variable: str, path: Path, pem: bytes) -> datetime:
    try:
        return expires_at(pem)
    except ValueError as error:
        raise UsageError(f"{variable}={path}: no certificate in it can be read; give PEM") from error


def _mark(files: TlsFiles) -> _Mark | None:
    """What changes whenever a file does; None while one is missing."""
    try:
        found = [os.stat(path) for path in (files.certificate, files.key, files.authorities)]
    except OSError:
        return None
    return tuple((each.st_mtime_ns, each.st_ino, each.st_size) for each in found)


def _left(end: datetime) -> float:
    return end.timestamp() - time.time()


def _reason(error: OSError) -> str:
    """Why a handshake failed, of a few words only: what is counted must not grow by what strangers send (pure)."""
    if isinstance(error, TimeoutError):
        return "silent"
    if isinstance(error, ssl.SSLCertVerificationError):
        return "expired" if error.verify_code == _EXPIRED else "not believed"
    if isinstance(error, ssl.SSLError) and error.reason == _NO_CERTIFICATE:
        return "no certificate"
    return "no TLS 1.2 or later" if isinstance(error, ssl.SSLError) else "connection lost"


def _let_read(secured: ssl.SSLSocket) -> None:
    """A connection that is closed with unread input is reset, which would overtake the alert that says why."""
    limit = time.monotonic() + LINGER_SECONDS
    with contextlib.suppress(OSError):
        socket.socket.shutdown(secured, socket.SHUT_WR)
        while (left := limit - time.monotonic()) > 0:
            secured.settimeout(left)
            if not socket.socket.recv(secured, 1 << 16):
                return
