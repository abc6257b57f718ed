"""Settings: order of the sources, secrets from files, errors that name variables and never values."""

import json
from pathlib import Path

import pytest
from pydantic_settings import SettingsConfigDict

from services.runtime.errors import UsageError
from services.runtime.settings import RuntimeSettings, Settings


class SweepSettings(Settings):
    model_config = SettingsConfigDict(env_prefix="GATEWAY_STORAGE_")

    sweep_seconds: int = 5


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GATEWAY_HOME", str(tmp_path))
    return tmp_path


def say(folder: Path, **values: str) -> None:
    (folder / "gateway.json").write_text(json.dumps(values))


def test_defaults_are_the_documented_ones(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    settings = RuntimeSettings.load()
    assert settings.home == tmp_path / ".gateway"
    assert (settings.aet, settings.dicom_port, settings.http_port) == ("GATEWAY", 11112, 8080)
    assert settings.objects_url == (tmp_path / ".gateway" / "objects").as_uri()
    assert settings.max_object_bytes == 4 << 30
    assert (settings.minimum_free_bytes, settings.minimum_free_fraction) == (3 << 30, 0.05)


def test_profile_xeleris_has_a_title_and_a_port_of_its_own(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """R121."""
    monkeypatch.setenv("GATEWAY_PROFILE", "xeleris")
    settings = RuntimeSettings.load()
    assert (settings.aet, settings.dicom_port) == ("XELERIS", 104)
    monkeypatch.setenv("GATEWAY_AET", "XEL2")
    say(home, dicom="127.0.0.1:11112")
    settings = RuntimeSettings.load()
    assert (settings.aet, settings.dicom_port) == ("XEL2", 11112)


def test_environment_over_home_file_over_defaults(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    say(home, database_url="postgresql://file", amqp_url="amqp://file", aet="FILE", dicom="127.0.0.1:4711",
        http="http://127.0.0.1:4712", home="/ignored", profile="xeleris")  # fmt: skip
    monkeypatch.setenv("GATEWAY_AET", "ENVIRONMENT")
    settings = RuntimeSettings.load()
    assert (settings.aet, settings.profile) == ("ENVIRONMENT", "xeleris")
    assert (settings.database_url, settings.amqp_url) == ("postgresql://file", "amqp://file")
    assert (settings.dicom_host, settings.dicom_port) == ("127.0.0.1", 4711)
    assert (settings.http_host, settings.http_port) == ("127.0.0.1", 4712)
    assert settings.home == home


def test_an_address_of_version_6_is_found_again(home: Path) -> None:
    say(home, http="http://[::1]:80", dicom="::1:104")
    settings = RuntimeSettings.load()
    assert (settings.http_host, settings.http_port) == ("::1", 80)
    assert (settings.dicom_host, settings.dicom_port) == ("::1", 104)


def test_every_value_comes_from_a_file_too(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = home / "secret"
    secret.write_text("postgresql://from:secret@host/db\n")
    monkeypatch.setenv("GATEWAY_DATABASE_URL_FILE", str(secret))
    number = home / "number"
    number.write_text("104\r\n")
    monkeypatch.setenv("GATEWAY_DICOM_PORT_FILE", str(number))
    settings = RuntimeSettings.load()
    assert settings.database_url == "postgresql://from:secret@host/db"
    assert settings.dicom_port == 104


def test_a_variable_wins_over_its_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "aet").write_text("FILE")
    monkeypatch.setenv("GATEWAY_AET_FILE", str(home / "aet"))
    monkeypatch.setenv("GATEWAY_AET", "VARIABLE")
    assert RuntimeSettings.load().aet == "VARIABLE"


def test_services_have_the_same_habits(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert SweepSettings.load().sweep_seconds == 5
    (home / "seconds").write_text("7")
    monkeypatch.setenv("GATEWAY_STORAGE_SWEEP_SECONDS_FILE", str(home / "seconds"))
    assert SweepSettings.load().sweep_seconds == 7
    monkeypatch.setenv("GATEWAY_STORAGE_SWEEP_SECONDS", "9")
    assert SweepSettings.load().sweep_seconds == 9


def test_all_wrong_variables_are_named_without_their_values(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_DICOM_PORT", "a-secret-word")
    monkeypatch.setenv("GATEWAY_PROFILE", "a-secret-word")
    with pytest.raises(UsageError) as caught:
        RuntimeSettings.load()
    assert "GATEWAY_DICOM_PORT: it should be a valid integer; " in str(caught.value)
    assert "GATEWAY_PROFILE: it should be 'gateway' or 'xeleris'; " in str(caught.value)
    assert "a-secret-word" not in str(caught.value)


@pytest.mark.parametrize("title", ["   ", "SEVENTEEN_LETTERS", "A\\B", "ÄRZTE", "TAB\tTAB"])
def test_an_impossible_ae_title_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch, title: str) -> None:
    monkeypatch.setenv("GATEWAY_AET", title)
    with pytest.raises(UsageError, match=r"GATEWAY_AET: an AE title has"):
        RuntimeSettings.load()


def test_an_empty_variable_is_as_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    before = RuntimeSettings.load()
    for name in RuntimeSettings.model_fields:
        monkeypatch.setenv(f"GATEWAY_{name.upper()}", "")
        monkeypatch.setenv(f"GATEWAY_{name.upper()}_FILE", "")
    assert RuntimeSettings.load() == before
    assert before.home == tmp_path / ".gateway"
    (tmp_path / "aet").write_text("FILE")
    monkeypatch.setenv("GATEWAY_AET_FILE", str(tmp_path / "aet"))
    assert RuntimeSettings.load().aet == "FILE"


def test_a_missing_file_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_AMQP_URL_FILE", "/nowhere/at/all")
    with pytest.raises(UsageError, match="GATEWAY_AMQP_URL_FILE=/nowhere/at/all"):
        RuntimeSettings.load()


def test_a_broken_home_file_is_named(home: Path) -> None:
    (home / "gateway.json").write_text("{")
    with pytest.raises(UsageError, match=r"gateway\.json"):
        RuntimeSettings.load()


def test_a_home_file_that_is_no_object_is_named(home: Path) -> None:
    (home / "gateway.json").write_text("[1]")
    with pytest.raises(UsageError, match=r"gateway\.json: holds no JSON object"):
        RuntimeSettings.load()


def test_secrets_are_not_shown(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "AMQP_URL", "S3_SECRET_ACCESS_KEY", "S3_ACCESS_KEY_ID"):
        monkeypatch.setenv(f"GATEWAY_{name}", "postgresql://u:a-secret-word@host/db")
    assert "a-secret-word" not in repr(RuntimeSettings.load())


def test_nothing_is_read_at_import(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    first = RuntimeSettings.load().aet
    monkeypatch.setenv("GATEWAY_AET", "LATER")
    assert (first, RuntimeSettings.load().aet) == ("GATEWAY", "LATER")


def test_a_process_connects_by_the_url_of_its_services(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    say(home, database_url="postgresql://owner@file/a", storage_database_url="postgresql://storage@file/a",
        ingest_database_url="postgresql://porter@file/a", query_database_url="postgresql://porter@file/a")  # fmt: skip
    settings = RuntimeSettings.load()
    assert settings.database_of(["storage"]) == "postgresql://storage@file/a"
    assert settings.database_of(["ingest", "query"]) == "postgresql://porter@file/a"
    assert settings.database_of(["index"]) == "postgresql://owner@file/a"
    with pytest.raises(UsageError, match="storage, index of one process connect by one login") as refused:
        settings.database_of(["storage", "index"])
    assert "file" not in str(refused.value)
    monkeypatch.setenv("GATEWAY_DATABASE_URL", "postgresql://owner@elsewhere/b")
    settings = RuntimeSettings.load()
    assert settings.database_of(["storage"]) == "postgresql://owner@elsewhere/b", "the logins are those of the file's"
    monkeypatch.setenv("GATEWAY_STORAGE_DATABASE_URL", "postgresql://storage@elsewhere/b")
    assert RuntimeSettings.load().database_of(["storage"]) == "postgresql://storage@elsewhere/b"
