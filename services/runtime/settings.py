"""Settings: environment over ``$GATEWAY_HOME/gateway.json`` over defaults; every value also from ``<NAME>_FILE``.

An empty variable is as one that is not set: files of variables and charts leave lines such as ``GATEWAY_HOME=``.

Nothing is read at import: ``RuntimeSettings.load()`` reads. A service declares its own class on ``Settings`` with the
prefix ``GATEWAY_<SERVICE>_`` and gets the same habits.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from schemas.dicom.profiles import profile_data
from services.runtime.errors import UsageError

GIB = 1 << 30
HOME_FILE = "gateway.json"
DEFAULT_HOME = ".gateway"
ROLES = ("ingest", "query", "storage", "index", "forwarder", "commitment", "admin", "backup")
"""Who has a role of its own in the database: the services, and ``gateway backup``."""


class FileVariables(PydanticBaseSettingsSource):
    """``<NAME>_FILE`` variables: the value is the content of the file, its last line end removed (mounted secrets)."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The content of the file that ``<PREFIX><FIELD>_FILE`` names. Raises ``UsageError`` if it is unreadable."""
        variable = f"{self.config.get('env_prefix', '')}{field_name}_FILE".upper()
        path = os.environ.get(variable)
        if not path:
            return None, field_name, False
        try:
            return Path(path).read_text(encoding="utf-8").rstrip("\r\n"), field_name, False
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{variable}={path}: cannot be read as text ({error}); name a readable file") from error

    def __call__(self) -> dict[str, Any]:
        """All values given by file."""
        values = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in values.items() if value is not None}


class HomeFile(PydanticBaseSettingsSource):
    """``gateway.json`` of the home folder, by which a command in another shell finds the running gateway."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Not used: the file is read as a whole."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """The file's values under the names of the settings; empty if there is no such file."""
        home = self.current_state.get("home") or DEFAULT_HOME
        path = Path(home) / HOME_FILE
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise UsageError(f"{path}: cannot be read ({error}); remove it or start the gateway again") from error
        if not isinstance(found, dict):
            raise UsageError(f"{path}: holds no JSON object; remove it or start the gateway again")
        given = [f"_{url}" for url in ("database_url", "amqp_url") if self.current_state.get(url)]
        # The logins of the file are those of its own servers.
        return {name: value for name, value in home_values(found).items() if not name.endswith(tuple(given))}


def home_values(found: dict[str, Any]) -> dict[str, Any]:
    """Settings named by the content of a ``gateway.json`` (pure)."""
    own = (f"{role}_{url}" for role in ROLES for url in ("database_url", "amqp_url"))
    same = ("database_url", "amqp_url", *own, "objects_url", "aet", "profile")
    values = {name: found[name] for name in same if found.get(name)}
    if found.get("dicom"):
        host, _, port = str(found["dicom"]).rpartition(":")
        values |= {"dicom_host": host, "dicom_port": port}
    if found.get("http"):
        address = urlsplit(str(found["http"]))
        values |= {"http_host": address.hostname, "http_port": address.port}
    return values


class Settings(BaseSettings):
    """Base of the settings of a service: environment, ``<NAME>_FILE``, defaults."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True, env_ignore_empty=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order of the sources, strongest first."""
        return init_settings, env_settings, FileVariables(settings_cls)

    @classmethod
    def load(cls, **values: Any) -> Self:
        """Read the settings. Raises ``UsageError`` that names every wrong variable (no values: they may be secret)."""
        try:
            return cls(**values)
        except ValidationError as error:
            prefix = cls.model_config.get("env_prefix", "")
            faults = [
                f"{prefix}{'_'.join(map(str, fault['loc']))}".upper() + f": {_words(fault['msg'])}"
                for fault in error.errors()
            ]
            raise UsageError(f"settings: {'; '.join(faults)}; correct the environment or {HOME_FILE}") from None


def _words(message: str) -> str:
    """A fault as a person reads it: without what the model's library says around it (pure)."""
    return message.removeprefix("Value error, ").partition(", unable to")[0].replace("Input should be", "it should be")


def _title(text: str) -> str:
    if not 1 <= len(text.strip()) <= 16 or "\\" in text or not text.isascii() or not text.isprintable():
        raise ValueError("an AE title has 1 to 16 printable ASCII characters without backslash (PS3.5 6.2)")
    return text.strip()


def _address(text: str) -> str:
    try:
        urlsplit(text).port  # noqa: B018 - it is read from the text here
    except ValueError:
        raise ValueError("it is no URL: write SCHEME://HOST:PORT/PATH, an IPv6 address in brackets") from None
    return text


def _database(text: str) -> str:
    """A URL or what else PostgreSQL takes for one (libpq's connection strings)."""
    from psycopg import ProgrammingError  # imported here: it takes a while
    from psycopg.conninfo import conninfo_to_dict

    try:
        conninfo_to_dict(_address(text))
    except (ValueError, ProgrammingError):
        raise ValueError("it is no address of a database: write postgresql://USER@HOST:PORT/DATABASE") from None
    return text


