"""The steps that talk to the station, each on associations of its own. They block."""

import io
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from ssl import SSLSocket
from typing import Any, Final

from pydicom.uid import UID

from services.admin.commissioning.sample import SECONDARY_CAPTURE, Sample
from services.admin.commissioning.step import Step
from services.admin.echo import LIMITS, reason
from services.admin.station import Station
from services.dicom.archive import STUDY_ROOT
from services.dicom.calling import peer_of
from services.dicom.commitment import encode_request
from services.dicom.connecting import Secure, connected
from services.dicom.contexts import COMMITMENT_PUSH, MAXIMUM_CONTEXTS, UNCOMPRESSED, VERIFICATION
from services.dicom.errors import AssociationError, ConnectFailed
from services.dicom.profile import Pair, Profile
from services.dicom.requestor import Peer, Requestor
from services.dicom.status import SUCCESS, WARNING, classify, name

MOVE_ROOT: Final = "1.2.840.10008.5.1.4.1.2.2.2"


@dataclass(frozen=True)
class Line:
    """The station, and as who it is called."""

    station: Station
    profile: Profile
    calling_aet: str

    def connect(self, pairs: Sequence[Pair]) -> Requestor:
        """An association for these pairs. Raises ``AssociationError``."""
        profile = self.profile
        limits = replace(LIMITS, maximum_pdu=profile.maximum_pdu)
        return Requestor.connect(self.peer, profile.proposals(pairs), limits, implementation=profile.implementation)

    @property
    def peer(self) -> Peer:
        """Where and how it is called."""
        return peer_of(self.station, self.calling_aet, self.profile)


def timed(step: Callable[[], Step]) -> Step:
    """The step with how long it took."""
    started = time.monotonic()
    return replace(step(), milliseconds=round((time.monotonic() - started) * 1000))


def resolved(line: Line) -> Step:
    """Whether the host's name has an address."""
    try:
        found = socket.getaddrinfo(line.station.host, line.station.port, type=socket.SOCK_STREAM)
    except OSError as fault:
        text = f"{line.station.host} has no address ({fault.strerror}): correct the host, or this machine's DNS"
        return Step("Name", "failed", text)
    addresses = sorted({str(each[4][0]) for each in found})
    return Step("Name", "passed", f"{line.station.host} is {', '.join(addresses)}")


def reached(line: Line) -> Step:
    """Whether its port takes a TCP connection."""
    place = f"{line.station.host}:{line.station.port}"
    try:
        with _connected(line.peer, None):
            return Step("TCP", "passed", f"{place} takes connections")
    except ConnectFailed as fault:
        if isinstance(fault.__cause__, TimeoutError):
            return Step("TCP", "failed", f"{place} does not answer: check host, port and the firewalls between")
        if isinstance(fault.__cause__, ConnectionRefusedError):
            return Step("TCP", "failed", f"{fault}; check that it runs and listens on this port")
        return Step("TCP", "failed", str(fault))


def secured(line: Line) -> Step:
    """Whether the TLS handshake with it succeeds, and the certificate that it presents is its own."""
    if not line.station.tls:
        return Step("TLS", "left out", "it is called without TLS (--tls)")
    try:
        with _connected(line.peer, line.peer.secure) as connection:
            told = connection.cipher() if isinstance(connection, SSLSocket) else None
    except ConnectFailed as fault:
        return Step("TLS", "failed", str(fault))
    cipher, version, _ = told or ("no cipher", "no TLS", 0)
    return Step("TLS", "passed", f"{version} with {cipher}; the certificate it presented is its own")


def _connected(peer: Peer, secure: Secure | None) -> socket.socket:
    return connected(
        peer.called_aet, peer.host, peer.port, LIMITS.connect_seconds, secure, peer.ipv4_only, peer.denied
    )  # fmt: skip


def echoed(line: Line) -> Step:
    """Whether it knows our title, and answers a C-ECHO."""
    try:
        with line.connect([(VERIFICATION, syntax) for syntax in reversed(UNCOMPRESSED)]) as requestor:
            if requestor.first_context(VERIFICATION) is None:
                return Step("C-ECHO", "failed", "it took the association and not the Verification SOP class")
            status = requestor.echo()
    except AssociationError as error:
        return Step("C-ECHO", "failed", reason(error, line.calling_aet))
    if classify(status) is SUCCESS:
        return Step("C-ECHO", "passed", "it knows us and answered with success")
    return Step("C-ECHO", "failed", f"it answered with status {status:04X}")


