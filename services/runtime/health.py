"""What a process says about itself over HTTP: /livez (its loop turns), /readyz (it can do its work), /metrics."""

import asyncio
import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from services.runtime.errors import UsageError
from services.runtime.http_metrics import Measured
from services.runtime.logs import describe
from services.runtime.metrics import LOOP_LAG
from services.runtime.supervise import Supervisor

HEARTBEAT_SECONDS = 1.0
STUCK_SECONDS = 30.0

log = structlog.get_logger(__name__)
Check = Callable[[], str | None]


class Health:
    """Readiness checks of this process and the endpoints that tell them. Checks must not block."""

    def __init__(self, supervisor: Supervisor, *, apart: bool = False) -> None:
        """``apart``: what is served beside them has a port of its own, where nobody is told of the process."""
        self._supervisor, self.apart = supervisor, apart
        self._checks: dict[str, Check] = {}
        self._site: ASGIApp | None = None
        self._started = False
        self._last_turn = asyncio.get_running_loop().time()

    def add_readiness(self, name: str, check: Check) -> None:
        """``check`` returns None when fine, else the reason why this process is not ready; the last of a name holds."""
        self._checks[name] = check

    def serve(self, site: ASGIApp) -> None:
        """Have another application answer everything that is not about the health of the process."""
        self._site = site

    def site(self) -> ASGIApp | None:
        """That application, to be served by itself; None if nothing was given, or it is not to be apart."""
        return Measured(self._site) if self.apart and self._site is not None else None

    def started(self) -> None:
        """Every service has been entered: from here on the checks decide."""
        self._started = True

    def reasons(self) -> dict[str, str | None]:
        """Every check with its reason, None where it is fine."""
        found = {name: _outcome(name, check) for name, check in self._checks.items()}
        return {"process": self._process_reason()} | found

    def app(self) -> ASGIApp:
        """The HTTP application."""
        own = Starlette(
            routes=[
                Route("/livez", self._livez),
                Route("/readyz", self._readyz),
                Route("/metrics", self._metrics),
            ]
        )
        own.router.default = self._rest  # a Mount would not take paths with line breaks
        own.router.redirect_slashes = False
        return Measured(own)

    async def heartbeat(self) -> None:
        """Turn with the loop and measure how late it is; a supervised task."""
        loop = asyncio.get_running_loop()
        stopping = False
        while not stopping:
            before = loop.time()
            stopping = await self._supervisor.pause(HEARTBEAT_SECONDS)
            self._last_turn = loop.time()
            LOOP_LAG.set(max(0.0, self._last_turn - before - HEARTBEAT_SECONDS))

    def _process_reason(self) -> str | None:
        if self._supervisor.stopping.is_set():
            return "draining"
        return None if self._started else "starting"

    async def _rest(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._site is not None and not self.apart:
            await self._site(scope, receive, send)
            return
        known = scope["type"] == "http" and scope["path"] == "/"
        text = "dicom-gateway process; see /livez /readyz /metrics\n" if known else "there is nothing here\n"
        await PlainTextResponse(text, 200 if known else 404)(scope, receive, send)

    async def _livez(self, request: Request) -> Response:
        late = asyncio.get_running_loop().time() - self._last_turn
        alive = late < STUCK_SECONDS or self._supervisor.stopping.is_set()
        return JSONResponse({"alive": alive, "late_seconds": round(late, 3)}, 200 if alive else 503)

    async def _readyz(self, request: Request) -> Response:
        checks = self.reasons()
        ready = not any(checks.values())
        return JSONResponse({"ready": ready, "checks": checks}, 200 if ready else 503)

    async def _metrics(self, request: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


class HealthServer(uvicorn.Server):
    """uvicorn without its signal handlers: signals belong to the process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """None are captured."""
        yield

    @classmethod
    def of(cls, app: ASGIApp) -> "HealthServer":
        """A server whose logs are ours and which waits at most 2 s for open requests at the end."""
        return cls(
            uvicorn.Config(
                app, log_config=None, access_log=False, lifespan="off", server_header=False, timeout_graceful_shutdown=2
            )
        )


def listen(host: str, port: int) -> socket.socket:
    """The bound socket of the health endpoints. Raises ``UsageError`` if the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        sock = socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise UsageError(
            f"HTTP address {host}:{port}: {os.strerror(error.errno or 0)}; set GATEWAY_HEALTH_PORT (0 = any free port)"
        ) from error
    # What is accepted inherits it. asyncio sets it only on sockets that name their protocol, which these do not: a
    # small answer on a connection that is kept would wait 40 ms for the acknowledgement of its own header.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


@contextmanager
def announced(home: Path, service: str, url: str) -> Iterator[None]:
    """``run/<service>-<pid>.json`` in the home folder while the block runs: who finds this process, where.

    ``host`` of it is for who shares the folder and not the machine, as containers do (services.runtime.cards).
    """
    path = home / "run" / f"{service}-{os.getpid()}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    card = {"service": service, "pid": os.getpid(), "http": url, "host": socket.gethostname()}
    part.write_text(json.dumps(card), encoding="utf-8")
    part.replace(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def url_of(sock: socket.socket) -> str:
    """The address others reach a bound socket at."""
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _outcome(name: str, check: Check) -> str | None:
    try:
        return check()
    except Exception as error:
        log.warning("readiness_check_failed", check=name, exc_info=error)
        return f"check failed: {describe(error)}"
