"""The settings that this process runs with, for people who ask. Secrets are never among what is shown (pure)."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from services.runtime.settings import Settings

PREFIX: Final = "GATEWAY_"
SET: Final = "set, not shown"
_SECRET: Final = re.compile(r"PASSWORD|SECRET|KEY|TOKEN|CREDENTIAL|WEBHOOK")


@dataclass(frozen=True)
class InForce:
    """``source``: environment, file (a mounted secret), home (gateway.json of the home folder) or default."""

    variable: str
    value: str
    source: str
    meaning: str = ""


def in_force(
    settings: Sequence[Settings], of_profile: Mapping[str, Any], environment: Mapping[str, str] = os.environ
) -> list[InForce]:
    """Those of these classes, in their order; then variables that are set for other services of the process.

    ``of_profile``: the values by variable that the profile gives to settings that nobody sets.
    """
    known = [_shown(each, name, of_profile, environment) for each in settings for name in type(each).model_fields]
    names = {each.variable for each in known} | {f"{each.variable}_FILE" for each in known}
    others = sorted(name for name in environment if name.startswith(PREFIX) and name not in names)
    return known + [InForce(name, _told(name, environment[name]), "environment") for name in others]


def _shown(settings: Settings, name: str, of_profile: Mapping[str, Any], environment: Mapping[str, str]) -> InForce:
    variable = f"{settings.model_config.get('env_prefix', '')}{name}".upper()
    field, value = type(settings).model_fields[name], getattr(settings, name)
    return InForce(
        variable,
        _told(variable, of_profile.get(variable) if value is None else value, secret=not field.repr),
        _source(variable, name in settings.model_fields_set, environment),
        field.description or "",
    )


def _source(variable: str, given: bool, environment: Mapping[str, str]) -> str:
    if environment.get(variable):
        return "environment"
    if environment.get(f"{variable}_FILE"):
        return "file"
    return "home" if given else "default"


def _told(variable: str, value: Any, *, secret: bool = False) -> str:
    """A value without what is secret in it: of a URL, its user, password and query."""
    text = ", ".join(map(str, value)) if isinstance(value, tuple) else "" if value is None else str(value)
    if "://" in text:
        return _without_login(text)
    named_so = not isinstance(value, bool | int | float) and _SECRET.search(variable)
    return SET if text and (secret or named_so) else text


def _without_login(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return SET
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"
