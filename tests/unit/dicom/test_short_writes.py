"""A data set goes to its file whole, whatever the kernel takes at once."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from services.dicom import stream


@pytest.mark.parametrize("taken", [1, 7, 4096, 100_000])
def test_all_is_written_whatever_the_kernel_takes_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: int
) -> None:
    def short(descriptor: int, pieces: Sequence[memoryview]) -> int:
        return os.write(descriptor, b"".join(pieces)[:taken])

    monkeypatch.setattr(os, "writev", short)
    whole = os.urandom(3_000)
    pieces = [memoryview(whole)[start : start + 500] for start in range(0, len(whole), 500)]
    target = tmp_path / "object"
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT)
    try:
        stream._flush(descriptor, pieces)
    finally:
        os.close(descriptor)
    assert target.read_bytes() == whole
    assert pieces == []
