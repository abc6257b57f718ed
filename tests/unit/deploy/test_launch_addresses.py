"""Which title and ports a start takes: the caller's, else those of the last start, else the usual ones."""

import json
from pathlib import Path

import launch
import pytest

from services.runtime.errors import UsageError


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


def test_a_second_start_keeps_the_profile(tmp_path: Path) -> None:
    document = {"profile": "xeleris", "aet": "XELERIS2", "dicom": "127.0.0.1:24104"}
    (tmp_path / "gateway.json").write_text(json.dumps(document))
    assert launch.gateway_environment(tmp_path, {})["GATEWAY_PROFILE"] == "xeleris"
    assert chosen(tmp_path) == ("XELERIS2", "24104", "8080")
    assert chosen(tmp_path, GATEWAY_PROFILE="xeleris") == ("XELERIS2", "24104", "8080")
    assert chosen(tmp_path, GATEWAY_PROFILE="gateway") == ("GATEWAY", "11112", "8080")


def test_settings_of_the_profile_are_passed_on(tmp_path: Path) -> None:
    given = {"GATEWAY_PROFILE": "xeleris", "GATEWAY_VARIANT": "v", "GATEWAY_CHARACTER_SET": "ISO_IR 101"}
    environment = launch.gateway_environment(tmp_path, given)
    assert {name: environment[name] for name in given} == given


@pytest.mark.parametrize(("port", "user", "why"), [(104, 1000, "taken or only for root"), (104, 0, "is taken on")])
def test_a_port_that_cannot_be_had_is_replaced_aloud(
    port: int, user: int, why: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(launch, "choose_port", lambda wanted, host: 20001)
    monkeypatch.setattr(launch.os, "geteuid", lambda: user)
    assert launch.free_port("DICOM", port, "127.0.0.1") == "20001"
    said = capsys.readouterr().err
    assert why in said
    assert "GATEWAY_DICOM_PORT" in said


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("GATEWAY_PROFILE", "xeleriss"),
        ("GATEWAY_VARIANT", "5.0"),
        ("GATEWAY_VERSION_NAME", "more than sixteen characters"),
        ("GATEWAY_CHARACTER_SET", "ISO_IR 192"),
        ("GATEWAY_PRIVATE_CLASSES", '["1.2.3"]'),
        ("GATEWAY_INCOMING_ASSOCIATIONS", "6"),
        ("GATEWAY_OUTGOING_ASSOCIATIONS", "5"),
        ("GATEWAY_DICOM_HOST", "::"),
    ],
)
def test_wrong_values_are_refused_by_name_before_anything_starts(
    variable: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    monkeypatch.setattr(launch.sys, "argv", ["up"])
    for name, given in (("GATEWAY_HOME", str(home)), ("GATEWAY_PROFILE", "xeleris"), (variable, value)):
        monkeypatch.setenv(name, given)
    assert launch.main() == 2
    assert variable in capsys.readouterr().err
    assert not home.exists()


@pytest.mark.parametrize("content", ["", "[]", '{"dicom": 7, "http": "nonsense", "profile": "x"}'])
def test_an_unreadable_file_is_as_none(tmp_path: Path, content: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gateway.json").write_text(content)
    assert chosen(tmp_path) == ("GATEWAY", "11112", "8080")
    monkeypatch.setenv("GATEWAY_HOME", str(tmp_path))
    launch.check_settings(tmp_path, {})


def test_the_profile_of_the_last_start_is_kept_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gateway.json").write_text('{"profile": "xeleris"}')
    monkeypatch.setenv("GATEWAY_INCOMING_ASSOCIATIONS", "6")
    with pytest.raises(UsageError, match="GATEWAY_INCOMING_ASSOCIATIONS"):
        launch.check_settings(tmp_path, {})


def test_an_empty_variable_is_as_none(used: Path) -> None:
    names = ("AET", "PROFILE", "DICOM_HOST", "DICOM_PORT", "HTTP_HOST", "HTTP_PORT")
    empty = {f"GATEWAY_{name}": "" for name in names}
    assert chosen(used, **empty) == ("ROUTER1", "24112", "24080")
    assert launch.gateway_environment(used, empty)["GATEWAY_DICOM_HOST"] == "127.0.0.1"
