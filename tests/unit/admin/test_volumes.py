"""Room of the servers whose data lie in the home folder."""

import os
from pathlib import Path

from services.admin.volumes import free_space


def test_what_lies_in_the_home_folder_is_measured(tmp_path: Path) -> None:
    assert free_space(tmp_path) == {}
    (tmp_path / "postgresql").mkdir()
    found = free_space(tmp_path)
    assert found.keys() == {"database"}
    space, at = found["database"], os.statvfs(tmp_path)
    assert space.total == at.f_blocks * at.f_frsize
    assert space.free is not None
    assert 0 < space.free <= space.total
