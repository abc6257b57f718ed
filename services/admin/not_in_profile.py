"""What may be set of a station and asked for in profile gateway only (pure): there it would be kept and do nothing."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from services.admin.station import Station
from services.runtime.errors import UsageError

_QUERIES: Final = "queries only for a person (R53)"
_SECURITY: Final = "has no DICOM security profile (R131)"
_LACKING: Final[Mapping[str, tuple[str, str]]] = {
    "reconcile": ("reconcile", _QUERIES),
    "skip_present": ("skip-present", _QUERIES),
    "pull_minutes": ("pull-minutes", _QUERIES),
    "tls": ("tls", _SECURITY),
    "certificates": ("certificate", _SECURITY),
    "retention_days": ("retention-days", "keeps everything until a user deletes it (R94)"),
}
"""By field of a station the option, and why profile xeleris has none."""
_OFF: Final[tuple[Any, ...]] = (None, "", 0, "0", "false", [])


def refuse(profile: str, fields: Mapping[str, Any], before: Station | None = None) -> None:
    """Raises ``UsageError`` for every field that turns on what the profile does not have; ``before``: of a station that
    had it already, which stays as it is."""
    if profile != "xeleris":
        return
    had = {} if before is None else before.model_dump()
    reasons = [
        _reason(option, why)
        for field, (option, why) in _LACKING.items()
        if field in fields and fields[field] not in _OFF and (field not in had or str(fields[field]) != str(had[field]))
    ]
    if reasons:
        raise UsageError("\n".join(reasons))


def judge(profile: str, fields: Mapping[str, Any], seen: Callable[[Station], None]) -> Callable[[Station], None]:
    """Of a station that is changed: what ``seen`` refuses, then ``refuse``, given what it was."""

    def judged(before: Station) -> None:
        seen(before)
        refuse(profile, fields, before)

    return judged


def refuse_stations(profile: str, stations: Iterable[Station]) -> None:
    """As ``refuse``, of whole stations."""
    for station in stations:
        try:
            refuse(profile, station.model_dump(exclude_defaults=True))
        except UsageError as error:
            raise UsageError(f"station {station.title}: {error}") from None


def refuse_query_by_itself(profile: str, option: str) -> None:
    """Raises ``UsageError`` in the profile whose queries people start. ``option``: without hyphens before it."""
    if profile == "xeleris":
        raise UsageError(_reason(option, _QUERIES))


def _reason(option: str, why: str) -> str:
    return f"--{option}: profile xeleris {why}; leave it out, or use GATEWAY_PROFILE=gateway"
