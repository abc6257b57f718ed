"""How an association can fail. ``phase`` tells the caller what the peer can have received:

``connect`` and ``negotiate``: nothing; ``request``: the message was not sent whole, so it was not carried out;
``response``: the message left whole and its answer is not known.
"""

from services.runtime.errors import GatewayError

SOURCE_USER, SOURCE_PROVIDER = 0, 2
REASON_NOT_SPECIFIED, REASON_UNRECOGNIZED_PDU, REASON_UNEXPECTED_PDU, REASON_INVALID_PARAMETER = 0, 1, 2, 6


class AssociationError(GatewayError):
    """An association could not be had, or ended before its time."""

    phase: str = "request"


class ConnectFailed(AssociationError):
    """No TCP connection (or no TLS session) to the peer within the limit."""

    phase = "connect"


class AssociationRejected(AssociationError):
    """A-ASSOCIATE-RJ (PS3.8 9.3.4) with its three codes."""

    phase = "negotiate"

    def __init__(self, result: int, source: int, reason: int) -> None:
        super().__init__(f"association rejected: result {result}, source {source}, reason {reason}")
        self.result, self.source, self.reason = result, source, reason

    @property
    def transient(self) -> bool:
        """True when the peer says that trying later may help (result 2)."""
        return self.result == 2


class AssociationAborted(AssociationError):
    """A-ABORT (PS3.8 9.3.8) by the peer, or by us when ``local``."""

    def __init__(self, source: int, reason: int, *, local: bool = False) -> None:
        by_peer = f"association aborted by the peer: source {source}, reason {reason}"
        super().__init__("association aborted by the gateway" if local else by_peer)
        self.source, self.reason, self.local = source, reason, local


class PeerGone(AssociationError):
    """The connection ended without release or abort."""


class PeerTooSlow(AssociationError):
    """A deadline passed: silence, a PDU in drips, or a peer that stopped reading."""


class ProtocolViolation(AssociationError):
    """The peer broke PS3.7 or PS3.8; it is answered A-ABORT with this source and reason (PS3.8 table 9-26)."""

    def __init__(self, detail: str, reason: int = REASON_INVALID_PARAMETER, source: int = SOURCE_PROVIDER) -> None:
        super().__init__(detail)
        self.source, self.reason = source, reason


class PeerReleased(ProtocolViolation):
    """A-RELEASE-RQ where a response is due. An acceptor whose peer does not wait for its report takes it as an end."""

    phase = "response"

    def __init__(self) -> None:
        super().__init__("A-RELEASE-RQ instead of a response", REASON_UNEXPECTED_PDU)


class DataSetTooLarge(ProtocolViolation):
    """A data set above the limit given by the reader. The association cannot go on."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"data set above {limit} bytes", REASON_NOT_SPECIFIED, SOURCE_USER)


class SourceTruncated(AssociationError):
    """What we were to send ended early; the association was aborted because a message cannot be taken back."""
