"""What a start says of its end: which signal or status, and the end of the log where that tells more."""

from pathlib import Path
from typing import Any, cast

import launch
import pytest


class Ending:
    """A launcher whose gateway ends with ``status``, as the operating system tells it."""

    log = Path("gateway.log")

    def __init__(self, status: int, was_ready: bool) -> None:
        self.status, self.was_ready = status, was_ready

    def start(self) -> None:
        """Nothing to start."""

    def watch(self) -> int:
        """The gateway has ended."""
        return self.status

    def log_tail(self) -> list[str]:
        """What was logged last."""
        return ["the last line"]


@pytest.mark.parametrize(
    ("status", "was_ready", "exit_status", "said"),
    [
        (0, True, 0, ""),
        (-9, True, 137, "gateway up died of SIGKILL; its processes have ended with it, the servers are stopped\n"),
        (-63, True, 191, "gateway up died of signal 63; its processes have ended with it, the servers are stopped\n"),
        (1, True, 1, "gateway up ended with status 1; the end of gateway.log:\nthe last line\n"),
        (2, False, 2, "the gateway did not become ready; the end of gateway.log:\nthe last line\n"),
    ],
)
def test_the_end_is_told(
    capsys: pytest.CaptureFixture[str], status: int, was_ready: bool, exit_status: int, said: str
) -> None:
    launcher: Any = Ending(status, was_ready)
    assert launch.run(cast("launch.Launcher", launcher), demo=False, once=False) == exit_status
    assert capsys.readouterr().err == said
