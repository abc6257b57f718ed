"""Every route of the application with the least role that may use it: nobody else gets in."""

import re
from collections.abc import Iterator
from typing import Final

import httpx
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from services.admin.access.role import Role
from tests.desk import URL, Desk

NOBODY: Final = "nobody"
_KIND: Final = re.compile(":[a-z]+}")
ROUTES: Final = """
nobody    GET   /login
nobody    POST  /login
nobody    GET   /login/oidc
nobody    GET   /login/oidc/callback
viewer    POST  /logout
viewer    POST  /theme
viewer    GET   /account
viewer    POST  /account/password
viewer    GET   /
viewer    GET   /now
viewer    GET   /events
viewer    GET   /{path}
viewer    GET   /stations
viewer    GET   /counts.csv
viewer    GET   /api/v1/counts
admin     GET   /stations/new/form
viewer    GET   /stations/{title}
admin     POST  /stations
admin     POST  /station-import
admin     POST  /stations/{title}
admin     POST  /stations/{title}/remove
operator  POST  /stations/{title}/echo
operator  POST  /stations/{title}/hold
operator  POST  /stations/{title}/resume
admin     POST  /stations/{title}/test
operator  GET   /remote
operator  POST  /remote/{title}/query
operator  POST  /remote/{title}/retrieve
admin     POST  /api/v1/stations/{title}/test
operator  POST  /api/v1/stations/{title}/query
operator  POST  /api/v1/stations/{title}/retrieve
viewer    GET   /patients
viewer    GET   /patients/studies/{uid}
viewer    GET   /patients/studies/{uid}/series
viewer    GET   /patients/studies/{uid}/series/{series}
viewer    GET   /patients/studies/{uid}/instances
viewer    GET   /patients/studies/{uid}/rules
viewer    GET   /patients/studies/{uid}/download
viewer    GET   /patients/instances/{uid}
viewer    GET   /patients/instances/{uid}/picture
viewer    GET   /patients/instances/{uid}/download
operator  POST  /patients/send
operator  POST  /patients/route
operator  POST  /patients/delete
viewer    POST  /patients/export/begin
viewer    GET   /patients/export
operator  POST  /patients/correct/begin
operator  GET   /patients/correct
operator  POST  /patients/correct/preview
operator  POST  /patients/correct
admin     GET   /patients/studies/{uid}/erase
admin     POST  /patients/studies/{uid}/erase
admin     GET   /patients/erasures
admin     GET   /patients/erasures/{number}/proof
admin     POST  /api/v1/erasures
admin     POST  /api/v1/erasures/preview
admin     GET   /api/v1/erasures
admin     GET   /api/v1/erasures/{number}
admin     GET   /api/v1/erasures/{number}/proof
operator  GET   /import
viewer    GET   /api/v1/stations/{title}/outages
operator  POST  /api/v1/imports
viewer    GET   /api/v1/studies/{uid}/instances
viewer    GET   /api/v1/studies/{uid}/journey
viewer    GET   /api/v1/studies/export
viewer    GET   /api/v1/studies/{uid}/download
operator  POST  /api/v1/studies/send
operator  POST  /api/v1/studies/route
operator  POST  /api/v1/studies/delete
operator  POST  /api/v1/studies/correct
operator  POST  /api/v1/studies/correct/preview
viewer    GET   /api/v1/instances/{uid}/header
viewer    GET   /api/v1/instances/{uid}/frames/{number}
viewer    GET   /api/v1/instances/{uid}/download
viewer    GET   /rules
operator  POST  /rules/hold
operator  POST  /rules/resume
viewer    GET   /rules/versions
viewer    GET   /rules/versions/compare
viewer    GET   /rules/versions/{number}
admin     POST  /rules/versions/{number}/roll-back
viewer    GET   /api/v1/rules
viewer    GET   /api/v1/rules/live
viewer    GET   /api/v1/rules/sets
viewer    GET   /api/v1/rules/sets/{number}
viewer    GET   /api/v1/rules/sets/{number}/text
viewer    GET   /api/v1/rules/sets/{number}/changes
admin     POST  /api/v1/rules/sets/{number}/roll-back
operator  POST  /api/v1/rules/check
admin     POST  /api/v1/rules/publish
viewer    GET   /api/v1/rules/drafts
viewer    GET   /api/v1/rules/drafts/{name}
viewer    GET   /api/v1/rules/drafts/{name}/changes
admin     PUT   /api/v1/rules/drafts/{name}/base
admin     PUT   /api/v1/rules/drafts/{name}
admin     DELETE /api/v1/rules/drafts/{name}
operator  POST  /api/v1/rules/hold
operator  POST  /api/v1/rules/resume
operator  POST  /api/v1/rules/explanations
operator  POST  /api/v1/rules/try
operator  POST  /api/v1/rules/dry-runs
operator  GET   /api/v1/rules/dry-runs/{run}
operator  DELETE /api/v1/rules/dry-runs/{run}
operator  GET   /api/v1/rules/names
operator  GET   /api/v1/rules/values
viewer    GET   /api/v1/rules/tests
operator  GET   /api/v1/rules/tests/{name}
admin     PUT   /api/v1/rules/tests/{name}
admin     PUT   /api/v1/rules/tests/{name}/file
admin     DELETE /api/v1/rules/tests/{name}
operator  POST  /api/v1/rules/tests/run
viewer    GET   /rules/tests
admin     POST  /rules/tests
admin     POST  /rules/tests/file
admin     POST  /rules/tests/{name}/remove
operator  POST  /rules/dry-runs
operator  GET   /rules/dry-runs/{run}
operator  POST  /rules/dry-runs/{run}/cancel
admin     POST  /rules/drafts
operator  GET   /rules/drafts/{name}
admin     POST  /rules/drafts/{name}
operator  POST  /rules/drafts/{name}/changes
admin     POST  /rules/drafts/{name}/base
admin     POST  /rules/drafts/{name}/publish
admin     POST  /rules/drafts/{name}/discard
operator  POST  /rules/builder
operator  POST  /rules/builder/form
operator  POST  /rules/builder/move
operator  POST  /rules/builder/remove
operator  POST  /rules/builder/add
operator  POST  /rules/builder/put
operator  POST  /rules/check
operator  POST  /rules/try
viewer    GET   /rules/explain
operator  POST  /rules/explain
operator  GET   /rules/names
operator  GET   /rules/values
viewer    GET   /jobs
viewer    GET   /jobs/{job}
operator  POST  /jobs/{job}/cancel
operator  POST  /jobs/{job}/retry
operator  POST  /jobs/{job}/complete
operator  POST  /jobs/{job}/first
operator  POST  /jobs/{job}/reroute
operator  POST  /jobs/ask
operator  POST  /jobs/act
viewer    GET   /commitments
viewer    GET   /commitments/{commitment}
operator  POST  /commitments/{commitment}/retry
operator  POST  /commitments/{commitment}/cancel
viewer    GET   /attention
operator  GET   /attention/letters/{number}
operator  POST  /attention/letters/replay
operator  POST  /attention/letters/discard
operator  POST  /attention/letters/{number}/replay
operator  POST  /attention/letters/{number}/discard
operator  POST  /attention/studies/route
operator  POST  /attention/studies/send
operator  POST  /attention/studies/discard
admin     GET   /audit
admin     GET   /audit/export.{form}
admin     GET   /users
admin     POST  /users
admin     POST  /users/role
admin     POST  /users/password
admin     POST  /users/remove
admin     POST  /users/keys
admin     POST  /users/keys/{key_id}/revoke
admin     GET   /settings
viewer    GET   /api
viewer    GET   /api/v1/openapi.json
viewer    GET   /api/v1/status
viewer    GET   /api/v1/stations
admin     POST  /api/v1/stations
admin     POST  /api/v1/stations/import
viewer    GET   /api/v1/stations/{title}
admin     PATCH /api/v1/stations/{title}
admin     DELETE /api/v1/stations/{title}
operator  POST  /api/v1/stations/{title}/echo
operator  PUT   /api/v1/stations/{title}/hold
operator  DELETE /api/v1/stations/{title}/hold
viewer    GET   /api/v1/jobs
viewer    GET   /api/v1/jobs/{job}
viewer    GET   /api/v1/jobs/{job}/deliveries
operator  POST  /api/v1/jobs/{job}/cancel
operator  POST  /api/v1/jobs/{job}/retry
operator  POST  /api/v1/jobs/{job}/complete
operator  POST  /api/v1/jobs/{job}/first
operator  POST  /api/v1/jobs/{job}/reroute
operator  POST  /api/v1/jobs/act
viewer    GET   /api/v1/studies
viewer    GET   /api/v1/studies/{uid}
viewer    GET   /api/v1/commitments
viewer    GET   /api/v1/commitments/received
viewer    GET   /api/v1/commitments/{commitment}
operator  POST  /api/v1/commitments/{commitment}/retry
operator  POST  /api/v1/commitments/{commitment}/cancel
viewer    GET   /api/v1/dead-letters
operator  GET   /api/v1/dead-letters/{number}
operator  POST  /api/v1/dead-letters/replay
operator  POST  /api/v1/dead-letters/discard
operator  POST  /api/v1/dead-letters/{number}/replay
operator  POST  /api/v1/dead-letters/{number}/discard
viewer    GET   /api/v1/unmatched
operator  POST  /api/v1/unmatched/{study}/route
operator  POST  /api/v1/unmatched/{study}/send
operator  POST  /api/v1/unmatched/{study}/discard
viewer    GET   /api/v1/titles
admin     POST  /api/v1/titles
viewer    GET   /api/v1/titles/{title}
admin     PATCH /api/v1/titles/{title}
admin     DELETE /api/v1/titles/{title}
admin     GET   /api/v1/users
admin     POST  /api/v1/users
admin     GET   /api/v1/users/{name}
admin     PUT   /api/v1/users/{name}/role
admin     PUT   /api/v1/users/{name}/password
admin     DELETE /api/v1/users/{name}
admin     GET   /api/v1/keys
admin     POST  /api/v1/keys
admin     DELETE /api/v1/keys/{key_id}
admin     GET   /api/v1/audit
admin     GET   /api/v1/audit/export
admin     GET   /api/v1/settings
admin     GET   /notices
admin     POST  /notices
admin     GET   /notices/new/form
admin     GET   /notices/{name}
admin     POST  /notices/{name}
admin     POST  /notices/{name}/remove
admin     POST  /notices/{name}/test
admin     POST  /notices/{name}/secret
admin     GET   /api/v1/contacts
admin     POST  /api/v1/contacts
admin     GET   /api/v1/contacts/{name}
admin     PATCH /api/v1/contacts/{name}
admin     DELETE /api/v1/contacts/{name}
admin     POST  /api/v1/contacts/{name}/test
admin     POST  /api/v1/contacts/{name}/secret
admin     GET   /api/v1/notices
"""
"""Method and path as the application has them; the role is the least that may."""
SAMPLES: Final = {"job": "11111111-1111-1111-1111-111111111111", "number": "1", "key_id": "0123456789ab"}


