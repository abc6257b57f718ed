"""Who works at a site of mixed load: modalities that send, a workstation that asks, an archive that reports."""

import itertools
import random
import threading
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor

from tests.factories import Instance, small_instances
from tests.faults.ledger import Ledger
from tests.faults.traffic import Traffic
from tests.stations.committer import Asked, Committer, Verdict, everything
from tests.stations.finder import SUCCESS, Finder, identifier

AGAIN_EVERY = 5
"""So often a study is sent a second time, whole, as modalities do whose user was not sure."""
_SEEDS_OF_ONE = 100_000
_QUERY_SECONDS = 0.5
_LIMIT_SECONDS = 60.0


class Modality:
    """Sends one study after the other, each instance until it is answered 0000; ``limit``: seconds a study may take."""

    def __init__(self, title: str, port: int, seed: int, *, limit: float = 180.0) -> None:
        self.title, self.ledger = title, Ledger()
        self.studies: list[list[Instance]] = []
        """Those whose instances were all answered 0000."""
        self.statuses: Counter[int] = Counter()
        self._port, self._limit = port, limit
        self._seeds = itertools.count(seed * _SEEDS_OF_ONE)

    def work(self, ended: threading.Event, instances: int, every: float) -> None:
        """Until it ``ended``: studies of so many instances, one ``every`` so many seconds, or as fast as it goes."""
        for number in itertools.count(1):
            began = time.monotonic()
            study = small_instances(instances, seed=next(self._seeds), one_study=True)
            self._send(study)
            self.studies.append(study)
            if number % AGAIN_EVERY == 0:
                self._send(study)
            if ended.wait(max(0.0, began + every - time.monotonic())):
                return

    def _send(self, study: list[Instance]) -> None:
        traffic = Traffic(self._port, self.ledger, calling_aet=self.title, limit=self._limit)
        traffic.send(study, associations=2)
        self.statuses.update(traffic.statuses)


class Workstation:
    """Asks for the studies that were sent. While things fail an answer may be a failure, never a wrong one."""

    def __init__(self, title: str, port: int, modalities: list[Modality], seed: int) -> None:
        self._title, self._port, self._modalities = title, port, modalities
        self._chance = random.Random(seed)
        self.answers: Counter[str] = Counter()
        """By status, or what ended the association."""

    def work(self, ended: threading.Event) -> None:
        """Ask until it ``ended``."""
        while not ended.wait(_QUERY_SECONDS):
            studies = [study for modality in self._modalities for study in modality.studies]
            if studies:
                self._ask(self._chance.choice(studies)[0].study_instance_uid)

    def instances_of(self, study: str) -> int:
        """How many instances of it the gateway says it has; 0: none. Fails unless the answer is Success."""
        with Finder(self._port, self._title) as finder:
            *found, last = finder.find(identifier("STUDY", {0x0020000D: study, 0x00201208: ""}))
        assert last.status == SUCCESS, f"C-FIND for {study} ended with {last.status:04X} {last.comment}"
        return sum(int(each.identifier().NumberOfStudyRelatedInstances) for each in found)

    def _ask(self, study: str) -> None:
        try:
            with Finder(self._port, self._title) as finder:
                *found, last = finder.find(identifier("STUDY", {0x0020000D: study, 0x00100010: ""}))
        except OSError as fault:
            self.answers[type(fault).__name__] += 1
            return
        self.answers[f"{last.status:04X}"] += 1
        assert {str(each.identifier().StudyInstanceUID) for each in found} <= {study}


class Reporter:
    """Has an archive report each request for commitment: all is committed, said again until 0000 answers it, and some
    of it twice."""

    def __init__(self, archive: Committer, seed: int) -> None:
        self._archive, self._chance = archive, random.Random(seed)
        self.reported = 0

    def work(self, ended: threading.Event) -> None:
        """Until it ``ended``; what was asked by then is reported."""
        told: list[Future[None]] = []
        with ThreadPoolExecutor(4) as pool:
            while not ended.wait(0.1):
                told += self._take(pool)
            told += self._take(pool)
        for each in told:
            each.result()

    def _take(self, pool: ThreadPoolExecutor) -> list[Future[None]]:
        new = self._archive.asked[self.reported :]
        self.reported += len(new)
        return [pool.submit(self._tell, asked, self._chance.choice((1, 1, 2))) for asked in new]

    def _tell(self, asked: Asked, times: int) -> None:
        verdict: Verdict = everything(asked)
        for _ in range(times):
            told = self._archive.report(verdict, to=asked, limit=_LIMIT_SECONDS)
            assert told.status == 0, f"report of {asked.transaction_uid} was not taken: {told.fault or told.status}"
