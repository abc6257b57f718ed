"""Whose a certificate is."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from services.dicom.certificates import belongs, fingerprint, valid_binding
from services.dicom.connecting import is_denied
from services.dicom.profile import profile_of
from services.dicom.settings import DicomSettings
from services.runtime.errors import UsageError
from tests.certificates import Authority, binding

AUTHORITY = Authority()
PEM = AUTHORITY.issue("CT1", addresses=("10.0.0.1", "fd00::1"), names=("CT1.hospital.example",))
DER = x509.load_pem_x509_certificate(PEM[PEM.index(b"-----BEGIN CERT") :]).public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    ("bindings", "host", "expected"),
    [
        ([], "10.0.0.1", True),
        ([], "ct1.HOSPITAL.example", True),
        ([], "ct1.hospital.example.", True),
        ([], "fd00:0::1", True),
        ([], "10.0.0.2", False),
        ([], "hospital.example", False),
        ([], "CT1", False),
        ([], "", False),
        ([binding(PEM)], "elsewhere", True),
        (["subject:CN=CT1"], "elsewhere", True),
        (["subject:CN=CT2"], "10.0.0.1", False),
        (["san:ct1.hospital.example"], "elsewhere", True),
        (["san:10.0.0.1"], "elsewhere", True),
        (["san:10.0.0.2", "sha256:" + "0" * 64], "10.0.0.1", False),
        (["san:10.0.0.2", binding(PEM)], "10.0.0.1", True),
    ],
)
def test_a_certificate_belongs_to_whom_it_names(bindings: list[str], host: str, expected: bool) -> None:
    assert belongs(DER, [valid_binding(each) for each in bindings], host) is expected


def test_what_is_no_certificate_belongs_to_nobody() -> None:
    assert not belongs(b"", ["sha256:" + "0" * 64], "10.0.0.1")
    assert not belongs(DER[:-20], [], "10.0.0.1")


def test_the_fingerprint_is_the_one_openssl_prints() -> None:
    printed = fingerprint(DER).removeprefix("sha256:")
    colons = ":".join(printed[at : at + 2].upper() for at in range(0, 64, 2))
    assert valid_binding(f"sha256:{colons}") == fingerprint(DER) == binding(PEM)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("subject: CN=CT1, O=Hospital", None),
        ("subject:O=Hospital,CN=CT1", "subject:O=Hospital,CN=CT1"),
        ("san:CT1.Hospital.Example", "san:ct1.hospital.example"),
        ("san:010.0.0.1", "san:010.0.0.1"),
        ("san:FD00::0:1", "san:fd00::1"),
        ("sha256:12", None),
        ("md5:" + "0" * 32, None),
        ("san:", None),
        ("CT1", None),
        ("", None),
    ],
)
def test_how_a_certificate_is_named(text: str, kept: str | None) -> None:
    if kept is None:
        with pytest.raises(ValueError, match="write"):
            assert valid_binding(text) != ""
    else:
        assert valid_binding(text) == kept


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"tls_certificate": "/tls.pem"}, "GATEWAY_TLS_AUTHORITIES"),
        ({"tls_authorities": "/ca.pem"}, "GATEWAY_TLS_CERTIFICATE"),
        ({"tls_certificate": "-----BEGIN CERTIFICATE-----", "tls_authorities": "/ca.pem"}, "the path of a PEM file"),
        ({"denied_addresses": ["10.0.0.1/8"]}, "give networks"),
    ],
)
def test_settings_that_do_not_fit_are_named(settings: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        DicomSettings.load(**settings)


def test_profile_xeleris_has_no_tls() -> None:
    settings = DicomSettings.load(tls_certificate="/tls.pem", tls_authorities="/ca.pem")
    with pytest.raises(UsageError, match="R131"):
        profile_of("xeleris", settings)
    assert profile_of("gateway", settings).tls is not None
    assert profile_of("gateway", DicomSettings.load()).tls is None


@pytest.mark.parametrize(
    ("address", "denied"),
    [
        ("169.254.169.254", True),
        ("::ffff:169.254.169.254", True),
        ("fe80::1%eth0", True),
        ("10.0.0.1", False),
        ("fd00::1", False),
    ],
)
def test_denied_addresses(address: str, denied: bool) -> None:
    profile = profile_of("gateway", DicomSettings.load(denied_addresses=["169.254.0.0/16", "fe80::/10"]))
    assert is_denied(address, profile.denied) is denied
