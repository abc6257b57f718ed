"""The AE's one port as far as this process serves it (R10): services offer what they serve, one listener answers."""

import asyncio
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from services.dicom import metrics
from services.dicom.acceptance import SnapshotPolicy
from services.dicom.acceptor import AssociationSummary
from services.dicom.association import Handler
from services.dicom.configuration import Configuration
from services.dicom.connecting import Secure
from services.dicom.contexts import Roles
from services.dicom.data import check_data
from services.dicom.listener import Listener, listen
from services.dicom.profile import Profile, profile_for
from services.dicom.settings import DicomSettings
from services.dicom.slots import Slot, Slots
from services.runtime.app import Runtime
from services.runtime.errors import GatewayError

LOOK_SECONDS: Final = 1.0
MARGIN_SECONDS: Final = 5.0  # of the process's drain time: for what services do after their last association


def ignored(summary: AssociationSummary) -> None:
    """The default of ``Offer.ended``."""


@dataclass(frozen=True)
class Offer:
    """What one service serves: handlers by Command Field, transfer syntaxes of an abstract syntax (none: not its own),
    roles beyond the default and extended negotiation by abstract syntax, and what is called once for every connection
    that ended."""

    handlers: Mapping[int, Handler]
    accepts: Callable[[str], Sequence[str]]
    roles: Mapping[str, Roles] = field(default_factory=dict)
    ended: Callable[[AssociationSummary], None] = ignored
    extended: Mapping[str, bytes] = field(default_factory=dict)


class Endpoint:
    """One for a process; it accepts associations from the moment when all services of the process have been entered."""

    def __init__(self, runtime: Runtime, settings: DicomSettings) -> None:
        """Use ``of``."""
        self._runtime, self._settings = runtime, settings
        self.profile: Profile = profile_for(runtime.settings, settings)
        self.configuration = Configuration(runtime.objects, runtime.settings.home)
        self._policy = SnapshotPolicy(runtime.settings.aet, self.profile, lambda: self.configuration.current)
        self._offers: list[Offer] = []
        self._slots = Slots(runtime.settings.home / "slots", self.profile.incoming)
        self._listeners: list[Listener] = []

    @classmethod
    async def of(cls, runtime: Runtime) -> "Endpoint":
        """The endpoint of this process, made by the first service that asks. Raises ``UsageError``."""
        known = runtime.shared.get(cls)
        if isinstance(known, cls):
            return known
        endpoint = cls(runtime, DicomSettings.load())
        runtime.shared[cls] = endpoint
        await endpoint._prepare()
        return endpoint

    def offer(self, offer: Offer) -> None:
        """Serve this as well; before the process has started."""
        self._offers.append(offer)
        self._policy.offers.append(offer.accepts)

    async def drained(self) -> None:
        """Accept nothing more and let associations end. The first service that ends calls it; again does nothing."""
        self._policy.drain()
        limit = max(0.0, self._runtime.settings.drain_seconds - MARGIN_SECONDS)
        await asyncio.gather(*(asyncio.to_thread(listener.drain, limit) for listener in self._listeners))

    async def _prepare(self) -> None:
        runtime = self._runtime
        await asyncio.to_thread(check_data)
        sockets = self._sockets()
        await asyncio.to_thread(self.configuration.load)
        runtime.health.add_readiness("snapshot", self.configuration.missing)
        poll = self._settings.snapshot_poll_seconds
        runtime.supervisor.spawn("snapshot", lambda: self.configuration.poll(runtime.supervisor, poll))
        runtime.on_started.append(lambda: self._start(sockets))

    def _start(self, sockets: Sequence[tuple[socket.socket, Secure | None]]) -> None:
        handlers: dict[int, Handler] = {}
        roles: dict[str, Roles] = {}
        extended: dict[str, bytes] = {}
        for offer in self._offers:
            handlers |= offer.handlers
            roles |= offer.roles
            extended |= offer.extended
        guards = self.profile.guards(maximum_object=self._runtime.settings.max_object_bytes)
        self._listeners = [
            Listener(
                sock, self._policy, handlers, guards, admit=self._admit, secure=secure, ended=self._ended, roles=roles,
                implementation=self.profile.implementation, extended=extended,
            )
            for sock, secure in sockets
        ]  # fmt: skip
        metrics.ACTIVE.set_function(lambda: sum(listener.active for listener in self._listeners))
        for listener in self._listeners:
            listener.start()
        self._runtime.supervisor.spawn("listener", self._watch, restart=False)

    async def _watch(self) -> None:
        """End the process when a listener cannot go on: whoever keeps it running starts another one."""
        while not await self._runtime.supervisor.pause(LOOK_SECONDS):
            if any(listener.stuck for listener in self._listeners):
                raise GatewayError("the listener accepts nothing more")

    def _admit(self, calling_aet: str, called_aet: str) -> Slot | None:
        return self._slots.acquire(self._policy.shares(calling_aet, called_aet))

    def _ended(self, summary: AssociationSummary) -> None:
        metrics.ASSOCIATION_SECONDS.labels(summary.outcome.value).observe(summary.seconds)
        metrics.BYTES.labels("received").inc(summary.received_bytes)
        metrics.BYTES.labels("sent").inc(summary.sent_bytes)
        for offer in self._offers:
            offer.ended(summary)

    def _sockets(self) -> list[tuple[socket.socket, Secure | None]]:
        """Where it listens, plain and (with a certificate) over TLS, and how a connection is secured there."""
        settings, ours = self._runtime.settings, self._settings
        sockets: list[tuple[socket.socket, Secure | None]] = [
            (_listening(ours.dicom_fd, settings.dicom_host, settings.dicom_port), None)
        ]
        if (identity := self.profile.tls) is not None:
            identity.watch()
            sockets.append((_listening(ours.tls_fd, settings.dicom_host, ours.tls_port), identity.accept))
        return sockets


def _listening(inherited: int | None, host: str, port: int) -> socket.socket:
    return listen(host, port) if inherited is None else socket.socket(fileno=inherited)