def _collector(text: str) -> str:
    address = urlsplit(_address(text))
    if address.username or address.password:  # not shown: it may be secret
        raise ValueError("it holds a user or password: put what the collector asks for into OTEL_EXPORTER_OTLP_HEADERS")
    if text and (address.scheme not in ("http", "https") or not address.hostname or address.path in ("", "/")):
        raise ValueError(f"{text!r} is no collector's URL of OTLP over HTTP: write http://HOST:4318/v1/traces")
    return text


Address = Annotated[str, AfterValidator(_address)]
DatabaseAddress = Annotated[str, AfterValidator(_database)]
Port = Annotated[int, Field(ge=0, le=65535)]


class RuntimeSettings(Settings):
    """What every process needs. Sizes in bytes, times in seconds.

    Title and DICOM port that nobody sets are those of profile xeleris when that is the profile (R121).
    """

    model_config = SettingsConfigDict(env_prefix="GATEWAY_")

    home: Path = Path(DEFAULT_HOME)
    aet: Annotated[str, AfterValidator(_title)] = "GATEWAY"
    dicom_host: str = "0.0.0.0"  # noqa: S104 - modalities call from other hosts; deploy/local binds loopback
    dicom_port: Port = 11112
    http_host: str = "127.0.0.1"
    http_port: Port = 8080
    health_port: Port | None = None
    """Of /livez, /readyz and /metrics; None: http_port. Where it is another one, the desk has http_port for itself."""
    database_url: DatabaseAddress = Field("postgresql://gateway@127.0.0.1:5432/gateway", repr=False)
    ingest_database_url: DatabaseAddress = Field("", repr=False)
    query_database_url: DatabaseAddress = Field("", repr=False)
    storage_database_url: DatabaseAddress = Field("", repr=False)
    index_database_url: DatabaseAddress = Field("", repr=False)
    forwarder_database_url: DatabaseAddress = Field("", repr=False)
    commitment_database_url: DatabaseAddress = Field("", repr=False)
    admin_database_url: DatabaseAddress = Field("", repr=False)
    backup_database_url: DatabaseAddress = Field("", repr=False)
    amqp_url: Address = Field("amqp://guest:guest@127.0.0.1:5672/", repr=False)
    ingest_amqp_url: Address = Field("", repr=False)
    query_amqp_url: Address = Field("", repr=False)
    storage_amqp_url: Address = Field("", repr=False)
    index_amqp_url: Address = Field("", repr=False)
    forwarder_amqp_url: Address = Field("", repr=False)
    commitment_amqp_url: Address = Field("", repr=False)
    admin_amqp_url: Address = Field("", repr=False)
    objects_url: Address = ""
    s3_endpoint: str = ""
    s3_region: str = "us-east-1"
    s3_access_key_id: str = Field("", repr=False)
    s3_secret_access_key: str = Field("", repr=False)
    s3_timeout_seconds: Annotated[float, Field(gt=0)] = 30  # for one request, and for its repetitions together
    profile: Literal["gateway", "xeleris"] = "gateway"
    max_object_bytes: Annotated[int, Field(gt=0)] = 4 * GIB
    drain_seconds: Annotated[float, Field(ge=0)] = 25
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    minimum_free_bytes: Annotated[int, Field(ge=0)] = 3 * GIB
    minimum_free_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.05
    traces_endpoint: Annotated[str, AfterValidator(_collector)] = ""  # "": no traces
    traces_sample_ratio: Annotated[float, Field(gt=0, le=1)] = 1  # of the instances; alike in all processes

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], *sources: PydanticBaseSettingsSource, **named: PydanticBaseSettingsSource
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """As every service, then ``gateway.json``."""
        return *super().settings_customise_sources(settings_cls, *sources, **named), HomeFile(settings_cls)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        object.__setattr__(self, "home", self.home.absolute())
        if self.profile == "xeleris":
            stated = profile_data().xeleris
            for name, value in (("aet", stated.aet), ("dicom_port", stated.port)):
                if name not in self.model_fields_set:
                    object.__setattr__(self, name, value)
        if not self.objects_url:
            object.__setattr__(self, "objects_url", (self.home / "objects").as_uri())
        return self

    def database_of(self, services: Sequence[str]) -> str:
        """Where a process of these services connects to: by the URL of its own role, else by ``database_url``.

        Raises ``UsageError`` where they have several: what one of them may do would depend on the others.
        """
        return self._url_of(services, "database_url")

    def amqp_of(self, services: Sequence[str]) -> str:
        """The same of the broker: by the URL of the services' own user, else by ``amqp_url``. Raises ``UsageError``."""
        return self._url_of(services, "amqp_url")

    def own_urls(self, url: Literal["database_url", "amqp_url"]) -> dict[str, str]:
        """The URLs that services, and ``gateway backup``, have of their own, by their names."""
        found = {role: str(getattr(self, f"{role}_{url}", "")) for role in ROLES}
        return {role: given for role, given in found.items() if given}

    def _url_of(self, services: Sequence[str], url: str) -> str:
        usual: str = getattr(self, url)
        found: set[str] = {getattr(self, f"{service}_{url}", "") or usual for service in services}
        if len(found) > 1:
            names = ", ".join(f"GATEWAY_{service}_{url}".upper() for service in services)
            raise UsageError(
                f"the services {', '.join(services)} of one process connect by one login, and these differ: {names}; "
                "give them the same URL, of a login that may do what all of them do, or each a process of its own"
            )
        return found.pop() if found else usual