def table() -> dict[tuple[str, str], str]:
    """Who may do what, from the text above."""
    rows = [line.split() for line in ROUTES.strip().splitlines()]
    return {(method, path): role for role, method, path in rows}


def routes(app: FastAPI) -> Iterator[tuple[str, str]]:
    """Method and path of every route the application has, without the kinds of their parameters."""
    for route in iter_route_contexts(app.routes):
        for method in route.methods or ():
            yield method, _KIND.sub("}", str(route.path))


async def test_every_route_is_in_the_table(desk: Desk) -> None:
    there, listed = set(routes(desk.app)), set(table())
    assert sorted(there - listed) == [], "routes without a role here"
    assert sorted(listed - there) == [], "roles of routes that are not there"


async def test_nobody_uses_a_route_whose_role_is_not_enough(desk: Desk) -> None:
    order = [NOBODY, *Role]
    nobody = await desk.client(headers={"Origin": URL})
    clients = [nobody, desk.viewer, desk.operator]
    for (method, path), least in table().items():
        for client, role in zip(clients, order, strict=False):
            answer = None
            if order.index(role) < order.index(least):
                answer = await client.request(method, sample(path))
                assert refused(answer, role), (method, path, role, answer.status_code)


async def test_who_may_use_a_route_gets_in(desk: Desk) -> None:
    """Each with its least role: what comes of it differs, but it is no refusal."""
    clients = {Role.VIEWER: desk.viewer, Role.OPERATOR: desk.operator, Role.ADMIN: desk.admin}
    for (method, path), least in table().items():
        if least == NOBODY or path in ("/logout", "/events"):
            continue
        answer = await clients[Role(least)].request(method, sample(path))
        assert answer.status_code not in (401, 403), (method, path, answer.text)
        assert answer.status_code != 500, (method, path, answer.text)


def sample(path: str) -> str:
    """A path with something in place of its parameters."""
    for name, value in SAMPLES.items():
        path = path.replace(f"{{{name}}}", value)
    for name in ("commitment", "run"):
        path = path.replace(f"{{{name}}}", SAMPLES["job"])
    while "{" in path:
        before, _, rest = path.partition("{")
        path = f"{before}1.2.3{rest.partition('}')[2]}"
    return path


def refused(answer: httpx.Response, role: str) -> bool:
    """Nobody is told to log in, others that they may not."""
    if role != NOBODY:
        return answer.status_code == 403
    if answer.status_code == 303:
        return answer.headers["Location"].startswith("/login?next=")
    return answer.status_code == 401
