"""What a request brings may be large, packed, nested or no text at all: it costs little and is answered in words."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator

import httpx
import pytest

from services.admin.web.bodies import MOST_BYTES
from services.runtime.health import HealthServer
from tests.desk import URL, Desk
from tests.waiting import until_async

RULES, LOGIN = "/api/v1/rules/check", "/login"
MIB = b" " * (1 << 20)


async def endless(taken: list[int], most: int = 2048) -> AsyncIterator[bytes]:
    """Two gigabytes in pieces; ``taken`` counts those that somebody has read."""
    for _ in range(most):
        taken.append(1)
        yield MIB


@pytest.mark.parametrize("path", [RULES, LOGIN, "/stations/check", "/rules/nowhere"])
@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_a_body_without_end_is_not_kept_whoever_sends_it(desk: Desk, path: str, kind: str) -> None:
    taken: list[int] = []
    stranger = await desk.client()
    told = {"Content-Type": f"{kind}; boundary=x", "Accept": "application/json"}
    answer = await stranger.post(path, content=endless(taken), headers=told)
    assert answer.status_code in {303, 400, 401, 403, 404, 405, 413}
    assert len(taken) <= (MOST_BYTES >> 20) + 2


async def test_who_says_that_too_much_follows_is_answered_before_it_comes(desk: Desk) -> None:
    program = await desk.program()
    taken: list[int] = []
    headers = {"Content-Type": "application/json", "Content-Length": str(2 << 30)}
    answer = await program.post(RULES, content=endless(taken), headers=headers)
    assert (answer.status_code, answer.headers["Content-Type"]) == (413, "application/problem+json")
    assert answer.json()["detail"].startswith("the request: larger than 12 MiB")
    assert not taken


async def test_a_packed_body_is_not_unpacked(desk: Desk) -> None:
    """A bomb of gzip stays the bytes it is, which are no JSON."""
    program = await desk.program()
    bomb = gzip.compress(bytes(100 << 20))
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = await program.post(RULES, content=bomb, headers=headers)
    assert answer.status_code == 400


@pytest.mark.parametrize("depth", [81, 500, 900, 950, 980, 100_000])
async def test_nesting_is_answered_and_no_fault(desk: Desk, depth: int) -> None:
    program = await desk.program()
    nested = b'{"text": ' + b"[" * depth + b"]" * depth + b"}"
    answer = await program.post(RULES, content=nested, headers={"Content-Type": "application/json"})
    assert answer.status_code in {400, 422}
    assert "fault of the gateway's own" not in answer.text


@pytest.mark.parametrize(
    "name", ["..%2f..%2fetc%2fpasswd", "%2e%2e", "....//", "%00", "1.2/../../x", "%ff%fe", "a" * 9000]
)
async def test_a_path_for_an_identifier_is_no_path(desk: Desk, name: str) -> None:
    program = await desk.program()
    for place in ("studies", "instances", "stations", "jobs", "rules/versions"):
        answer = await program.get(f"/api/v1/{place}/{name}")
        assert answer.status_code in {404, 422}, (place, answer.status_code)
        assert "root:" not in answer.text


@pytest.mark.parametrize(
    "key",
    [
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiIsInJvbGUiOiJhZG1pbiJ9.",
        "' or '1'='1",
        "A" * 100_000,
        "\u00ff\u00fe",
    ],
    ids=["JWT of algorithm none", "quotes", "long", "no ASCII"],
)
async def test_a_made_up_key_is_nobodys(desk: Desk, key: str) -> None:
    stranger = await desk.client(headers={b"Authorization": b"Bearer " + key.encode("latin-1")})
    answer = await stranger.get("/api/v1/stations")
    assert answer.status_code == 401


@pytest.fixture
async def port(desk: Desk) -> AsyncIterator[int]:
    """The desk on a real port, behind the server that the processes have."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = HealthServer.of(desk.app)
    task = asyncio.create_task(server.serve([listening]))
    await until_async(lambda: _started(server), what="the server to start")
    yield listening.getsockname()[1]
    server.should_exit = True
    await task


async def _started(server: HealthServer) -> bool:
    return server.started


async def test_who_sends_it_all_the_same_gets_the_answer(port: int) -> None:
    """What comes after the refusal is read and forgotten: to close at once would reset the answer away."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST {RULES} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {24 << 20}\r\n\r\n"
    writer.write(head.encode())
    for _ in range(24):
        writer.write(MIB)
        await writer.drain()
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    assert answer.startswith(b"HTTP/1.1 413")
    writer.close()


async def test_requests_that_are_no_http_end_soon_and_disturb_nobody(port: int) -> None:
    for noise in (
        b"\x16\x03\x01\x02\x00\x01",
        b"\x01\x00\x00\x00\x00\xff" * 50,
        b"GET " + b"/x" * 60_000 + b" HTTP/1.1\r\n",
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(noise + b"\r\n\r\n")
        writer.write_eof()
        assert (await asyncio.wait_for(reader.read(), 10)).startswith((b"HTTP/1.1 4", b""))
        writer.close()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers={"Origin": URL}) as client:
        assert (await client.get(LOGIN)).status_code == 200
