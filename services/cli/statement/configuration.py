"""PS3.2 A.4.3 and A.4.4: network interfaces and every parameter with its default, from the models that read them."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final, get_args

from pydantic.fields import FieldInfo

from schemas.dicom.profiles import profile_data
from services.admin.station import Station
from services.cli.statement.document import Section, Table
from services.cli.statement.parameters import COMMITMENT, GUARDS, QUERY, SETTINGS, STATION
from services.commitment.settings import CommitmentSettings
from services.dicom.guards import Guards
from services.dicom.profile import Profile
from services.dicom.settings import DicomSettings
from services.query.settings import QuerySettings
from services.runtime.settings import RuntimeSettings, Settings

_LOCAL: Final = ("aet", "dicom_host", "dicom_port", "profile", "max_object_bytes", "drain_seconds")
"""Of the settings of every process, those of the AE on the network."""


def network(profile: Profile) -> Section:
    """Interfaces and addresses."""
    ip = (
        "IPv4 only (R117): an IPv6 address to listen on is refused at start."
        if profile.xeleris
        else "IPv4, and IPv6 when GATEWAY_DICOM_HOST is an IPv6 address (:: for both)."
    )
    return Section(
        "Network interfaces",
        (),
        (
            Section("Physical network interface", ("The operating system's; nothing of the AE depends on it (R115).",)),
            Section(
                "Additional protocols", ("TCP/IP and host names by the operating system, DHCP included (R6, R116).",)
            ),
            Section("IPv4 and IPv6 support", (ip,)),
        ),
    )


def configuration(profile: Profile) -> Section:
    """Titles, addresses, parameters."""
    return Section(
        "Configuration",
        (
            "By environment, files and the command gateway, which needs an account on the gateway's machine; not by "
            "DICOM and not by HTTP (R119).",
        ),
        (
            Section(
                "AE title and presentation address mapping",
                (
                    "Each remote AE title maps to one host and port, on any subnet (R120). Without a setting the local "
                    "title and port are those of the profile (R121).",
                    _defaults(profile),
                    Table(
                        "Of each remote AE", ("Field", "Default", "Values", "Meaning"), list(map(_field, _station()))
                    ),
                ),
            ),
            Section("Parameters", (_settings(), _guards(profile))),
        ),
    )


def _defaults(profile: Profile) -> Table:
    own, data = RuntimeSettings.model_fields, profile_data().xeleris
    title, port = (data.aet, data.port) if profile.xeleris else (own["aet"].default, own["dicom_port"].default)
    return Table("Local AE", ("Field", "Default"), [("AE title", str(title)), ("Port", str(port))])


def _station() -> list[tuple[str, FieldInfo, str]]:
    return [(name, field, STATION[name]) for name, field in Station.model_fields.items()]


def _field(each: tuple[str, FieldInfo, str]) -> tuple[str, str, str, str]:
    name, field, meaning = each
    return name, shown(field), values(field), meaning


def _settings() -> Table:
    rows = [_setting(RuntimeSettings, name, SETTINGS) for name in _LOCAL]
    rows += [_setting(DicomSettings, name, SETTINGS) for name in DicomSettings.model_fields]
    rows += [_setting(QuerySettings, name, QUERY) for name in QuerySettings.model_fields]
    rows += [_setting(CommitmentSettings, name, COMMITMENT) for name in CommitmentSettings.model_fields]
    return Table("Settings", ("Variable", "Default", "Values", "Meaning"), rows)


def _setting(model: type[Settings], name: str, meanings: Mapping[str, str]) -> tuple[str, str, str, str]:
    variable = f"{model.model_config.get('env_prefix', '')}{name}".upper()
    field = model.model_fields[name]
    return variable, shown(field), values(field), meanings[name]


def shown(field: FieldInfo) -> str:
    """A default as people read it."""
    if field.is_required():
        return "(required)"
    value = field.get_default(call_default_factory=True)
    if value is None:
        return "by profile or none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if value not in ("", (), []) else "none"


def values(field: FieldInfo) -> str:
    """Which values are possible."""
    words = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than", "min_length": "at least (length)",
             "max_length": "at most (length)"}  # fmt: skip
    limits = [
        f"{word} {getattr(each, key)}"
        for each in field.metadata
        for key, word in words.items()
        if getattr(each, key, None) is not None
    ]
    choices = [str(each) for each in get_args(field.annotation) if isinstance(each, str)]
    kind = ", ".join(choices) or _kind(field.annotation)
    return "; ".join([kind, *limits])


def _kind(annotation: Any) -> str:
    if isinstance(annotation, type) and not get_args(annotation):
        return {"str": "text", "int": "number", "float": "number", "bool": "yes or no", "Path": "path"}.get(
            annotation.__name__, annotation.__name__
        )
    inner = [each for each in get_args(annotation) if each not in (type(None), Ellipsis)]
    choices = [str(each) for part in inner for each in get_args(part) if isinstance(each, str)]
    if choices:
        return ", ".join(choices)
    return (
        "list"
        if getattr(annotation, "__origin__", None) in (list, tuple) or len(inner) != 1
        else _kind(_bare(inner[0]))
    )


def _bare(annotation: Any) -> Any:
    return get_args(annotation)[0] if hasattr(annotation, "__metadata__") else annotation


def _guards(profile: Profile) -> Table:
    guards = profile.guards()
    rows = [
        (GUARDS[field.name], _limit(getattr(guards, field.name)))
        for field in fields(Guards)
        if isinstance(getattr(guards, field.name), int | float)
    ]
    return Table("Time-outs and limits of an association (fixed)", ("What", "Value"), rows)


def _limit(value: float) -> str:
    return "none" if value == float("inf") else f"{value:g}" if isinstance(value, float) else str(value)
