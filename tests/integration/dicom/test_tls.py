"""DICOM over TLS (PS3.15 B.12), in and out: who is let in, whom we believe. Peers: DCMTK, openssl, Python's ssl."""

import hashlib
import io
import os
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pydicom.data
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from prometheus_client import REGISTRY

from schemas.snapshot import Snapshot, SnapshotStation
from services.dicom import commands
from services.dicom.acceptance import SnapshotPolicy
from services.dicom.acceptor import Outcome
from services.dicom.association import Request
from services.dicom.contexts import UNCOMPRESSED, VERIFICATION, ProposedContext
from services.dicom.errors import AssociationAborted, ConnectFailed, PeerGone
from services.dicom.listener import Listener, listen
from services.dicom.profile import profile_of
from services.dicom.requestor import Peer, Requestor
from services.dicom.settings import DicomSettings
from services.dicom.tls import Identity, Secured, TlsFiles
from tests.certificates import Authority, binding
from tests.integration.dicom.conftest import FAST, Scp, nothing_left
from tests.integration.dicom.test_dcmtk import storescp
from tests.stations import RawSender, part10
from tests.stations.raw_sender import associate_request, item
from tests.waiting import until

SAMPLE = Path(pydicom.data.__file__).parent / "test_files" / "CT_small.dcm"
CT, EXPLICIT, IMPLICIT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
CONTEXTS = [(CT, EXPLICIT)]
USER_AND_PASSCODE = item(0x58, b"\x02\x00\x00\x04name\x00\x06secret")
REFUSED = ["other authority", "expired", "foreign", "none"]


class Site:
    """One authority, the gateway's own certificate, and those that a modality may come with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority, self.stranger = Authority(), Authority("Somebody else's CA")
        self.authorities = self.put("ca.pem", self.authority.pem)
        self.put("gateway.pem", self.authority.issue("gateway"))
        self.mine = self.authority.issue("SCANNER1", addresses=())
        self.clients: dict[str, Path | None] = {
            "right": self.put("right.pem", self.mine),
            "other authority": self.put("other.pem", self.stranger.issue("SCANNER1")),
            "expired": self.put("expired.pem", self.authority.issue("SCANNER1", hours=-1)),
            "foreign": self.put("foreign.pem", self.authority.issue("SCANNER2", addresses=("10.0.0.9",))),
            "none": None,
        }
        self.identity = Identity(TlsFiles(folder / "gateway.pem", folder / "gateway.pem", self.authorities))
        self.stations = [SnapshotStation(title="SCANNER1", host="127.0.0.1", certificates=[binding(self.mine)])]

    def put(self, name: str, pem: bytes) -> Path:
        """A file of that name."""
        path = self.folder / name
        path.write_bytes(pem)
        return path

    def context(self, which: str, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
        """Python's ssl as a modality with one of those certificates."""
        context = ssl.create_default_context(cafile=self.authorities)
        context.check_hostname = False
        context.maximum_version = version
        if path := self.clients[which]:
            context.load_cert_chain(path)
        return context

    def snapshot(self) -> Snapshot:
        """What is configured."""
        return Snapshot(number=1, rule_set=1, written_at=datetime.now(UTC), stations=self.stations)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    folder = tmp_path / "certificates"
    folder.mkdir()
    return Site(folder)


@contextmanager
def listening(site: Site, folder: Path, secure: Callable[[socket.socket], socket.socket] | None) -> Iterator[Scp]:
    """The SCP behind the gateway's own policy; at the end it has left nothing behind."""
    policy = SnapshotPolicy("GATEWAY", profile_of("gateway", DicomSettings()), site.snapshot)
    policy.offers.append(lambda abstract_syntax: UNCOMPRESSED if abstract_syntax in (CT, VERIFICATION) else ())
    objects = folder / "objects"
    objects.mkdir()
    scp = Scp(objects)
    with nothing_left():
        scp.listener = Listener(
            listen("127.0.0.1", 0), policy, scp.handlers, replace(FAST, artim_seconds=3), secure=secure,
            ended=scp.summaries.append,
        )  # fmt: skip
        with scp.listener:
            yield scp


@pytest.fixture
def secured(site: Site, tmp_path: Path) -> Iterator[Scp]:
    """The SCP over TLS."""
    with listening(site, tmp_path, site.identity.accept) as scp:
        yield scp


