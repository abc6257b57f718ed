"""Comparing studies over an association, whatever becomes of it."""

from collections.abc import Sequence

from services.admin.asked_station import AskedStation
from services.admin.reconciling.comparison import Compared, Level, Sent, compare
from services.dicom.archive import NotTold
from services.dicom.errors import AssociationError


class Line(AskedStation):
    """A station that studies are compared with."""

    def compare(self, study: str, sent: Sequence[Sent], level: Level) -> Compared:
        """Blocks. Raises ``AssociationError`` when a new association breaks too, ``CannotAsk``."""
        fresh = not self.open
        try:
            return compare(self.archive(), study, sent, level)
        except NotTold as fault:
            return Compared(study, "UNKNOWN", len(sent), None, note=f"it does not answer: {fault}")
        except AssociationError:
            self.forget()
            if fresh or self.lost.is_set():
                raise
        return self.compare(study, sent, level)
