"""The oracle of the fault tests: what was attempted, acknowledged, recorded, indexed, delivered and received."""

from collections import Counter
from dataclasses import dataclass, field

from tests.running_gateway import RunningGateway
from tests.stations import StationReceiver
from tests.waiting import until

RECORDED = """
select sop_instance_uid as uid, count(*) as rows from storage.identity where sop_instance_uid = any(%s) group by 1
"""
INDEXED = """
select sop_instance_uid as uid, count(*) as rows from index.instance where sop_instance_uid = any(%s) group by 1
"""
DELIVERED = """
select sop_instance_uid as uid, count(*) as rows from routing.delivery
where sop_instance_uid = any(%s) and state in ('DELIVERED', 'WARNED') group by 1
"""

OPENED: "list[Ledger]" = []
"""The ledgers of the test that runs: what they sum up to is told at the end of the run."""


@dataclass
class Ledger:
    """What a sender knows: SHA-256 of each data set it tried, and which were answered 0000.

    ``lost`` and ``doubled`` are filled when it is checked: acknowledged instances that were not delivered, and those
    that came twice without a lost answer.
    """

    attempted: dict[str, str] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)
    doubled: set[str] = field(default_factory=set)
    checked: bool = False

    def __post_init__(self) -> None:
        OPENED.append(self)

    def settled(self, gateway: RunningGateway) -> bool:
        """Whether every acknowledged instance is recorded, indexed and delivered."""
        return all(len(self.counts(gateway, side)) == len(self.acknowledged) for side in (DELIVERED, INDEXED, RECORDED))

    def counts(self, gateway: RunningGateway, statement: str) -> dict[str, int]:
        """Rows by SOP Instance UID of the acknowledged instances."""
        return {row["uid"]: row["rows"] for row in gateway.rows(statement, sorted(self.acknowledged))}

    def check(self, gateway: RunningGateway, receiver: StationReceiver, limit: float = 60) -> None:
        """Wait until all is delivered, then compare every side.

        Each acknowledged instance is recorded once, indexed once, has exactly one successful delivery, and the
        destination holds its bytes. The destination may have got an instance twice only where an answer was lost.
        """
        try:
            until(
                lambda: self.settled(gateway),
                limit=limit,
                what="every acknowledged instance to be recorded, indexed, delivered",
            )
        finally:
            self.lost = self.acknowledged - self.counts(gateway, DELIVERED).keys()
            self.doubled = self.received_twice(receiver) - self.answers_lost(gateway)
            self.checked = True
        once = dict.fromkeys(self.acknowledged, 1)
        assert self.counts(gateway, RECORDED) == once
        assert self.counts(gateway, INDEXED) == once
        assert self.counts(gateway, DELIVERED) == once
        held = {uid: receiver.digests(uid) for uid in self.acknowledged}
        assert {uid: {self.attempted[uid]} for uid in held} == held
        assert not self.doubled, f"delivered twice without a lost answer: {sorted(self.doubled)[:5]}"

    def received_twice(self, receiver: StationReceiver) -> set[str]:
        """Instances that the destination got more than once."""
        times = Counter(uid for uid in receiver.uids if uid in self.acknowledged)
        return {uid for uid, count in times.items() if count > 1}

    def answers_lost(self, gateway: RunningGateway) -> set[str]:
        """Instances whose attempts show an answer that never came."""
        found = gateway.rows(
            "select distinct d.sop_instance_uid as uid from routing.delivery d "
            "join routing.attempt a on a.delivery = d.id where a.outcome = 'UNKNOWN'"
        )
        return {row["uid"] for row in found}