def test_python_with_the_right_certificate_stores_bytes_as_they_are(site: Site, secured: Scp) -> None:
    data = os.urandom(900_000)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = site.context("right", version)
        with RawSender(secured.port, contexts=CONTEXTS, secure=context.wrap_socket) as sender:
            assert isinstance(sender.socket, ssl.SSLSocket)
            assert sender.socket.version() == {771: "TLSv1.2", 772: "TLSv1.3"}[version]
            assert sender.store(CT, "1.2.3", EXPLICIT, data) == 0
            assert sender.echo() == 0
    assert [(size, digest) for _, size, digest in secured.received] == [
        (len(data), hashlib.sha256(data).hexdigest())
    ] * 2
    assert {each.outcome for each in secured.summaries} == {Outcome.RELEASED}


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("which", REFUSED)
def test_python_with_any_other_certificate_is_refused(
    site: Site, secured: Scp, which: str, version: ssl.TLSVersion
) -> None:
    sender = RawSender(secured.port, contexts=CONTEXTS, secure=site.context(which, version).wrap_socket)
    with pytest.raises(OSError, match=r"rejected: \(1, 1, 3\)" if which == "foreign" else "alert"), sender:
        pass
    outcome = secured.ended().outcome
    assert outcome is (Outcome.REJECTED if which == "foreign" else Outcome.LOST)
    assert secured.received == []


@pytest.mark.parametrize("minor", [1, 2])
def test_tls_1_0_and_1_1_are_refused(secured: Scp, minor: int) -> None:
    """A ClientHello by hand, since no library makes one any more; the answer is the alert protocol_version."""
    hello = bytes([3, minor]) + bytes(32) + bytes.fromhex("00 0006 c009c013002f 0100")
    handshake = b"\x01" + len(hello).to_bytes(3, "big") + hello
    with socket.create_connection(("127.0.0.1", secured.port), 5) as peer:
        peer.sendall(bytes([0x16, 3, 1]) + len(handshake).to_bytes(2, "big") + handshake)
        alert = peer.recv(100)
    assert (alert[0], alert[5:7]) == (0x15, bytes([2, 70]))
    assert secured.ended().outcome is Outcome.LOST


def _s_client(port: int, site: Site, which: str, *more: str) -> subprocess.CompletedProcess[str]:
    path = site.clients[which]
    own = ("-cert", str(path), "-key", str(path)) if path else ()
    return subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", str(site.authorities), *own,
         "-verify_return_error", "-quiet", "-no_ign_eof", *more],
        input="", capture_output=True, text=True, timeout=30,
    )  # fmt: skip


@pytest.mark.parametrize("which", ["right", *REFUSED])
def test_openssl_is_believed_by_its_certificate(site: Site, secured: Scp, which: str) -> None:
    """That of another station passes the handshake: whose it is shows in the proposal."""
    done = _s_client(secured.port, site, which, "-tls1_2")
    assert (done.returncode == 0) == (which in ("right", "foreign")), done.stderr


def _storescu(port: int, site: Site, which: str) -> subprocess.CompletedProcess[str]:
    path = site.clients[which]
    tls = ("+tls", str(path), str(path)) if path else ("+tla",)
    return subprocess.run(
        ["storescu", "-v", *tls, "+cf", str(site.authorities), "-aet", "SCANNER1", "-aec", "GATEWAY", "-R", "-xe",
         "127.0.0.1", str(port), str(SAMPLE)],
        capture_output=True, text=True, timeout=30,
    )  # fmt: skip


@pytest.mark.parametrize("which", ["right", *REFUSED])
def test_dcmtk_stores_with_the_right_certificate_only(site: Site, secured: Scp, which: str) -> None:
    done = _storescu(secured.port, site, which)
    assert (done.returncode == 0) == (which == "right"), done.stderr
    assert len(secured.received) == (which == "right")


def test_silent_clients_delay_nobody_and_are_gone_within_artim(site: Site, secured: Scp) -> None:
    silent = [socket.create_connection(("127.0.0.1", secured.port), 10) for _ in range(20)]
    half = socket.create_connection(("127.0.0.1", secured.port), 10)
    half.sendall(bytes.fromhex("160301020001fc0303"))
    begun = time.monotonic()
    with RawSender(secured.port, secure=site.context("right").wrap_socket) as sender:
        assert sender.echo() == 0
    assert time.monotonic() - begun < 2
    for each in (*silent, half):
        with each:
            assert each.recv(10) == b""
    assert time.monotonic() - begun < 8
    counted = REGISTRY.get_sample_value("gateway_tls_handshakes_refused_total", {"reason": "silent"})
    assert counted is not None
    assert counted >= 21


