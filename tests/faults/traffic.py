"""Senders that do what modalities do: keep an association open, and send again what was not answered 0000."""

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from tests.factories import Instance
from tests.faults.ledger import Ledger
from tests.stations import RawSender

RECONNECT_SECONDS = 0.1


class Traffic:
    """Sends instances over several associations at once and keeps the ledger."""

    def __init__(self, port: int, ledger: Ledger, *, calling_aet: str = "SCANNER1", limit: float = 120) -> None:
        self._port = port
        self._ledger = ledger
        self._calling_aet = calling_aet
        self._deadline = time.monotonic() + limit
        self._lock = threading.Lock()
        self._pause = threading.Event()
        self.statuses: list[int] = []

    def send(self, instances: Sequence[Instance], associations: int = 4) -> None:
        """Send all; returns when each was answered 0000. Fails when the limit passes."""
        shares = [instances[number::associations] for number in range(associations)]
        with ThreadPoolExecutor(associations) as pool:
            for done in [pool.submit(self._send_share, share) for share in shares if share]:
                done.result()

    def _send_share(self, share: Sequence[Instance]) -> None:
        waiting = list(share)
        while waiting:
            if time.monotonic() > self._deadline:
                raise AssertionError(f"{len(waiting)} of {len(share)} instances were not answered 0000 in time")
            try:
                self._send_over_one_association(waiting)
            except OSError:
                self._pause.wait(RECONNECT_SECONDS)

    def _send_over_one_association(self, waiting: list[Instance]) -> None:
        contexts = sorted({(instance.sop_class_uid, instance.transfer_syntax_uid) for instance in waiting})
        with RawSender(self._port, calling_aet=self._calling_aet, contexts=contexts) as sender:
            while waiting:
                instance = waiting[0]
                with self._lock:
                    digest = hashlib.sha256(instance.data_set).hexdigest()
                    self._ledger.attempted[instance.sop_instance_uid] = digest
                status = sender.store(
                    instance.sop_class_uid, instance.sop_instance_uid, instance.transfer_syntax_uid, instance.data_set
                )
                with self._lock:
                    self.statuses.append(status)
                    if status == 0:
                        self._ledger.acknowledged.add(instance.sop_instance_uid)
                        waiting.pop(0)
                if status:
                    self._pause.wait(RECONNECT_SECONDS)


class Beside:
    """Runs something beside the test until it ends; its failure is the test's."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as failure:  # noqa: BLE001 - handed to the test's thread below
            self._failure = failure

    def __enter__(self) -> "Beside":
        self._thread.start()
        return self

    @property
    def running(self) -> bool:
        """Whether it still runs."""
        return self._thread.is_alive()

    def join(self, limit: float) -> None:
        """Wait for its end and raise its failure."""
        self._thread.join(limit)
        if self._thread.is_alive():
            raise AssertionError(f"still running after {limit} s")
        if self._failure is not None:
            raise self._failure

    def __exit__(self, *_: object) -> None:
        self.join(180)
