"""The whole application."""

from typing import Final

from fastapi import APIRouter, Depends, FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.staticfiles import StaticFiles

from services.admin.rules.dry_runs import DryRuns
from services.admin.rules.rule_hits import RuleHits
from services.admin.web import problems
from services.admin.web.api import (
    audit,
    commitments,
    contacts,
    counts,
    dead_letters,
    erasures,
    imports,
    instances,
    jobs,
    keys,
    notices,
    rule_trials,
    rules,
    settings,
    stations,
    status,
    studies,
    titles,
    unmatched,
    users,
)
from services.admin.web.api import remote as remote_api
from services.admin.web.asking import Viewer
from services.admin.web.bodies import Bodies
from services.admin.web.desk import Desk
from services.admin.web.headers import Headers
from services.admin.web.heads import Heads
from services.admin.web.live import Live
from services.admin.web.openapi import described
from services.admin.web.pages import (
    account,
    attention,
    events,
    login,
    logout,
    now,
    patient_actions,
    reference,
    remote,
)
from services.admin.web.pages import audit as audit_page
from services.admin.web.pages import commitments as commitments_page
from services.admin.web.pages import counts as counts_page
from services.admin.web.pages import erasures as erasures_page
from services.admin.web.pages import imports as imports_page
from services.admin.web.pages import job_actions as job_actions_page
from services.admin.web.pages import jobs as jobs_page
from services.admin.web.pages import notices as notices_page
from services.admin.web.pages import oidc as oidc_page
from services.admin.web.pages import patients as patients_page
from services.admin.web.pages import rule_builder as rule_builder_page
from services.admin.web.pages import rule_drafts as rule_drafts_page
from services.admin.web.pages import rule_dry_runs as rule_dry_runs_page
from services.admin.web.pages import rule_explanations as rule_explanations_page
from services.admin.web.pages import rule_tests as rule_tests_page
from services.admin.web.pages import rule_versions as rule_versions_page
from services.admin.web.pages import rules as rules_page
from services.admin.web.pages import settings as settings_page
from services.admin.web.pages import station_import as station_import_page
from services.admin.web.pages import stations as stations_page
from services.admin.web.pages import users as users_page
from services.admin.web.rendering import STATIC_FOLDER
from services.admin.web.repeats import Repeats
from services.admin.web.sent import refuse_unkept_texts, refuse_unknown_parameters
from services.admin.web.slashes import EncodedSlashes
from services.admin.web.unchanged import Unchanged
from services.admin.web.unexpected import Unexpected

API: Final = (
    status,
    stations,
    remote_api,
    jobs,
    studies,
    instances,
    imports,
    users,
    keys,
    audit,
    rule_trials,
    rules,
    commitments,
    dead_letters,
    erasures,
    unmatched,
    titles,
    contacts,
    notices,
    settings,
    counts,
)
RULES: Final = (
    rule_versions_page, rule_tests_page, rule_dry_runs_page, rule_builder_page, rule_drafts_page,
    rule_explanations_page, rules_page,
)  # fmt: skip
PAGES: Final = (
    login,
    oidc_page,
    logout,
    account,
    now,
    events,
    stations_page,
    station_import_page,
    counts_page,
    job_actions_page,
    jobs_page,
    patients_page,
    patient_actions,
    erasures_page,
    imports_page,
    remote,
    *RULES,
    commitments_page,
    attention,
    notices_page,
    audit_page,
    users_page,
    settings_page,
    reference,
)


def site(desk: Desk, live: Live) -> FastAPI:
    """Everything that admin answers over HTTP beside its health."""
    app = application()
    stand_on(app, desk, live)
    return app


def stand_on(app: FastAPI, desk: Desk, live: Live) -> None:
    """Have the application answer from these."""
    app.state.desk, app.state.live = desk, live
    app.state.rule_hits, app.state.dry_runs = RuleHits(), DryRuns()


def application() -> FastAPI:
    """All routes. It answers once it stands on something."""
    app = FastAPI(
        title="dicom-gateway",
        version="1",
        summary="Stations, rules, jobs, studies and commitments of a DICOM routing gateway",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        dependencies=[Depends(refuse_unkept_texts)],
    )
    app.state.pages = {"/", *(module.router.prefix for module in PAGES if module.router.prefix)}
    app.add_middleware(Bodies)
    app.add_middleware(EncodedSlashes)
    app.add_middleware(Unchanged)
    app.add_middleware(Unexpected)
    app.add_middleware(Repeats)
    app.add_middleware(Heads)
    app.add_middleware(Headers)
    problems.register(app)
    api = APIRouter(prefix="/api/v1", dependencies=[Depends(refuse_unknown_parameters)])
    for module in API:
        api.include_router(module.router)
    app.include_router(api)
    for module in PAGES:
        app.include_router(module.router, include_in_schema=module is events)
    app.add_api_route("/api/v1/openapi.json", _openapi, include_in_schema=False)
    app.mount("/static", StaticFiles(directory=STATIC_FOLDER), name="static")
    app.add_api_route("/{path:path}", _nothing, methods=["GET"], include_in_schema=False)
    return app


async def _openapi(request: Request, principal: Viewer) -> JSONResponse:
    return JSONResponse(described(request.app))


async def _nothing(request: Request, path: str, principal: Viewer) -> Response:
    raise HTTPException(404, "there is no such page")
