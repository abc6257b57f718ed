"""``gateway check``."""

import asyncio
import os
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import typer

from services.cli import exits
from services.cli.output import Json, print_json, print_table
from services.cli.session import place
from services.cli.settings_of_services import faults as faults_of_settings
from services.cli.settings_of_services import unknown, variables
from services.runtime.errors import GatewayError
from services.runtime.settings import RuntimeSettings

if TYPE_CHECKING:
    from services.admin.verification_finding import Finding


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("check")(check)


def check(as_json: Json = False) -> None:
    """Verify settings, object store, database, broker, the desk's servers; changes only a missing topology."""
    # Imported here: only this command and the services need the broker's client.
    from services.admin.verification import verify

    settings = RuntimeSettings.load()
    findings = [*asyncio.run(verify(settings, place)), _commitment(settings), _retention(settings)]
    if faults := faults_of_settings():
        findings[0] = replace(findings[0], state="failed", text="; ".join(faults))
    elif findings[0].state == "ok" and (others := unknown(os.environ, variables())):
        findings[0] = replace(findings[0], state="warning", text=f"{findings[0].text}; {'; '.join(others)}")
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        print_table(("CHECK", "STATE", "FOUND"), [(f.name, f.state, f.text) for f in findings])
    states = {finding.state for finding in findings}
    status = exits.FAILED if "failed" in states else exits.NOT_REACHABLE if "not reachable" in states else exits.DONE
    raise typer.Exit(status)


def _commitment(settings: RuntimeSettings) -> "Finding":
    """Whether the settings of commitment fit together and the profile (R112)."""
    from services.admin.verification_finding import Finding
    from services.commitment.settings import CommitmentSettings
    from services.dicom.contexts import COMMITMENT_PUSH
    from services.dicom.profile import profile_of
    from services.dicom.settings import DicomSettings

    try:
        profile = profile_of(settings.profile, DicomSettings.load())
        found = CommitmentSettings.load().fit(profile)
    except GatewayError as fault:
        return Finding("commitment", "failed", str(fault))
    if not profile.serves(COMMITMENT_PUSH):
        return Finding("commitment", "ok", f"{profile.product} has no storage commitment: nobody is asked")
    return Finding(
        "commitment", "ok", f"a report is waited for {found.limit_seconds} s, a station is tried {found.retry_hours} h"
    )


def _retention(settings: RuntimeSettings) -> "Finding":
    """Whether the settings of retention fit the profile (R94)."""
    from services.admin.verification_finding import Finding
    from services.dicom.profile import profile_of
    from services.dicom.settings import DicomSettings
    from services.storage.settings import StorageSettings

    try:
        found = StorageSettings.load().fit(profile_of(settings.profile, DicomSettings.load()))
    except GatewayError as fault:
        return Finding("retention", "failed", str(fault))
    if settings.profile == "xeleris":
        return Finding("retention", "ok", "nothing is deleted but by a user")
    days = "off" if found.retention_days is None else f"{found.retention_days} days"
    return Finding("retention", "ok", f"{days}, unless a station says otherwise")