def test_the_handshake_counts_towards_artim(site: Site, secured: Scp) -> None:
    """3 s from the connection to the whole A-ASSOCIATE-RQ, not once more after a slow handshake."""
    begun = time.monotonic()
    with socket.create_connection(("127.0.0.1", secured.port), 10) as plain:
        until(lambda: time.monotonic() - begun > 1.5, what="half of the time to pass")
        with site.context("right").wrap_socket(plain) as ours:
            assert ours.recv(1) != b""  # an A-ABORT
    assert time.monotonic() - begun < 4.2
    assert secured.ended().outcome is Outcome.TIMED_OUT


def test_new_files_serve_new_associations_and_broken_ones_leave_the_old_in_force(site: Site, secured: Scp) -> None:
    def presented() -> bytes:
        with RawSender(secured.port, secure=site.context("right").wrap_socket) as sender:
            assert isinstance(sender.socket, ssl.SSLSocket)
            assert sender.echo() == 0
            return sender.socket.getpeercert(binary_form=True) or b""

    site.identity.watch()
    first = presented()
    with RawSender(secured.port, secure=site.context("right").wrap_socket) as running:
        site.put("gateway.pem", b"half a certif")
        until(lambda: REGISTRY.get_sample_value("gateway_tls_files_stale") == 1, what="the broken file to be told")
        assert "gateway.pem: no certificate in it can be read; give PEM" in site.identity.fault
        assert presented() == first
        site.put("gateway.pem", site.authority.issue("gateway", hours=48))
        until(lambda: presented() != first, what="the new certificate")
        assert running.echo() == 0
    assert REGISTRY.get_sample_value("gateway_tls_files_stale") == 0
    left = REGISTRY.get_sample_value("gateway_tls_certificate_expires_seconds", {"of": "certificate"})
    assert left is not None
    assert 47 * 3600 < left < 49 * 3600


def test_an_authority_that_is_taken_away_lets_nobody_in_any_more(site: Site, secured: Scp) -> None:
    with RawSender(secured.port, secure=site.context("right").wrap_socket) as sender:
        assert sender.echo() == 0
    own = site.context("right")
    site.put("ca.pem", site.stranger.pem)

    def refused() -> bool:
        try:
            with RawSender(secured.port, secure=own.wrap_socket):
                return False
        except OSError:
            return True

    until(refused, what="the authority to be forgotten")


def test_a_station_with_certificates_is_not_believed_over_plain_tcp(site: Site, tmp_path: Path) -> None:
    site.stations.append(SnapshotStation(title="PLAIN"))
    with listening(site, tmp_path, None) as scp:
        with pytest.raises(ConnectionRefusedError, match=r"\(1, 1, 3\)"), RawSender(scp.port):
            pass
        with RawSender(scp.port, "PLAIN") as sender:
            assert sender.echo() == 0


@pytest.mark.parametrize(("host", "accepted"), [("10.0.0.9", True), ("10.0.0.8", False), ("", False)])
def test_without_certificates_of_its_own_it_has_to_present_one_for_its_host(
    site: Site, secured: Scp, host: str, accepted: bool
) -> None:
    site.stations = [SnapshotStation(title="SCANNER1", host=host)]
    sender = RawSender(secured.port, secure=site.context("foreign").wrap_socket)
    if accepted:
        with sender:
            assert sender.echo() == 0
        return
    with pytest.raises(ConnectionRefusedError, match=r"\(1, 1, 3\)"), sender:
        pass


