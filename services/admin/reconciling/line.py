"""The association over which a station is asked."""

import threading
from collections.abc import Sequence
from typing import Final

from services.admin.reconciling.comparison import Archive, Compared, Level, Sent, compare
from services.admin.station import Station
from services.dicom.archive import CONTEXTS, AskedArchive, NotTold
from services.dicom.errors import AssociationError
from services.dicom.profile import Profile
from services.dicom.requestor import Peer, Requestor
from services.runtime.errors import GatewayError

CONNECT_SECONDS: Final = 10.0


class CannotAsk(GatewayError):
    """The station cannot be asked. The text says why."""


class Line:
    """An association to the station, opened with the first question and anew after one that broke; used by one thread
    at a time."""

    def __init__(self, station: Station, profile: Profile, calling_aet: str) -> None:
        self._peer = Peer(station.host, station.port, station.title, calling_aet)
        seconds = profile.response_seconds("find", station.find_seconds)
        self._guards = profile.guards(connect_seconds=CONNECT_SECONDS, response_seconds=seconds)
        self._profile = profile
        self._requestor: Requestor | None = None
        self._archive: Archive | None = None
        self._lost = threading.Event()

    def compare(self, study: str, sent: Sequence[Sent], level: Level) -> Compared:
        """Blocks. Raises ``AssociationError`` when a new association breaks too, ``CannotAsk``."""
        fresh = self._archive is None
        try:
            return compare(self._opened(), study, sent, level)
        except NotTold as fault:
            return Compared(study, "UNKNOWN", len(sent), None, note=f"it does not answer: {fault}")
        except AssociationError:
            self._archive = self._requestor = None
            if fresh or self._lost.is_set():
                raise
        return self.compare(study, sent, level)

    def abort(self) -> None:
        """From the loop: the slot of the association was lost."""
        self._lost.set()
        if self._requestor is not None:
            self._requestor.association.abort()

    def close(self) -> None:
        """Release it; idempotent."""
        if self._requestor is not None:
            self._requestor.release()
            self._requestor = self._archive = None

    def _opened(self) -> Archive:
        if self._archive is None:
            proposals = self._profile.proposals(list(CONTEXTS))
            requestor = Requestor.connect(
                self._peer, proposals, self._guards, implementation=self._profile.implementation
            )
            self._requestor = requestor
            context = next(iter(requestor.association.contexts.values()), None)
            if context is None:
                self.close()
                raise CannotAsk(f"{self._peer.called_aet} accepted the association but no queries (Study Root C-FIND)")
            self._archive = AskedArchive(requestor, context)
        return self._archive
