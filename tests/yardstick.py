"""What budgets of a millisecond are measured against: pydicom at the same data set, on the same machine, just now."""

import io
import timeit
from collections.abc import Callable

from pydicom.filereader import read_dataset
from pydicom.uid import ImplicitVRLittleEndian

REPEATS = 20


def share_of_pydicom(work: Callable[[], object], data_set: bytes, transfer_syntax: str) -> float:
    """How long ``work`` takes, as a share of what pydicom takes to read the data set (little endian) and walk it."""

    def read() -> None:
        found = read_dataset(io.BytesIO(data_set), transfer_syntax == ImplicitVRLittleEndian, is_little_endian=True)
        for _ in found.iterall():
            pass

    ours, theirs = (min(timeit.repeat(each, repeat=REPEATS, number=1)) for each in (work, read))
    return ours / theirs
