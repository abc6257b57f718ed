"""The admin's desk as browsers and programs meet it: the real application over a migrated database and an object store
of its own. Its broker is not there: requests to other services are kept, as they are while those do not run."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from fastapi import FastAPI
from psycopg.types.json import Jsonb

from services.admin.access import accounts, api_keys
from services.admin.access.api_keys import NewApiKey
from services.admin.access.role import Role
from services.admin.settings import AdminSettings
from services.admin.web import desk as web
from services.admin.web.live import Live
from services.admin.web.site import application, stand_on
from services.dicom.profile import profile_of
from services.dicom.settings import DicomSettings
from services.runtime.app import Runtime
from services.runtime.bus import Bus
from services.runtime.db import Database
from services.runtime.health import Health
from services.runtime.objects import open_store
from services.runtime.outbox import Outbox
from services.runtime.settings import RuntimeSettings
from services.runtime.supervise import Supervisor
from tests.waiting import until_async

if TYPE_CHECKING:
    from services.admin.access.oidc.provider import Provider

URL = "http://desk.test"
PASSWORD = "correct horse battery"
ADDRESS = "127.0.0.9"
_TOKEN = re.compile(r"X-CSRF-Token&#34;: &#34;([^&]+)&#34;|\"X-CSRF-Token\": \"([^\"]+)\"")


@dataclass
class Desk:
    """``viewer``, ``operator``, ``admin``: a browser of each role that is logged in, which sends Origin and CSRF token;
    ``program``: a program with an admin's API key; ``nobody``: a browser that is not logged in."""

    app: FastAPI
    runtime: Runtime
    stack: AsyncExitStack
    browsers: dict[Role, httpx.AsyncClient] = field(default_factory=dict)
    programs: list[str] = field(default_factory=list)

    @property
    def database(self) -> Database:
        return self.runtime.db

    @property
    def viewer(self) -> httpx.AsyncClient:
        return self.browsers[Role.VIEWER]

    @property
    def operator(self) -> httpx.AsyncClient:
        return self.browsers[Role.OPERATOR]

    @property
    def admin(self) -> httpx.AsyncClient:
        return self.browsers[Role.ADMIN]

    async def client(self, address: str = ADDRESS, **options: Any) -> httpx.AsyncClient:
        """Another one, that has nothing yet; redirects are not followed."""
        transport = httpx.ASGITransport(self.app, client=(address, 40_000))
        made = httpx.AsyncClient(transport=transport, base_url=URL, **options)
        return await self.stack.enter_async_context(made)

    async def logged_in(self, name: str, password: str = PASSWORD, address: str = ADDRESS) -> httpx.AsyncClient:
        """A browser of a user who has logged in by the form."""
        client = await self.client(address)
        answer = await client.post("/login", data={"name": name, "password": password}, headers={"Origin": URL})
        assert answer.status_code == 303, answer.text
        client.headers.update({"X-CSRF-Token": await csrf_token(client), "Origin": URL})
        return client

    async def program(self, role: Role = Role.ADMIN) -> httpx.AsyncClient:
        """A program with an API key of that role, called ROLE-program; the second one ROLE-program-2."""
        self.programs.append(f"{role}-program")
        count = self.programs.count(f"{role}-program")
        name = f"{role}-program" if count == 1 else f"{role}-program-{count}"
        made = await api_keys.add(self.database, "user:admin", NewApiKey(name=name, role=role))
        return await self.client(headers={"Authorization": f"Bearer {made.key}"})

    async def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        """What a query of the database finds; a statement that finds nothing gives []."""
        async with self.database.transaction() as conn:
            cursor = await conn.execute(query.encode(), values or None)
            return await cursor.fetchall() if cursor.description is not None else []

    async def answering(self, *results: dict[str, Any]) -> None:
        """Stand in for the services: give the next requests that are made these results, in order."""
        for result in results:
            await until_async(partial(self.rows, _ANSWER, Jsonb(result)), what="a request to be made")


_ANSWER = """
with waiting as (
    select id from config.request r
    where not exists (select from routing.request_done d where d.request = r.id)
    order by requested_at limit 1
)
insert into routing.request_done (request, result) select id, %s from waiting returning request"""


async def csrf_token(client: httpx.AsyncClient) -> str:
    """The token that the pages of a browser bear."""
    found = _TOKEN.search((await client.get("/stations")).text)
    assert found is not None, "the page bears no token"
    return found[1] or found[2]


@asynccontextmanager
async def opened_desk(
    database_url: str, home: Path, roles: Sequence[Role] = tuple(Role), settings: AdminSettings | None = None,
    provider: "Provider | None" = None,
) -> AsyncIterator[Desk]:  # fmt: skip
    """A desk with a user of each role, named as the role is, all with the same password."""
    async with AsyncExitStack() as stack:
        runtime = await _runtime(database_url, home, stack)
        profile = profile_of("gateway", DicomSettings())
        stands_on = web.Desk(runtime, settings or AdminSettings(), profile, provider)
        app = stack.enter_context(_application())
        stand_on(app, stands_on, Live(runtime.db, runtime.supervisor))
        desk = Desk(app, runtime, stack)
        for role in roles:
            await accounts.add(runtime.db, "cli:tests", role, role, PASSWORD)
            desk.browsers[role] = await desk.logged_in(role)
        yield desk


@contextmanager
def _application() -> Iterator[FastAPI]:
    """One that no other desk stands on. To make its routes takes a second, so it is used again."""
    app = _idle.pop() if _idle else application()
    yield app
    _idle.append(app)


_idle: list[FastAPI] = []


async def _runtime(database_url: str, home: Path, stack: AsyncExitStack) -> Runtime:
    settings = RuntimeSettings(home=home, database_url=database_url, aet="DESK")
    supervisor = Supervisor()
    database = Database(database_url, application="desk")
    bus = Bus("amqp://guest:guest@127.0.0.1:1/", supervisor)
    await database.open()
    stack.push_async_callback(database.close)
    stack.push_async_callback(supervisor.drain, 2.0)
    await database.wait_available()
    return Runtime(
        settings=settings, db=database, bus=bus, outbox=Outbox(database, bus, supervisor), objects=open_store(settings),
        health=Health(supervisor), supervisor=supervisor, service="admin", loop=asyncio.get_running_loop(),
    )  # fmt: skip