def test_a_user_identity_is_refused_over_plain_tcp_and_never_told(
    site: Site, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    site.stations.append(SnapshotStation(title="PLAIN"))
    with listening(site, tmp_path, None) as scp:
        sender = RawSender(scp.port, "PLAIN", more_user_items=USER_AND_PASSCODE)
        with pytest.raises(ConnectionRefusedError, match=r"\(1, 2, 1\)"), sender:
            pass
    told = "".join(capfd.readouterr())
    assert "1,2,1" in told
    assert "secret" not in told


def test_a_user_identity_over_tls_is_not_answered(site: Site, secured: Scp) -> None:
    """Not supported: PS3.7 D.3.3.7 has an acceptor leave the answer out then."""
    sender = RawSender(
        secured.port, more_user_items=USER_AND_PASSCODE, secure=site.context("right").wrap_socket
    )  # fmt: skip
    with sender:
        assert sender.echo() == 0


@pytest.mark.parametrize("host", ["169.254.169.254", "::ffff:169.254.169.254", "0.0.0.9", "metadata.example"])
def test_nothing_is_connected_to_that_is_denied(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither by its address nor by a name that leads there, whatever it led to when somebody looked before."""
    resolved = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: resolved)
    denied = profile_of("gateway", DicomSettings()).denied
    peer = Peer(host, 80, "ARCHIVE", "GATEWAY", denied=denied)
    with pytest.raises(ConnectFailed, match="GATEWAY_DENIED_ADDRESSES"):
        Requestor.connect(peer, [ProposedContext(VERIFICATION, (IMPLICIT,))], FAST)


def test_what_a_station_may_not_ask_for_is_refused(site: Site, tmp_path: Path) -> None:
    site.stations = [
        SnapshotStation(title="ECHOES", services=["echo"]),
        SnapshotStation(title="GETS", services=["echo", "get"]),
        SnapshotStation(title="MR", sop_classes=["1.2.840.10008.5.1.4.1.1.4"]),
    ]
    with listening(site, tmp_path, None) as scp:
        for title in ("ECHOES", "MR"):
            with RawSender(scp.port, title, contexts=CONTEXTS) as sender:
                assert sender.echo() == 0
                with pytest.raises(ValueError, match="no presentation context"):
                    sender.store(CT, "1.2.3", EXPLICIT, b"12")
        with RawSender(scp.port, "GETS", contexts=CONTEXTS) as sender:
            assert sender.store(CT, "1.2.3", EXPLICIT, b"12") == 0x0124
            assert sender.echo() == 0
    assert scp.received == []


# ---------------------------------------------------------------------------------------------------- out


def _peer(site: Site, port: int, certificates: Sequence[str] = (), host: str = "127.0.0.1") -> Peer:
    return Peer("127.0.0.1", port, "ARCHIVE", "GATEWAY", secure=Secured(site.identity, host, tuple(certificates)))


def _store(peer: Peer, data: bytes, sop_class: str = CT, syntax: str = EXPLICIT) -> int:
    contexts = [ProposedContext(sop_class, (syntax,)), ProposedContext(VERIFICATION, (IMPLICIT,))]
    with Requestor.connect(peer, contexts, FAST) as requestor:
        context = requestor.context_for(sop_class, syntax)
        assert context is not None
        return requestor.store(context, sop_class, "1.2.3", io.BytesIO(data), 0, len(data)).status


@contextmanager
def archive(site: Site, own: Path, folder: Path) -> Iterator[int]:
    """Debian's storescp over TLS: who calls has to bring a certificate of the authority."""
    with storescp("+tls", str(own), str(own), "+cf", str(site.authorities), "+B", "+xa", "-od", str(folder)) as port:
        yield port


@pytest.mark.parametrize("kind", ["EC", "RSA"])
def test_storescp_gets_the_bytes_as_they_are(site: Site, tmp_path: Path, kind: str) -> None:
    key = rsa.generate_private_key(65537, 2048) if kind == "RSA" else None
    own = site.put("archive.pem", site.authority.issue("archive", key=key))
    file = part10(SAMPLE)
    (tmp_path / "out").mkdir()
    with nothing_left(), archive(site, own, tmp_path / "out") as port:
        assert _store(_peer(site, port), file.data_set, file.sop_class, file.transfer_syntax) == 0
        (written,) = (tmp_path / "out").iterdir()
        assert part10(written).data_set == file.data_set


@pytest.mark.parametrize(
    ("which", "words"),
    [("other authority", "CERTIFICATE_VERIFY_FAILED"), ("expired", "expired"), ("other host", "IP address mismatch")],
)
def test_an_archive_with_another_certificate_gets_nothing(site: Site, tmp_path: Path, which: str, words: str) -> None:
    pem = {
        "other authority": site.stranger.issue("archive"),
        "expired": site.authority.issue("archive", hours=-1),
        "other host": site.authority.issue("archive", addresses=("10.0.0.9",)),
    }[which]
    own = site.put("archive.pem", pem)
    with nothing_left(), archive(site, own, tmp_path) as port, pytest.raises(ConnectFailed, match=words) as caught:
        _store(_peer(site, port), b"12")
    assert caught.value.phase == "connect"


def test_certificates_of_the_station_decide_instead_of_its_host(site: Site, tmp_path: Path) -> None:
    pem = site.authority.issue("archive", addresses=("10.0.0.9",), names=("archive.example",))
    own = site.put("archive.pem", pem)
    for certificates in ([binding(pem)], ["san:archive.example"], ["subject:CN=archive"]):
        with nothing_left(), archive(site, own, tmp_path) as port:
            assert _store(_peer(site, port, certificates), b"\x08\0\x05\0CS\x0a\0ISO_IR 100") == 0
    with nothing_left(), archive(site, own, tmp_path) as port, pytest.raises(ConnectFailed, match="none of those"):
        _store(_peer(site, port, [binding(site.mine)]), b"12")


def test_a_station_called_by_tls_without_a_certificate_of_ours_is_told(site: Site) -> None:
    peer = Peer("127.0.0.1", 9, "ARCHIVE", "GATEWAY", secure=Secured(None, "127.0.0.1", ()))
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        peer = replace(peer, port=server.getsockname()[1])
        with pytest.raises(ConnectFailed, match="needs GATEWAY_TLS_CERTIFICATE"):
            _store(peer, b"12")


def test_a_server_that_is_silent_in_the_handshake_has_the_connect_time_only(site: Site) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server, nothing_left():
        begun = time.monotonic()
        with pytest.raises(ConnectFailed):
            _store(_peer(site, server.getsockname()[1]), b"12")
        assert time.monotonic() - begun < 4


def test_a_server_that_refuses_our_certificate_is_told_so(site: Site) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(site.put("archive.pem", site.authority.issue("archive")))
    context.load_verify_locations(cadata=site.stranger.pem.decode())
    context.verify_mode = ssl.CERT_REQUIRED

    def refuse() -> None:
        connection, _ = server.accept()
        with connection, pytest.raises(ssl.SSLError):
            context.wrap_socket(connection, server_side=True)

    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        thread = threading.Thread(target=refuse)
        thread.start()
        with pytest.raises((PeerGone, ConnectFailed), match=r"(?i)alert|reset|closed|EOF"):
            _store(_peer(site, server.getsockname()[1]), b"12")
        thread.join(10)


# ------------------------------------------------------------------------------- the loop of both roles over TLS


def test_ours_to_ours_in_both_directions(site: Site, secured: Scp) -> None:
    """Fragments of every size around that of a TLS record."""
    gateway = [binding((site.folder / "gateway.pem").read_bytes())]
    site.stations = [SnapshotStation(title="GATEWAY", host="127.0.0.1", certificates=gateway)]
    sizes = [1 << 14, (1 << 14) - 1, (1 << 14) + 1, 262_144, 262_143, 700_001, 2]
    for size in sizes:
        data = os.urandom(size)
        assert _store(replace(_peer(site, secured.port), called_aet="GATEWAY"), data) == 0
        assert secured.received[-1][1:] == (size, hashlib.sha256(data).hexdigest())
    assert len(secured.received) == len(sizes)


def test_an_abort_from_another_thread_goes_out_encrypted(site: Site, secured: Scp) -> None:
    waiting = threading.Event()

    def linger(request: Request) -> None:
        waiting.set()
        until(lambda: request.association.cancelled(request), what="the abort")

    secured.handlers[commands.C_ECHO] = linger
    ending = threading.Thread(target=lambda: waiting.wait(5) and secured.listener.drain(0))
    ending.start()
    sender = RawSender(secured.port, secure=site.context("right").wrap_socket)
    with pytest.raises(ConnectionAbortedError, match="A-ABORT source 0"), sender:
        sender.echo()
    ending.join(10)
    assert secured.ended().outcome is Outcome.ABORTED


def test_our_abort_while_sending_and_waiting(site: Site, secured: Scp) -> None:
    gateway = [binding((site.folder / "gateway.pem").read_bytes())]
    site.stations = [SnapshotStation(title="GATEWAY", host="127.0.0.1", certificates=gateway)]
    secured.handlers[commands.C_ECHO] = lambda request: until(
        lambda: request.association.cancelled(request), what="the abort"
    )
    contexts = [ProposedContext(VERIFICATION, (IMPLICIT,))]
    peer = replace(_peer(site, secured.port), called_aet="GATEWAY")
    with Requestor.connect(peer, contexts, FAST) as requestor:
        threading.Timer(0.3, requestor.association.abort).start()
        with pytest.raises(AssociationAborted) as caught:
            requestor.echo()
    assert caught.value.local
    assert secured.ended().outcome is Outcome.ABORTED_BY_PEER


def test_both_sides_end_tls_as_it_should_be(site: Site, secured: Scp) -> None:
    """After A-RELEASE-RP a close_notify comes, not only the end of the TCP connection: nobody cut the last words."""
    context = site.context("right")
    plain = socket.create_connection(("127.0.0.1", secured.port), 5)
    with context.wrap_socket(plain, suppress_ragged_eofs=False) as ours:
        ours.sendall(associate_request([(VERIFICATION, IMPLICIT)]))
        assert ours.recv(1) == b"\x02"
        ours.sendall(bytes.fromhex("05000000000400000000"))
        told = b""
        while data := ours.recv(4096):
            told += data
        assert told.endswith(bytes.fromhex("06000000000400000000"))
