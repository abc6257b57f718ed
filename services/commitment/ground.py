"""What all parts of commitment stand on."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from services.commitment.settings import CommitmentSettings
from services.commitment.stations import Stations
from services.dicom.profile import Profile
from services.runtime.app import Runtime
from services.runtime.loops import Loops


@dataclass(frozen=True)
class Ground:
    """The process, its settings, the profile, the stations as configured, and the threads of associations."""

    runtime: Runtime
    settings: CommitmentSettings
    profile: Profile
    stations: Stations
    threads: ThreadPoolExecutor

    @property
    def loops(self) -> Loops:
        """For supervised loops."""
        return Loops(self.runtime.db, self.runtime.supervisor)
