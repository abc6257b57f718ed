"""What a received data set says and what its IOD has against it, read anew or taken over from the one before."""

from typing import BinaryIO

from services.dicom.elements import UnparsableDataSet
from services.dicom.facts import Header, read_header
from services.dicom.iods.findings import Finding
from services.dicom.predecessor import Predecessor
from services.ingest.causes import Cause, Refusal
from services.ingest.findings import count, examine


class Examination:
    """One data set of ``size`` bytes at ``offset``: its ``header`` at once, its ``findings`` when asked for."""

    def __init__(
        self, predecessor: Predecessor, source: BinaryIO, offset: int, size: int, transfer_syntax: str
    ) -> None:
        """Raises ``Refusal`` for a data set that cannot be followed to its end."""
        self._predecessor = predecessor
        self._place = (source, offset, size, transfer_syntax)
        taken_over = predecessor.successor(*self._place)
        try:
            self.header: Header = taken_over[0] if taken_over is not None else read_header(*self._place)
        except UnparsableDataSet as error:
            raise Refusal(Cause.UNPARSABLE, str(error)) from error
        self._findings = taken_over[1] if taken_over is not None else None

    def findings(self) -> tuple[Finding, ...]:
        """What it does not keep to, counted. Raises nothing: a check that breaks has found nothing."""
        if self._findings is None:
            self._findings = examine(*self._place, self.header.sop_class_uid)
            if self._findings is not None:
                self._predecessor.remember(*self._place, self.header, self._findings)
        count(self._findings or ())
        return self._findings or ()
