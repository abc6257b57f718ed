"""Dry-runs that are waited for: a few at once, told by an id, kept in the memory of the process for an hour."""

import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import structlog

from services.admin.errors import NotFound
from services.admin.rules.dry_run import Progress
from services.admin.rules.faults import FaultyRules
from services.runtime.errors import GatewayError, Unavailable
from services.runtime.supervise import Supervisor

MOST_RUNNING: Final = 2
MOST_KEPT: Final = 50
KEPT_SECONDS: Final = 3600.0
log = structlog.get_logger(__name__)

State = Literal["running", "done", "failed", "canceled"]
Work = Callable[[Callable[[Progress], None]], Awaitable[dict[str, Any]]]


class _Canceled(Exception):
    """Somebody does not want to know any longer."""


@dataclass
class DryRun:
    """``result``: as ``dry_run`` tells it, when done; ``fault``: why it failed, ``errors``: faults of the rules."""

    id: str
    actor: str
    begun: float = field(default_factory=time.monotonic)
    state: State = "running"
    progress: Progress = field(default_factory=lambda: Progress(0, 0.0))
    result: dict[str, Any] | None = None
    fault: str = ""
    errors: list[dict[str, Any]] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """As plain data; ``share``: how much of the time is looked through, from 0 to 1."""
        told = {"id": self.id, "state": self.state, "instances": self.progress.instances}
        return told | {
            "share": round(self.progress.share, 3), "fault": self.fault, "errors": self.errors, "result": self.result
        }  # fmt: skip

    def heard(self, progress: Progress) -> None:
        """Further."""
        if self.state == "canceled":
            raise _Canceled
        self.progress = progress


class DryRuns:
    """All of a process."""

    def __init__(self) -> None:
        self._kept: dict[str, DryRun] = {}

    def begin(self, supervisor: Supervisor, actor: str, work: Work) -> DryRun:
        """Begin one. Raises ``Unavailable``: as many as may be run already."""
        self._forget()
        if sum(each.state == "running" for each in self._kept.values()) >= MOST_RUNNING:
            raise Unavailable(f"{MOST_RUNNING} dry-runs are under way already: try again when one is done")
        made = DryRun(secrets.token_urlsafe(12), actor)
        self._kept[made.id] = made
        supervisor.spawn("dry-run", lambda: _run(made, work), restart=False)
        return made

    def show(self, run: str) -> DryRun:
        """One of them. Raises ``NotFound``: there is none, or no longer."""
        self._forget()
        found = self._kept.get(run)
        if found is None:
            raise NotFound(
                "this dry-run is gone: they are kept for an hour and until the gateway is restarted; repeat it"
            )
        return found

    def cancel(self, run: str) -> DryRun:
        """End one before it is done; one that is done stays so. Raises ``NotFound``."""
        found = self.show(run)
        if found.state == "running":
            found.state = "canceled"
        return found

    def _forget(self) -> None:
        oldest = time.monotonic() - KEPT_SECONDS
        over = [each for each in self._kept.values() if each.state != "running"]
        for each in over[: max(0, len(self._kept) - MOST_KEPT + 1)] + [each for each in over if each.begun < oldest]:
            self._kept.pop(each.id, None)


async def _run(run: DryRun, work: Work) -> None:
    try:
        run.result = await work(run.heard)
        run.state, run.progress = "done", Progress(run.result["instances"], 1.0)
    except _Canceled:
        log.info("dry_run_canceled", run=run.id)
    except FaultyRules as error:
        run.state, run.fault, run.errors = "failed", str(error), error.placed()
    except GatewayError as error:
        run.state, run.fault = "failed", str(error)
    except Exception:  # whatever it is, the process has others to serve
        log.exception("dry_run_failed", run=run.id)
        run.state, run.fault = "failed", "something is wrong with the gateway: its log says what"
