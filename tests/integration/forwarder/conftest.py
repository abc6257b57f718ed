"""Fixtures of the forwarder's tests."""

from pathlib import Path

import pytest

from tests.integration.forwarder.bench import Ledger
from tests.recorded import Recorder


@pytest.fixture
def recorder(database_url: str, tmp_path: Path) -> Recorder:
    """Records instances under rule set 1."""
    return Recorder(database_url, tmp_path / "objects")


@pytest.fixture
def ledger(database_url: str) -> Ledger:
    """Looks into the schema ``routing``."""
    return Ledger(database_url)
