"""``gateway status``: the whole gateway at a glance."""

import json
import socket
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Final

import typer

from services.admin import overview
from services.admin.status_text import held
from services.cli.output import Json, cell, print_fields, print_json, print_table
from services.cli.session import with_database
from services.runtime.cards import reached_at
from services.runtime.settings import RuntimeSettings

PROBE_SECONDS = 2.0


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("status")(status)


def status(as_json: Json = False) -> None:
    """Processes of this home, what came in, jobs, destinations, messages that wait or died."""
    settings = RuntimeSettings.load()
    found = with_database(overview.status)
    place = {
        "aet": settings.aet,
        "dicom": f"{settings.dicom_host}:{settings.dicom_port}",
        "http": f"http://{settings.http_host}:{settings.http_port}",
        "home": str(settings.home),
    }
    report = place | found | {"processes": processes(settings.home / "run")}
    if as_json:
        print_json(report)
    else:
        _print(report)


def processes(folder: Path) -> list[dict[str, Any]]:
    """Every process that announced itself in the home, and whether it says it is ready."""
    found = []
    for card in sorted(folder.glob("*-*.json")):
        try:
            known = json.loads(card.read_text(encoding="utf-8"))
        except FileNotFoundError:  # it ended while we looked
            continue
        if known["http"]:
            url = reached_at(known, socket.gethostname())
            found.append({"service": known["service"], "pid": known["pid"], "http": url} | _ready(url))
    return found


def _ready(url: str) -> dict[str, Any]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url}/readyz", timeout=PROBE_SECONDS) as answer:
            return {"ready": True, "reasons": _reasons(answer.read())}
    except urllib.error.HTTPError as refused:
        return {"ready": False, "reasons": _reasons(refused.read())}
    except OSError:
        return {"ready": False, "reasons": {"process": "does not answer"}}


def _reasons(body: bytes) -> dict[str, str]:
    return {name: reason for name, reason in json.loads(body)["checks"].items() if reason}


def _print(report: dict[str, Any]) -> None:
    configuration, received = report["configuration"], report["received"]
    print_fields(
        {
            "AE title": report["aet"],
            "DICOM": report["dicom"],
            "HTTP": report["http"],
            "home": report["home"],
            "rule set": configuration["rule_set"] or "none applied yet",
            "stations": configuration["stations"],
            "received": f"{received['last_hour']} in the last hour, {received['last_day']} in 24 hours",
            "last received": received["last_received_at"],
            "recorded through": received["recorded_through"],
            "silent": [f"{each['title']} since {cell(each['since'])}" for each in report["silent"]],
            "received too often": _too_often(report["received_too_often"]),
            "jobs": _counted(report["jobs"]),
            "held": [held(hold) for hold in report["holds"]],
            "scheduled": [f"{each['title']} {each['schedule']}" for each in report["destinations"] if each["schedule"]],
            "commitments": _counted(report["commitments"]["states"]),
            "oldest commitment waiting since": report["commitments"]["oldest_waiting_at"],
            "commitment reports not believed": _counted(_distrusted(report["commitments"]["reports"])),
            "commitments peers wait for": report["commitments"]["received"]["open"],
            "outbox": report["outbox"]["waiting"],
            "audit messages waiting": report["audit_messages"]["waiting"],
            "oldest audit message waiting since": report["audit_messages"]["oldest_at"],
            "studies of 24 hours sent nowhere": report["unmatched"],
            "dead letters": report["dead_letters"],
        }
    )
    print_table([heading for heading, _ in _DESTINATION], [_destination(each) for each in report["destinations"]])
    if report["pulls"]:
        print_table([heading for heading, _ in _PULL], [[pull[name] for _, name in _PULL] for pull in report["pulls"]])
    print_table(
        ("RECEIVES", "RULE SET", "CONFIGURATION", "HEARD OF", "LIVE"),
        [(r["process"], r["rule_set"], r["configuration"], r["heard_at"], r["live"]) for r in report["receiving"]],
    )
    print_table(
        ("PROCESS", "PID", "READY", "HTTP", "REASONS"),
        [(p["service"], p["pid"], p["ready"], p["http"], list(p["reasons"].values())) for p in report["processes"]],
    )


_DESTINATION: Final = (
    ("DESTINATION", "title"),
    ("ENABLED", "enabled"),
    ("CIRCUIT", "circuit"),
    ("NEXT TRY", "retry_at"),
    ("WAITING", "waiting"),
    ("HELD", "held"),
    ("SCHEDULED", "shut"),
    ("OLDEST", "oldest_waiting_at"),
    ("SENDING", "sending"),
    ("FAILED (24 H)", "failed"),
    ("LAST SUCCESS", "last_success_at"),
    ("FAILED AT", "last_failure_at"),
    ("LAST FAILURE", "last_failure"),
)


_PULL: Final = (
    ("PULLED FROM", "title"),
    ("EVERY (MIN)", "minutes"),
    ("ASKED AT", "asked_at"),
    ("STUDIES", "studies"),
    ("ASKED FOR", "pulled"),
    ("UNDER WAY", "under_way"),
    ("STILL MISSING", "missing"),
    ("FAILURES", "failures"),
    ("LAST FAILURE", "fault"),
)


def _counted(counts: dict[str, int]) -> list[str]:
    return [f"{count} {what}" for what, count in sorted(counts.items())]


def _too_often(found: dict[str, Any]) -> str | None:
    """What stations seem to send in a circle, within the last hour."""
    return f"{found['instances']} instances, from {cell(found['stations'])}" if found["instances"] else None


def _distrusted(reports: dict[str, int]) -> dict[str, int]:
    """Reports from others than the station that was asked, and about nothing we asked for."""
    return {verdict: count for verdict, count in reports.items() if verdict in ("FOREIGN", "UNKNOWN")}


def _destination(row: dict[str, Any]) -> tuple[Any, ...]:
    """A row of the table of destinations."""
    leased = f"{row['sending']}, leased until {cell(row['lease_until'])}" if row["sending"] else None
    shown = {**row, "sending": leased, "last_failure": row["last_failure"] or None}
    return tuple(shown[name] for _, name in _DESTINATION)
