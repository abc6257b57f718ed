"""Trying rules: on what is stored, on what was received, on a file, on test cases."""

from collections.abc import Callable
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field

from schemas.rules import from_stored
from services.admin.looks import looked
from services.admin.rules import rule_explanations, rule_sets, rule_subjects, rule_tests, rule_trials, rule_values
from services.admin.rules.dry_runs import DryRuns
from services.admin.rules.rule_trials import Trial, dry_run_of
from services.admin.rules.rules_allowed import allowed, by_class, judged
from services.admin.web import uploads
from services.admin.web.api.rules import MOST_CHARACTERS, Comment, Name, Text
from services.admin.web.asking import Admin, Operator, Viewer
from services.admin.web.desk import Desk, OfDesk
from services.admin.web.preconditions import IfMatch, as_seen_or_new, tag_of
from services.admin.web.sent import Sent
from services.dicom.rules import Defaults
from services.runtime.clock import now
from services.runtime.errors import UsageError

router: Final = APIRouter(prefix="/rules", tags=["rules"])
OptionalText = Annotated[
    str | None, Field(max_length=MOST_CHARACTERS, description="A rule file; null: the live rules are tried.")
]
Fact = Annotated[str, Query(max_length=64)]
RunId = Annotated[str, Path(max_length=64)]
FILE: Final = {"requestBody": {"content": {"application/dicom": {"schema": {"type": "string", "format": "binary"}}}}}
MOST_INSTANCES: Final = 200


class Asked(Sent):
    """A study, series or SOP Instance UID; by which rules: those of a text, of a number, or those live at receipt."""

    uid: Annotated[str, Field(max_length=64, examples=["1.2.840.113619.2.1"])]
    source: OptionalText = None
    rule_set: Annotated[int | None, Field(ge=1, le=2_147_483_647)] = None
    limit: Annotated[int, Field(ge=1, le=2000)] = MOST_INSTANCES


class DryRunWanted(Sent):
    """``since_minutes``: how far back; ``most_objects``: to read for what the facts do not hold."""

    source: Text
    since_minutes: Annotated[int, Field(ge=1, le=527_040)] = 10_080
    most_objects: Annotated[int, Field(ge=0, le=100_000)] = 1000


class DryRunTold(BaseModel):
    """``state``: running, done, failed or canceled; ``share``: how much of the time is looked through, from 0 to 1;
    ``result``: as ``gateway rules dry-run --json`` prints it."""

    id: str
    state: str
    instances: int
    share: float
    fault: str
    errors: list[dict[str, Any]]
    result: dict[str, Any] | None


class NewTest(Sent):
    """``header``: elements and facts in YAML or JSON; ``expected``: the titles it has to go to, none: nowhere."""

    header: Annotated[str, Field(max_length=MOST_CHARACTERS, examples=["elements: {Modality: CT}"])]
    expected: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=100)]
    comment: Comment = ""


class ListedTest(BaseModel):
    """A test case; ``expected``: the titles it has to go to, none: nowhere."""

    name: str
    expected: list[str]
    comment: str
    saved_by: str
    saved_at: datetime


class StoredTest(ListedTest):
    """With its header facts."""

    subject: dict[str, Any]


class KeptTest(BaseModel):
    """``replaced``: there was one of that name."""

    name: str
    replaced: bool


class Outcome(BaseModel):
    """How a test case goes: where it has to go (``expected``), where it goes (``got``), and which rules decided."""

    case: str
    passed: bool
    expected: list[str]
    got: list[str]
    why: list[str]


class Tried(Sent):
    """What test cases are run on."""

    source: OptionalText = None


class Node(BaseModel):
    """A condition, or several (``nodes``). ``found``: some of the values seen, ``more``: how many others."""

    node: str
    outcome: bool
    found: list[str] = []
    more: int = 0
    nodes: list["Node"] = []


class Explained(BaseModel):
    """What a rule says. ``required``: what has to be there before a study or series is complete."""

    rule: str
    matched: bool
    reason: str
    when: Node
    required: list[Node] = []


class Explanation(BaseModel):
    """Instances of which every condition says the same; ``rule_set``: null for a draft."""

    rule_set: int | None
    instances: list[str]
    notes: list[str]
    rules: list[Explained]


class Explanations(BaseModel):
    """``instances``: how many are told; there are more if ``cut_at`` says so."""

    uid: str
    instances: int
    cut_at: int | None = None
    explanations: list[Explanation]


@router.post("/explanations")
async def explain(desk: OfDesk, principal: Operator, wanted: Asked) -> Explanations:
    """By condition of each rule the value seen and the verdict. The values are patient data: the look is audited."""
    asked = rule_explanations.Asked(wanted.source, wanted.rule_set, **allowed(desk.profile))
    found = await rule_explanations.explain(
        desk.database, lambda: desk.runtime.objects, wanted.uid, asked, wanted.limit
    )  # fmt: skip
    await looked(desk.database, principal.actor, "rules.explain", [found["uid"]])
    return Explanations(**found)


@router.post("/try", openapi_extra=FILE)
async def try_file(
    request: Request, desk: OfDesk, principal: Operator,
    draft: Annotated[str | None, Query(max_length=64)] = None, calling_aet: Fact = "", called_aet: Fact = "",
    peer_address: Fact = "",
) -> Trial:  # fmt: skip
    """Try a DICOM file on a draft, or on the live rules: which rules match and why not, and where it would go. Its
    first 8 MiB suffice; nothing of it is stored."""
    facts = {"calling_aet": calling_aet, "called_aet": called_aet, "peer_address": peer_address}
    upload = uploads.uploaded(desk, await uploads.body(request), facts)
    text = None if draft is None else await rule_trials.text_of(desk.database, draft)
    return await rule_trials.tried(
        desk.database, principal.actor, upload, text, by_class(desk.profile), allowed(desk.profile)
    )


