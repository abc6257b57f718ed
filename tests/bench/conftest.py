"""Measurements: ``tests/run --bench`` runs those of the issue's ratios, ``--bench NAME`` one alone; each prints what it
found (see ``figures``)."""

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.bench.figures import PROPERTY, Figure, text
from tests.bench.machine import disk

Measured = Callable[..., None]


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Measured:
    """Takes the figures of a bench and what it could not measure; the test fails if one misses its budget."""
    marker = request.node.get_closest_marker("bench")
    told = f"{marker.args[0]}: {request.node.name.removeprefix('test_').replace('_', ' ')}"

    def take(*figures: Figure, left_out: str = "") -> None:
        request.node.user_properties.append((PROPERTY, text(told, figures, [left_out] if left_out else [])))
        assert [figure for figure in figures if not figure.kept] == []

    return take


@pytest.fixture
def on_disk() -> Iterator[Path]:
    """A folder on a real disk, for one test."""
    with folder_on_disk() as folder:
        yield folder


@pytest.fixture(scope="module")
def module_on_disk() -> Iterator[Path]:
    """A folder on a real disk, for one module."""
    with folder_on_disk() as folder:
        yield folder


@contextmanager
def folder_on_disk() -> Iterator[Path]:
    """A folder that other accounts, PostgreSQL's for one, may enter; removed at the end.

    What is made in it gets parts of the file system of its own (chattr +T): before ext4 makes a file, it looks at every
    one that was deleted in the same part within minutes, and each round would measure what was cleaned up before.
    """
    with tempfile.TemporaryDirectory(prefix="dicom-gateway-bench-", dir=disk(), ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        subprocess.run(["chattr", "+T", name], capture_output=True, check=False)  # other file systems have no such flag
        yield folder
