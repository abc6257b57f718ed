"""A dry-run of a text on what was received, as a part of the editor that asks again until it is done."""

from datetime import timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Form, Path, Request
from starlette.responses import Response

from services.admin.errors import NotFound
from services.admin.rules.dry_run import MOST_OBJECTS
from services.admin.rules.dry_runs import DryRuns
from services.admin.rules.rule_trials import dry_run_of
from services.admin.rules.rules_allowed import judged
from services.admin.web.asking import Operator
from services.admin.web.desk import OfDesk
from services.admin.web.rendering import page
from services.runtime.errors import UsageError

router: Final = APIRouter(prefix="/rules/dry-runs")
SPANS: Final = {"1h": 1, "1d": 24, "7d": 168, "30d": 720}
Run = Annotated[str, Path(max_length=64)]


@router.post("")
async def begin(
    request: Request, desk: OfDesk, principal: Operator, text: Annotated[str, Form(max_length=1 << 20)] = "",
    since: Annotated[str, Form(max_length=8)] = "7d",
) -> Response:  # fmt: skip
    """Begin one."""
    if since not in SPANS:
        raise UsageError(f"since {since!r}: choose one of {', '.join(SPANS)}")
    runs: DryRuns = request.app.state.dry_runs
    work = dry_run_of(
        desk.database, lambda: desk.runtime.objects, text.replace("\r\n", "\n"), timedelta(hours=SPANS[since]),
        MOST_OBJECTS, judged(desk.profile),
    )  # fmt: skip
    begun = runs.begin(desk.runtime.supervisor, principal.actor, work)
    return page(request, "rule_dry_run.html", run=begun, gone="")


@router.get("/{run}")
async def show(request: Request, desk: OfDesk, principal: Operator, run: Run) -> Response:
    """How far it is, or what it found; a part that asks for one that is gone is told so, and asks no more."""
    runs: DryRuns = request.app.state.dry_runs
    try:
        return page(request, "rule_dry_run.html", run=runs.show(run), gone="")
    except NotFound as error:
        return page(request, "rule_dry_run.html", run=None, gone=str(error))


@router.post("/{run}/cancel")
async def cancel(request: Request, desk: OfDesk, principal: Operator, run: Run) -> Response:
    """End it."""
    runs: DryRuns = request.app.state.dry_runs
    return page(request, "rule_dry_run.html", run=runs.cancel(run), gone="")
