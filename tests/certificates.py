"""Certificates for servers and peers of tests on 127.0.0.1."""

import datetime
import ipaddress
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

PEM: Final = serialization.Encoding.PEM
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class Authority:
    """A CA; ``pem`` is its certificate."""

    def __init__(self, name: str = "Tests CA") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = _signed(self._key, name, None, self._key, [], hours=1)
        self.pem = self._certificate.public_bytes(PEM)

    def issue(
        self,
        name: str = "127.0.0.1",
        *,
        addresses: tuple[str, ...] = ("127.0.0.1",),
        names: tuple[str, ...] = (),
        hours: float = 1,
        key: Key | None = None,
    ) -> bytes:
        """A key and its certificate as PEM, with these alternative names; it expires after ``hours``, or has."""
        own = key or ec.generate_private_key(ec.SECP256R1())
        alternatives = [x509.IPAddress(ipaddress.ip_address(each)) for each in addresses]
        alternatives += [x509.DNSName(each) for each in names]  # type: ignore[misc]
        certificate = _signed(own, name, self._certificate.subject, self._key, alternatives, hours=hours)
        private = own.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return private + certificate.public_bytes(PEM)


def binding(pem: bytes) -> str:
    """A certificate's fingerprint as a station is given it."""
    certificate = pem[pem.index(b"-----BEGIN CERTIFICATE") :]
    return f"sha256:{x509.load_pem_x509_certificate(certificate).fingerprint(hashes.SHA256()).hex()}"


def certify(folder: Path) -> None:
    """A CA, ca.pem, and two certificates of it for 127.0.0.1 with their keys: server.pem and client.pem."""
    authority = Authority()
    (folder / "ca.pem").write_bytes(authority.pem)
    for name in ("server", "client"):
        (folder / f"{name}.pem").write_bytes(authority.issue())


def _signed(
    key: Key,
    name: str,
    issuer: x509.Name | None,
    signer: ec.EllipticCurvePrivateKey,
    alternatives: list[x509.IPAddress],
    *,
    hours: float,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer or subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=2))
        .not_valid_after(now + datetime.timedelta(hours=hours))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    return builder.sign(signer, hashes.SHA256())
