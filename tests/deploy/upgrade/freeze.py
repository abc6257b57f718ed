"""Freeze the schema version of this code, when it is released: ``PYTHONPATH=.:deploy/local/lib .venv/bin/python -m
tests.deploy.upgrade.freeze``. It runs a gateway for half a minute and writes ``tests/deploy/upgrade/NNNN``."""

import hashlib
import json
import tarfile
import tempfile
from pathlib import Path

from schemas.database.version import SCHEMA_VERSION
from tests.deploy.upgrade.frozen import CODE, HERE
from tests.factories import Instance, ct, mr, nm_gated_tomo
from tests.forked import REPOSITORY
from tests.running_gateway import RunningGateway, running_gateway
from tests.stations import RawSender
from tests.stations.committer import Committer, Report, Script
from tests.waiting import until

CLOSED_PORT = "1"
"""Where nobody listens, whatever runs on the machine that upgrades."""
RULES = """
version: 1
rules:
  - name: magnetic-resonance
    when: {all: [{tag: Modality, op: equals, value: MR}]}
    send: [{to: WORKSTATION1}]
    stop: true
  - name: everything-else
    when: {all: []}
    send: [{to: ARCHIVE1, commit: true}]
"""
INSTANCES = (
    ct(1, study=1, PatientID="FROZEN-1", PatientName="Größe^Änne"),
    ct(2, study=1, PatientID="FROZEN-1", PatientName="Größe^Änne"),
    nm_gated_tomo(3, PatientID="FROZEN-2"),
)
HELD = mr(4, PatientID="FROZEN-3")
REVISED = ct(2, study=1, PatientID="FROZEN-1", PatientName="Größe^Änne", SeriesDescription="again")


def main() -> None:
    """Write the folder. Fails if it is there: what was released never changes."""
    target = HERE / f"{SCHEMA_VERSION:04}"
    target.mkdir()
    settings = {"GATEWAY_COMMITMENT_QUIET_SECONDS": "1"}
    with tempfile.TemporaryDirectory() as home, running_gateway(Path(home), settings=settings) as gateway:
        sent = _fill(gateway)
        answers = {" ".join(words): gateway.json(*words) for words in _asked(sent)}
        gateway.cli("backup", str(target.relative_to(REPOSITORY)))  # the audit keeps the place
    hashes = {one.sop_instance_uid: hashlib.sha256(one.data_set).hexdigest() for one in sent}
    for name, content in (("answers", answers), ("sent", hashes)):
        text = json.dumps(content, indent=1, ensure_ascii=False)
        target.joinpath(f"{name}.json").write_text(f"{text}\n", encoding="utf-8")
    with tarfile.open(target / CODE, "w:xz") as packed:
        for package in ("services", "schemas"):
            packed.add(REPOSITORY / package, package, filter=_plain)


def _fill(gateway: RunningGateway) -> list[Instance]:
    """Stations, rules, users; instances that were delivered and committed, one that waits, one that was sent twice."""
    with Committer(gateway.dicom_port, script=Script(reports=(Report(),))) as archive:
        gateway.add_station("SCANNER1")
        gateway.add_station("ARCHIVE1", archive.port, "--store", "--commit-server")
        gateway.add_station("WORKSTATION1", int(CLOSED_PORT), "--store")
        gateway.cli("station", "hold", "WORKSTATION1", "--why", "frozen")
        gateway.cli("title", "add", "RESEARCH", "--station", "SCANNER1")
        gateway.apply_rules(RULES)
        for batch in ((*INSTANCES, HELD), (REVISED, INSTANCES[0])):
            _send(gateway, batch)
            until(lambda: _settled(gateway), limit=60, what="deliveries and commitments to end")
        gateway.cli("station", "set", "ARCHIVE1", "--port", CLOSED_PORT)
    return [*INSTANCES[:1], *INSTANCES[2:], HELD, REVISED]


def _send(gateway: RunningGateway, instances: tuple[Instance, ...]) -> None:
    contexts = sorted({(one.sop_class_uid, one.transfer_syntax_uid) for one in instances})
    with RawSender(gateway.dicom_port, "SCANNER1", contexts=contexts) as sender:
        for one in instances:
            status = sender.store(one.sop_class_uid, one.sop_instance_uid, one.transfer_syntax_uid, one.data_set)
            assert status == 0, f"{one.sop_instance_uid} was answered {status:04X}"


def _settled(gateway: RunningGateway) -> bool:
    """Whether all but what is held has been delivered and committed."""
    open_ones = "select from routing.delivery where state in ('PENDING', 'SENDING', 'UNKNOWN') and hold is null"
    asked = "select from commitment.commitment where state <> 'SUCCESS'"
    committed = "select from commitment.commitment"
    return not gateway.rows(open_ones) and not gateway.rows(asked) and bool(gateway.rows(committed))


def _asked(sent: list[Instance]) -> list[tuple[str, ...]]:
    """Commands whose answers stay."""
    lists = [("station", "list"), ("title", "list"), ("rules", "show"), ("holds", "list"), ("jobs", "list")]
    more = [("studies", "list"), ("commitments", "list")]
    return [*lists, *more, *(("where", one.sop_instance_uid) for one in sent)]


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Without what Python makes, and whose it is here."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return None if "__pycache__" in entry.name else entry


if __name__ == "__main__":
    main()
