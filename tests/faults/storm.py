"""Carries out on a site what a plan of faults says."""

import signal
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from tests.faults.line import Carry, Hold, Line, Sever
from tests.faults.plan import Fault, Kind
from tests.faults.site import STORESCP, Site
from tests.running_gateway import RunningGateway

MOST_AT_A_TIME = 16


class Killable(Protocol):
    """A process, or a server of several."""

    def start(self) -> None:
        """Start it again."""

    def kill(self) -> None:
        """kill -9."""

    def suspend(self) -> None:
        """SIGSTOP."""

    def resume(self) -> None:
        """SIGCONT."""


@dataclass(frozen=True)
class Part:
    """A process of the gateway. Whoever finds that it has ended by itself has found a fault."""

    gateway: RunningGateway
    name: str

    def start(self) -> None:
        """Start it again."""
        self.gateway.launch(self.name)

    def kill(self) -> None:
        """kill -9."""
        self.check()
        self.gateway.kill(self.name)

    def suspend(self) -> None:
        """SIGSTOP."""
        self.check()
        self.gateway.parts[self.name].process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self.gateway.parts[self.name].process.send_signal(signal.SIGCONT)

    def check(self) -> None:
        """Fails when it has ended."""
        part = self.gateway.parts[self.name]
        assert part.alive, f"{self.name} ended with {part.process.returncode}:\n{self.gateway.log_tail(self.name)}"


class Storm:
    """What may happen to a site, and what makes it happen."""

    def __init__(self, site: Site) -> None:
        gateway = site.gateway
        self._parts = [Part(gateway, name) for name in site.parts]
        self._processes: dict[str, Killable] = {part.name: part for part in self._parts}
        self._processes |= {"broker": gateway.rabbitmq, "database": gateway.postgresql, STORESCP: site.storescp}
        self._lines = {f"line to {name}": line for name, line in site.lines.items()}
        self._pause = threading.Event()

    @property
    def processes(self) -> Sequence[str]:
        """Who may be killed or frozen."""
        return list(self._processes)

    @property
    def lines(self) -> Sequence[str]:
        """Which may be cut or held up."""
        return list(self._lines)

    def rage(self, faults: Sequence[Fault]) -> None:
        """Carry out all faults at their times, and end them all; then every process of the gateway has to be there."""
        now = 0.0
        with ThreadPoolExecutor(MOST_AT_A_TIME) as pool:
            under_way = []
            for fault in faults:
                self._pause.wait(fault.at - now)
                now = fault.at
                under_way.append(pool.submit(self._carry_out, fault))
        for each in under_way:
            each.result()
        for part in self._parts:
            part.check()

    def _carry_out(self, fault: Fault) -> None:
        if fault.victim in self._lines:
            line: Line = self._lines[fault.victim]
            line.behave(Sever() if fault.kind is Kind.CUT else Hold())
            self._pause.wait(fault.seconds)
            line.behave(Carry())
            return
        process = self._processes[fault.victim]
        down, up = (process.kill, process.start) if fault.kind is Kind.KILL else (process.suspend, process.resume)
        down()
        self._pause.wait(fault.seconds)
        up()
