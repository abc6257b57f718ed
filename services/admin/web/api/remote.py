"""What remote stations have."""

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from schemas.api.jobs import Asked
from services.admin import querying, retrieving
from services.admin.looks import looked
from services.admin.querying import Question
from services.admin.retrieving import Wish
from services.admin.web.api.jobs import asked
from services.admin.web.asking import Operator
from services.admin.web.desk import OfDesk
from services.admin.web.sent import Sent
from services.admin.web.slashes import TITLE
from services.dicom.dictionary import tag_of
from services.runtime.errors import UsageError

router: Final = APIRouter(prefix=f"/stations/{TITLE}", tags=["remote"])
MOST_SHOWN: Final = 1000
NAMES: Final = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}


class RemoteQuery(Sent):
    """``keys``: criteria by keyword; below the level STUDY the UIDs of what is above."""

    level: Literal["PATIENT", "STUDY", "SERIES", "IMAGE"] = "STUDY"
    keys: Annotated[dict[str, str], Field(default_factory=dict, examples=[{"PatientID": "P-17"}], max_length=64)]
    root: Literal["PATIENT", "STUDY"] = "STUDY"
    limit: Annotated[int, Field(ge=1, le=MOST_SHOWN)] = 100


class RemoteMatches(BaseModel):
    """``ok``: it answered with success; ``cut``: there was more than ``limit``; ``matches`` by keyword."""

    station: str
    level: str
    ok: bool
    text: str
    verified: str
    status: str | None
    cut: bool
    matches: list[dict[str, Any]]


class Retrieval(Sent):
    """What of it is to be sent where; ``study`` and ``series`` are above the level."""

    uids: Annotated[list[str], Field(min_length=1, max_length=10_000)]
    to: str
    level: Literal["STUDY", "SERIES", "IMAGE"] = "STUDY"
    study: str = ""
    series: str = ""


@router.post("/query")
async def query_station(desk: OfDesk, principal: Operator, title: str, wanted: RemoteQuery) -> RemoteMatches:
    """Ask a station what it has. That it does not answer, or answers with a failure, is an outcome."""
    by_tag = {_tag(keyword): text for keyword, text in wanted.keys.items() if text.strip()}
    question = Question(wanted.level, by_tag, wanted.root, wanted.limit)
    found = await querying.ask(desk.database, desk.profile, desk.runtime.settings.aet, title, question)
    name = NAMES.get(wanted.level, "")
    await looked(
        desk.database, principal.actor, "station.query", [str(match.get(name, "")) for match in found.matches if name]
    )
    return RemoteMatches(**vars(found))


@router.post("/retrieve")
async def retrieve_from_station(desk: OfDesk, principal: Operator, title: str, wanted: Retrieval) -> Asked:
    """Have a station send what it has: to us, or to another station. The result names the job."""
    wish = Wish(wanted.uids, wanted.level, wanted.study, wanted.series)
    aet = desk.runtime.settings.aet
    return asked(await retrieving.retrieve(desk.database, principal.actor, aet, title, wanted.to, wish))


def _tag(keyword: str) -> int:
    tag = tag_of(keyword)
    if tag is None:
        raise UsageError(f"key {keyword[:64]!r}: no element of the DICOM dictionary has this keyword")
    return tag
