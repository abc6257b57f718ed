"""Notices at work: what happened is looked for and sent, by two supervised tasks that wait for nobody else."""

from datetime import timedelta
from itertools import product
from typing import Final

from services.admin import metrics
from services.admin.notices import finding
from services.admin.notices.kinds import HAPPENING, Channel
from services.admin.notices.sending import Sender, send
from services.admin.notices.settings import NoticeSettings
from services.runtime.app import Runtime
from services.runtime.loops import Loops

TIDY: Final = timedelta(hours=1)
OUTCOMES: Final = ("sent", "failed", "given up")


def notify(runtime: Runtime, settings: NoticeSettings) -> None:
    """Start the tasks; they end with the process."""
    loops = Loops(runtime.db, runtime.supervisor)
    sender = sender_of(runtime, settings)
    for labels in product(HAPPENING, Channel, OUTCOMES):
        metrics.NOTICES.labels(*labels)  # counts from 0
    loops.spawn_every("notices found", settings.look_seconds, lambda: finding.find(runtime.db))
    loops.spawn_every("notices sent", settings.look_seconds, lambda: send(runtime.db, sender))
    loops.spawn_every("old notices", TIDY.total_seconds(), lambda: finding.forget_old(runtime.db))


def sender_of(runtime: Runtime, settings: NoticeSettings) -> Sender:
    """Links begin with the address that is set, else with where the desk listens."""
    here = f"http://{runtime.settings.http_host}:{runtime.settings.http_port}"
    return Sender(settings, runtime.settings.aet, settings.desk_url or here)
