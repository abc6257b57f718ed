"""The API keeps to what it says of itself, whatever is sent: no fault of its own, no answer that its schema lacks."""

import asyncio
from typing import Final

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from services.admin import requests
from tests.desk import Desk

CHECKS: Final = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance,
]  # fmt: skip
EXAMPLES: Final = 2


@schemathesis.serializer("application/dicom")
def _plain(context: schemathesis.SerializationContext, value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def cases(document: dict[str, object]) -> list[Case]:
    """Requests that fit the schema, and others that do not; the same each time."""
    made: list[Case] = []
    quiet = settings(
        max_examples=EXAMPLES, derandomize=True, database=None, deadline=None, phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip

    def keep(case: Case) -> None:
        made.append(case)

    for found in schemathesis.openapi.from_dict(document).get_all_operations():
        operation = found.ok()
        for mode in GenerationMode if operation.path != "/events" else ():  # that never ends
            quiet(given(case=operation.as_strategy(generation_mode=mode))(keep))()
    return made


@pytest.mark.timeout(400)
async def test_no_request_breaks_the_schema(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "ANSWER_SECONDS", 0.01)
    program = await desk.program()
    document = (await program.get("/api/v1/openapi.json")).json()
    broken = []
    for case in await asyncio.to_thread(cases, document):
        told = case.as_transport_kwargs(base_url=str(program.base_url))
        if isinstance(told.get("data"), bytes):
            told["content"] = told.pop("data")
        known = {name: told[name] for name in ("params", "json", "data", "content") if told.get(name) is not None}
        headers = {name: value for name, value in told["headers"].items() if name != "Authorization"}
        answer = await program.request(told["method"], told["url"], headers=headers, **known)
        try:
            case.validate_response(answer, checks=CHECKS)
        except FailureGroup as faults:  # all of them are told together
            told_of = "; ".join(f"{type(each).__name__} {each}" for each in faults.exceptions)
            broken.append(f"{case.method} {case.formatted_path} {answer.status_code}: {told_of} {answer.text[:300]}")
    assert not broken, f"{len(broken)}\n" + "\n".join(broken[:20])
