"""Which title and ports a start takes: the caller's, else those of the last start, else the usual ones."""

import json
from pathlib import Path

import launch
import pytest


@pytest.fixture(autouse=True)
def every_port_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ports are asked of the machine elsewhere (deploy/test_launcher.py)."""
    monkeypatch.setattr(launch, "choose_port", lambda wanted, host: wanted)


def chosen(home: Path, **given: str) -> tuple[str, str, str]:
    """Title, DICOM port and HTTP port."""
    environment = launch.gateway_environment(home, given)
    return environment["GATEWAY_AET"], environment["GATEWAY_DICOM_PORT"], environment["GATEWAY_HTTP_PORT"]


@pytest.fixture
def used(tmp_path: Path) -> Path:
    """A home that was started with a title and ports of its own."""
    document = {"aet": "ROUTER1", "dicom": "127.0.0.1:24112", "http": "http://127.0.0.1:24080"}
    (tmp_path / "gateway.json").write_text(json.dumps(document))
    return tmp_path


def test_a_new_home_takes_the_usual_ones(tmp_path: Path) -> None:
    assert chosen(tmp_path) == ("GATEWAY", "11112", "8080")


def test_a_second_start_takes_those_of_the_first(used: Path) -> None:
    assert chosen(used) == ("ROUTER1", "24112", "24080")


def test_the_caller_has_the_last_word(used: Path) -> None:
    given = {"GATEWAY_AET": "OTHER", "GATEWAY_DICOM_PORT": "104", "GATEWAY_HTTP_PORT": "81"}
    assert chosen(used, **given) == ("OTHER", "104", "81")


def test_a_profile_brings_its_own(used: Path) -> None:
    assert chosen(used, GATEWAY_PROFILE="xeleris") == ("XELERIS", "104", "8080")


@pytest.mark.parametrize("content", ["", "[]", '{"dicom": 7, "http": "nonsense"}'])
def test_an_unreadable_file_is_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "gateway.json").write_text(content)
    assert chosen(tmp_path) == ("GATEWAY", "11112", "8080")


def test_an_empty_variable_is_as_none(used: Path) -> None:
    names = ("AET", "PROFILE", "DICOM_HOST", "DICOM_PORT", "HTTP_HOST", "HTTP_PORT")
    empty = {f"GATEWAY_{name}": "" for name in names}
    assert chosen(used, **empty) == ("ROUTER1", "24112", "24080")
    assert launch.gateway_environment(used, empty)["GATEWAY_DICOM_HOST"] == "127.0.0.1"
