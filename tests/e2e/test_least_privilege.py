"""A whole gateway whose services connect by logins of their own does its work, and none of it as the owner."""

from pathlib import Path

from private_servers.postgresql import LOGINS

from tests.factories import small_instances
from tests.faults.ledger import Ledger
from tests.faults.traffic import Traffic
from tests.running_gateway import FreshServers, running_gateway
from tests.stations import StationReceiver

RULES = """
version: 1
rules:
  - name: everything
    when: {all: []}
    send: [{to: ARCHIVE1}]
"""
CONNECTED = """
select distinct application_name as process, usename as login from pg_stat_activity
where datname = current_database() and application_name like 'gateway-%%'
"""
PROCESSES = {
    "gateway-ingest-query": "ingest", "gateway-query": "query",
    **{f"gateway-{service}": service for service in ("storage", "index", "forwarder", "commitment", "admin")},
}  # fmt: skip


def test_what_is_received_is_delivered_and_nobody_connects_as_the_owner(
    tmp_path: Path, fresh_servers: FreshServers
) -> None:
    with (
        StationReceiver("ARCHIVE1") as archive,
        fresh_servers() as shared,
        running_gateway(tmp_path, shared=shared) as gateway,
    ):
        gateway.add_station("SCANNER1")
        gateway.add_station("ARCHIVE1", archive.port, "--store")
        gateway.apply_rules(RULES)
        ledger = Ledger()
        Traffic(gateway.dicom_port, ledger).send(small_instances(20, seed=46))
        ledger.check(gateway, archive)
        found = {row["process"]: row["login"] for row in gateway.rows(CONNECTED)}
        assert found == {process: LOGINS[service] for process, service in PROCESSES.items()}
        refused = [log.name for log in tmp_path.glob("*.log") if b"42501" in log.read_bytes()]
        assert refused == []
