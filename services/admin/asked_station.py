"""The association over which a station is asked what it has."""

import threading
from typing import Final

from services.admin.station import Station
from services.dicom.archive import CONTEXTS, MOST, STUDY_ROOT, AskedArchive
from services.dicom.calling import peer_of
from services.dicom.pending import MatchLimits
from services.dicom.profile import Profile
from services.dicom.requestor import Requestor
from services.runtime.errors import GatewayError

CONNECT_SECONDS: Final = 10.0


class CannotAsk(GatewayError):
    """The station cannot be asked. The text says why."""


class AskedStation:
    """An association to the station, opened with the first question and anew after one that broke; used by one thread
    at a time. ``limits`` are those of one answer."""

    def __init__(self, station: Station, profile: Profile, calling_aet: str, limits: MatchLimits = MOST) -> None:
        self._peer = peer_of(station, calling_aet, profile)
        seconds = profile.response_seconds("find", station.find_seconds)
        self._guards = profile.guards(connect_seconds=CONNECT_SECONDS, response_seconds=seconds)
        self._profile, self._limits = profile, limits
        self._requestor: Requestor | None = None
        self._archive: AskedArchive | None = None
        self.lost = threading.Event()
        """No association may be opened any more."""

    @property
    def open(self) -> bool:
        """Whether there is an association, as far as is known."""
        return self._archive is not None

    def archive(self) -> AskedArchive:
        """Who answers, over an open association. Blocks; raises ``AssociationError``, ``CannotAsk``."""
        if self._archive is None:
            proposals = self._profile.proposals(list(CONTEXTS))
            requestor = Requestor.connect(
                self._peer, proposals, self._guards, implementation=self._profile.implementation
            )
            self._requestor = requestor
            context = requestor.first_context(STUDY_ROOT)
            if context is None:
                self.close()
                raise CannotAsk(f"{self._peer.called_aet} accepted the association but no queries (Study Root C-FIND)")
            self._archive = AskedArchive(requestor, context, self._limits)
        return self._archive

    def forget(self) -> None:
        """The association broke."""
        self._requestor = self._archive = None

    def abort(self) -> None:
        """From the loop: the slot of the association was lost."""
        self.lost.set()
        if self._requestor is not None:
            self._requestor.association.abort()

    def close(self) -> None:
        """Release it; idempotent."""
        if self._requestor is not None:
            self._requestor.release()
            self.forget()
