"""Why a station did not answer, in words."""

import pytest

from services.admin.echo import reason
from services.dicom.errors import AssociationAborted, AssociationError, AssociationRejected, ConnectFailed, PeerTooSlow


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (AssociationRejected(1, 1, 3), "rejected: calling AE title not recognised (permanent; result 1, source 1, "),
        (AssociationRejected(1, 1, 7), "rejected: called AE title not recognised"),
        (AssociationRejected(2, 3, 2), "rejected: local limit exceeded (transient"),
        (AssociationRejected(1, 9, 9), "rejected: unknown reason"),
        (AssociationAborted(2, 1), "aborted by the peer (source 2, reason 1)"),
        (PeerTooSlow("no answer within 5 s"), "no answer within 5 s"),
    ],
)
def test_words(error: AssociationError, said: str) -> None:
    assert reason(error, "GATEWAY").startswith(said)


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "refused the connection"),
        (TimeoutError("timed out"), "no connection within 5 s"),
        (OSError(113, "No route to host"), "No route to host; check host, port and network"),
    ],
)
def test_no_connection(cause: OSError, said: str) -> None:
    error = ConnectFailed("WS1 at 10.0.0.1:104")
    error.__cause__ = cause
    assert reason(error, "GATEWAY").startswith(said)


def test_an_unknown_calling_title_is_cured_by_naming_ours() -> None:
    assert reason(AssociationRejected(1, 1, 3), "OURS").endswith("have OURS added to the AEs it knows")