def accepted(line: Line, classes: Sequence[str]) -> Step:
    """In which transfer syntaxes it takes each of these classes."""
    syntaxes: dict[str, list[str]] = {each: [] for each in classes}
    try:
        for pairs in _in_associations(line.profile, classes):
            with line.connect(pairs) as requestor:
                for context in requestor.association.contexts.values():
                    if context.abstract_syntax in syntaxes:
                        syntaxes[context.abstract_syntax].append(UID(context.transfer_syntax).name)
            if line.profile.xeleris:
                break  # every association proposes the same
    except AssociationError as error:
        return Step("Contexts", "failed", reason(error, line.calling_aet))
    details = tuple(f"{UID(each).name}: {', '.join(sorted(set(taken))) or 'no'}" for each, taken in syntaxes.items())
    count = sum(bool(taken) for taken in syntaxes.values())
    text = f"it takes {count} of {len(classes)} classes"
    return Step("Contexts", "passed" if count else "failed", text, details=details)


def asked(line: Line) -> Step:
    """Whether it takes queries and retrievals."""
    wanted = {STUDY_ROOT: "queries (Study Root C-FIND)", MOVE_ROOT: "retrievals (Study Root C-MOVE)"}
    try:
        with line.connect([(root, syntax) for root in wanted for syntax in UNCOMPRESSED]) as requestor:
            lacking = [text for root, text in wanted.items() if requestor.first_context(root) is None]
    except AssociationError as error:
        return Step("Query and retrieve", "failed", reason(error, line.calling_aet))
    if lacking:
        return Step("Query and retrieve", "failed", f"it takes no {' and no '.join(lacking)}")
    return Step("Query and retrieve", "passed", "it takes queries and retrievals")


def stored(line: Line, sample: Sample) -> Step:
    """Whether it keeps the sample."""
    try:
        with line.connect([(SECONDARY_CAPTURE, syntax) for syntax in UNCOMPRESSED]) as requestor:
            context = requestor.first_context(SECONDARY_CAPTURE)
            if context is None:
                return Step("C-STORE", "failed", "it does not take Secondary Capture Image Storage")
            data = sample.explicit if context.transfer_syntax == UNCOMPRESSED[0] else sample.implicit
            uid = sample.sop_instance_uid
            response = requestor.store(context, SECONDARY_CAPTURE, uid, io.BytesIO(data), 0, len(data))
    except AssociationError as error:
        return Step("C-STORE", "failed", reason(error, line.calling_aet))
    words = f"status {response.status:04X}" + (f" ({name(response.status)})" if response.status else "")
    if classify(response.status) in (SUCCESS, WARNING):
        return Step("C-STORE", "passed", f"it stored a sample: {words}", details=(f"SOP Instance UID {uid}",))
    return Step("C-STORE", "failed", f"it refused the sample: {words} {response.comment}".strip())


def commitment_asked(line: Line, sample: Sample, transaction_uid: str) -> Step:
    """Whether it takes a request to commit the sample."""
    title = line.station.title
    try:
        with line.connect([(COMMITMENT_PUSH, syntax) for syntax in UNCOMPRESSED]) as requestor:
            context = requestor.first_context(COMMITMENT_PUSH)
            if context is None:
                return Step("N-ACTION", "failed", f"{title} takes no requests for storage commitment")
            references = [(SECONDARY_CAPTURE, sample.sop_instance_uid)]
            data = encode_request(transaction_uid, references, context.transfer_syntax)
            response = requestor.action(context, data)
    except AssociationError as error:
        return Step("N-ACTION", "failed", reason(error, line.calling_aet))
    if classify(response.status) is SUCCESS:
        return Step("N-ACTION", "passed", f"{title} takes the request to commit the sample")
    return Step("N-ACTION", "failed", f"{title} refused: status {response.status:04X} {response.comment}".strip())


def reported(report: Mapping[str, Any], milliseconds: int) -> Step:
    """Whether a report says that the sample is committed (pure)."""
    from_where = f"it reported from {report['peer_address']} as {report['calling_aet']}"
    if report["committed"] and not report["failed"]:
        return Step("Report", "passed", f"{from_where}: it committed the sample", milliseconds)
    text = f"{from_where}: it did not commit the sample; look at why there, as it would commit nothing else either"
    return Step("Report", "failed", text, milliseconds)


def _in_associations(profile: Profile, classes: Sequence[str]) -> Iterator[list[Pair]]:
    pairs = [(each, syntax) for each in classes for syntax in profile.storage_syntaxes(each)]
    for start in range(0, len(pairs), MAXIMUM_CONTEXTS):
        yield pairs[start : start + MAXIMUM_CONTEXTS]
