"""Whose a certificate is (pure): by fingerprint, subject or alternative name, as ``certificates`` of a station say."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

MOST_SHOWN: Final = 120
_UNREADABLE = (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)


def fingerprint(certificate: bytes) -> str:
    """SHA-256 of a certificate in DER, as ``certificates`` of a station have it. Raises ``ValueError``."""
    return f"sha256:{x509.load_der_x509_certificate(certificate).fingerprint(SHA256()).hex()}"


def valid_binding(text: str) -> str:
    """One entry of a station's ``certificates`` as it is compared.

    ``sha256:`` and the fingerprint in hexadecimal, colons allowed; ``subject:`` and the distinguished name (RFC 4514);
    ``san:`` and a DNS name, address or URI among the subject alternative names. Raises ``ValueError``.
    """
    kind, _, value = text.strip().partition(":")
    if kind == "sha256" and re.fullmatch(r"[0-9a-f]{64}", hexadecimal := value.replace(":", "").strip().lower()):
        return f"sha256:{hexadecimal}"
    if kind == "subject":
        return f"subject:{_subject(value)}"
    if kind == "san" and value.strip().isprintable() and value.strip():
        return f"san:{_name(value.strip())}"
    raise ValueError(
        "write sha256: and the certificate's SHA-256 in 64 hexadecimal digits, subject: and its distinguished name "
        "such as subject:CN=CT1,O=Hospital, or san: and one of its alternative names such as san:ct1.hospital.example"
    )


def belongs(certificate: bytes, bindings: Sequence[str], host: str) -> bool:
    """Whether a certificate (DER) is one of a station's ``bindings``; without any it has to name the station's host
    among its alternative names. False for one that cannot be read."""
    wanted = set(bindings) or {f"san:{_name(host)}"}
    try:
        known = x509.load_der_x509_certificate(certificate)
        if f"sha256:{known.fingerprint(SHA256()).hex()}" in wanted:
            return True
        return not wanted.isdisjoint({f"subject:{known.subject.rfc4514_string()}", *_alternative_names(known)})
    except _UNREADABLE:
        return False


def expires_at(pem: bytes) -> datetime:
    """When the first of some certificates in PEM to expire does (UTC). Raises ``ValueError`` if there is none."""
    return min(each.not_valid_after_utc for each in x509.load_pem_x509_certificates(pem)).astimezone(UTC)


def _subject(text: str) -> str:
    try:
        return x509.Name.from_rfc4514_string(text.strip()).rfc4514_string()
    except ValueError:
        raise ValueError(
            f"{text[:MOST_SHOWN]!r} is no distinguished name; write one such as CN=CT1,O=Hospital (RFC 4514)"
        ) from None


def _alternative_names(certificate: x509.Certificate) -> set[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    kinds = (x509.DNSName, x509.IPAddress, x509.UniformResourceIdentifier)
    return {f"san:{_name(str(name.value))}" for name in names if isinstance(name, kinds)}


def _name(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        return text.removesuffix(".").lower()