@router.post("/dry-runs", status_code=HTTPStatus.ACCEPTED)
async def begin_dry_run(request: Request, desk: OfDesk, principal: Operator, wanted: DryRunWanted) -> DryRunTold:
    """Begin to evaluate what was received by the rules of a text, compared with the live ones; ask for it by its id.
    Two may run at once. The result is kept for an hour in memory."""
    runs: DryRuns = request.app.state.dry_runs
    work = dry_run_of(
        desk.database, lambda: desk.runtime.objects, wanted.source, timedelta(minutes=wanted.since_minutes),
        wanted.most_objects, judged(desk.profile),
    )  # fmt: skip
    return DryRunTold(**runs.begin(desk.runtime.supervisor, principal.actor, work).document())


@router.get("/dry-runs/{run}")
async def show_dry_run(request: Request, desk: OfDesk, principal: Operator, run: RunId) -> DryRunTold:
    """How far it is, and what it found; 404 once it is gone."""
    runs: DryRuns = request.app.state.dry_runs
    return DryRunTold(**runs.show(run).document())


@router.delete("/dry-runs/{run}")
async def cancel_dry_run(request: Request, desk: OfDesk, principal: Operator, run: RunId) -> DryRunTold:
    """End it before it is done."""
    runs: DryRuns = request.app.state.dry_runs
    return DryRunTold(**runs.cancel(run).document())


@router.get("/names")
async def names(desk: OfDesk, principal: Operator, q: Annotated[str, Query(max_length=100)]) -> list[rule_values.Named]:
    """Elements and facts that conditions may name, by part of the name or number."""
    return rule_values.names_like(q)


@router.get("/values")
async def values(
    desk: OfDesk, principal: Operator, name: Annotated[str, Query(max_length=300)], fact: bool = False
) -> list[rule_values.Value]:
    """The values that an element, or a fact, had lately. They may be patient data: the look is audited."""
    return await rule_values.values_seen(desk.database, principal.actor, name, fact=fact)


@router.get("/tests")
async def list_tests(desk: OfDesk, principal: Viewer) -> list[ListedTest]:
    """By name, without their headers."""
    return [ListedTest(**row) for row in await rule_tests.list_all(desk.database)]


@router.get("/tests/{name}")
async def show_test(desk: OfDesk, principal: Operator, name: Name, response: Response) -> StoredTest:
    """One with its header, which may be patient data: the look is audited."""
    found = await rule_tests.show(desk.database, name)
    response.headers["ETag"] = tag_of(rule_tests.listed(found))
    await looked(desk.database, principal.actor, "rules.test", [])
    return StoredTest(**found)


@router.put("/tests/{name}")
async def put_test(
    desk: OfDesk, principal: Admin, name: Name, wanted: NewTest, response: Response, if_match: IfMatch = None
) -> KeptTest:
    """Store a test case, which need not pass today. If there is one of the name, its ETag is needed as If-Match."""
    subject = rule_subjects.of_header(wanted.header, {}, _defaults(desk))
    added = await rule_tests.add(
        desk.database, principal.actor, name, subject, wanted.expected, wanted.comment, _seen(if_match)
    )  # fmt: skip
    response.headers["ETag"] = await _tag(desk, name)
    return KeptTest(name=name, replaced=added)


@router.put("/tests/{name}/file", openapi_extra=FILE)
async def put_test_file(
    request: Request, desk: OfDesk, principal: Admin, name: Name, response: Response,
    expect: Annotated[list[str] | None, Query(max_length=100)] = None, nowhere: bool = False, calling_aet: Fact = "",
    comment: Annotated[str, Query(max_length=1000)] = "", if_match: IfMatch = None,
) -> KeptTest:  # fmt: skip
    """The same from a DICOM file, of which the header facts are kept and nothing else."""
    if bool(expect) is nowhere:
        raise UsageError(f"test {name}: say where it has to go: expect=TITLE, once for each, or nowhere=true")
    upload = uploads.uploaded(desk, await uploads.body(request), {"calling_aet": calling_aet})
    added = await rule_tests.add(
        desk.database, principal.actor, name, upload.subject, expect or [], comment, _seen(if_match)
    )  # fmt: skip
    response.headers["ETag"] = await _tag(desk, name)
    return KeptTest(name=name, replaced=added)


@router.delete("/tests/{name}", status_code=HTTPStatus.NO_CONTENT)
async def remove_test(desk: OfDesk, principal: Admin, name: Name, if_match: IfMatch = None) -> None:
    """Forget it."""
    await rule_tests.remove(desk.database, principal.actor, name, _seen(if_match))


@router.post("/tests/run")
async def run_tests(desk: OfDesk, principal: Operator, wanted: Tried) -> list[Outcome]:
    """How every test case goes with a rule file, or with the live rules."""
    if wanted.source is None:
        document = from_stored((await rule_sets.show(desk.database, None))["document"])
    else:
        document = await rule_sets.accepted(desk.database, wanted.source, **allowed(desk.profile))
    outcomes = await rule_tests.run(desk.database, document, by_class(desk.profile))
    return [Outcome(**each) for each in outcomes]


def _seen(if_match: str | None) -> Callable[[dict[str, Any] | None], None]:
    """A test case that is there has to be the one that was seen."""
    return as_seen_or_new(if_match, "test case")


async def _tag(desk: Desk, name: str) -> str:
    return tag_of(rule_tests.listed(await rule_tests.show(desk.database, name)))


def _defaults(desk: Desk) -> Defaults:
    return Defaults(desk.runtime.settings.aet, now())
