"""P5: two gateways that send everything to one another end the loop by themselves."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from private_servers.postgresql import PrivatePostgresql
from private_servers.rabbitmq import PrivateRabbitmq
from psycopg.rows import dict_row

from tests import forked
from tests.conftest import fresh_database
from tests.factories import small_instances
from tests.faults.ledger import Ledger
from tests.faults.traffic import Traffic
from tests.recorded import add_rule_set, add_station
from tests.waiting import until

ROUTING = ("ingest", "storage", "forwarder")


@dataclass(frozen=True)
class Neighbour:
    """A gateway in one process, on servers that it shares."""

    title: str
    home: Path
    port: int
    database_url: str
    amqp_url: str

    @contextmanager
    def running(self) -> Iterator[None]:
        """The process, ended afterwards."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
        chosen = {
            "GATEWAY_HOME": str(self.home), "GATEWAY_AET": self.title, "GATEWAY_DATABASE_URL": self.database_url,
            "GATEWAY_AMQP_URL": self.amqp_url, "GATEWAY_DICOM_HOST": "127.0.0.1", "GATEWAY_DICOM_PORT": str(self.port),
            "GATEWAY_HTTP_PORT": "0", "GATEWAY_HEALTH_PORT": "0", "GATEWAY_MINIMUM_FREE_BYTES": "50000000",
            "GATEWAY_MINIMUM_FREE_FRACTION": "0.001",
        }  # fmt: skip
        with (self.home / "log").open("ab") as log:
            process = forked.start(["run", *ROUTING], kept | chosen, log)
        try:
            yield
        finally:
            process.kill()
            process.wait(10)

    def rows(self, statement: str) -> list[dict[str, Any]]:
        """What its database answers."""
        with psycopg.connect(self.database_url, row_factory=dict_row) as connection:
            return connection.execute(statement.encode()).fetchall()

    def send_everything_to(self, other: "Neighbour", number: int = 1, **more: object) -> None:
        """Its rule set of that number, in force when this returns if it runs."""
        rule: dict[str, object] = {"name": "everything", "send": [{"to": other.title}]}
        add_rule_set(self.database_url, number, [rule | more])

    def knows(self, rule_set: int) -> bool:
        """Whether ingest stamps that rule set on receipts."""
        copy = self.home / "config-snapshot.json"
        return copy.exists() and json.loads(copy.read_text())["rule_set"] == rule_set

    def settled(self, receipts: int) -> bool:
        """Whether so many receipts were evaluated and nothing waits: from then on nothing happens by itself."""
        evaluated = self.rows("select count(*) as n from routing.evaluation")[0]["n"]
        waiting = self.rows("select 1 from routing.delivery where state in ('PENDING', 'SENDING', 'UNKNOWN')")
        return evaluated == receipts and not waiting

    def sent(self) -> dict[str, int]:
        """Deliveries by state."""
        found = self.rows("select state, count(*) as n from routing.delivery group by state")
        return {row["state"]: row["n"] for row in found}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


@pytest.fixture
def two(
    tmp_path: Path, postgresql: PrivatePostgresql, migrated_template: str, rabbitmq: PrivateRabbitmq
) -> Iterator[tuple[Neighbour, Neighbour]]:
    """GATEWAY, which SCANNER1 sends to, and OTHER; both send everything they get to the other one."""
    made = []
    with ExitStack() as stack:
        for title in ("GATEWAY", "OTHER"):
            home = tmp_path / title
            home.mkdir()
            database_url = stack.enter_context(fresh_database(postgresql, migrated_template))
            made.append(Neighbour(title, home, free_port(), database_url, rabbitmq.add_virtual_host(f"two-{title}")))
        one, other = made
        add_station(one.database_url, "SCANNER1", 104, store=False)
        for here, there in ((one, other), (other, one)):
            add_station(here.database_url, there.title, there.port)
            here.send_everything_to(there)
            stack.enter_context(here.running())
        yield one, other


@pytest.mark.timeout(120)
def test_each_instance_crosses_once(two: tuple[Neighbour, Neighbour]) -> None:
    """And once more where a rule says back: true, the same content not being routed again."""
    one, other = two
    until(lambda: one.knows(1) and other.knows(1), limit=40)
    instances = small_instances(120, seed=3)
    Traffic(one.port, Ledger()).send(instances[:100])
    until(lambda: one.settled(100) and other.settled(100), limit=40)
    assert (one.sent(), other.sent()) == ({"DELIVERED": 100}, {})
    withheld = other.rows("select matched -> 0 -> 'not_sent' as title from routing.evaluation")
    assert [list(row["title"]) for row in withheld] == [["GATEWAY"]] * 100

    other.send_everything_to(one, 2, back=True)
    until(lambda: other.knows(2), limit=10)
    Traffic(one.port, Ledger()).send(instances[100:])
    until(lambda: one.settled(140) and other.settled(120), limit=40)
    assert (one.sent(), other.sent()) == ({"DELIVERED": 120}, {"DELIVERED": 20})
    again = one.rows("select disposition from storage.receipt where calling_aet = 'OTHER'")
    assert [row["disposition"] for row in again] == ["DUPLICATE"] * 20
