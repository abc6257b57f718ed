"""Limits of one association and of one listener. Every wait and every buffer of the Upper Layer has its limit here."""

from collections.abc import Mapping
from dataclasses import dataclass, field

KIBIBYTE = 1024


@dataclass(frozen=True, slots=True)
class Guards:
    """All times in seconds, all sizes in bytes. Deadlines are absolute: progress in drips does not extend them."""

    artim_seconds: float = 10.0
    """Accepted connection to whole A-ASSOCIATE-RQ, TLS included (PS3.8 9.1.5); requestor: request to its answer."""
    pdu_seconds: float = 10.0
    """For one PDU, from its first byte, plus its size divided by ``minimum_rate``; the same for one write."""
    minimum_rate: int = 4 * KIBIBYTE
    """Bytes per second below which a peer counts as stalled."""
    pause_seconds: float = 30.0
    """Between two PDUs of one message."""
    idle_seconds: float = 300.0
    """Acceptor: between two requests."""
    response_seconds: float = 300.0
    """Requestor: from the end of a request to the first byte of its response."""
    connect_seconds: float = 10.0
    """Requestor: name resolution, TCP and TLS together."""
    linger_seconds: float = 1.5
    """After A-ABORT, A-ASSOCIATE-RJ or A-RELEASE-RP: how long the peer gets to read it and close."""
    maximum_pdu: int = 128 * KIBIBYTE
    """Largest P-DATA-TF we receive, as announced (R25 of the conformance data: 128000 in profile xeleris)."""
    maximum_association_pdu: int = 128 * KIBIBYTE
    """Largest A-ASSOCIATE PDU."""
    maximum_command: int = 64 * KIBIBYTE
    """Largest command set."""
    maximum_object: int = 4 * KIBIBYTE**3
    """Largest data set that is read to its end when nobody wants it."""
    maximum_associations: int = 50
    """Listener without slots: associations at once; more are rejected (2,3,2)."""
    maximum_waiting: int = 512
    """Listener: connections that have not sent their A-ASSOCIATE-RQ yet; more are closed at once."""
    maximum_per_address: int = 320
    """Listener: connections from one address; more are closed at once."""
    failure_status: Mapping[int, int] = field(default_factory=dict)
    """Answer when a handler raises or forgets to answer, by Command Field; without one 0110 (PS3.7 C.5.6)."""
