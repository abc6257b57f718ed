"""Files in and out of a running gateway: import, delivery to dcmqrscp, reconciliation with it, export, the audit."""

import json
import shutil
import socket
import subprocess
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from services.dicom.part10 import ObjectMeta, file_head
from tests.factories import Instance, ct, data_set_bytes, nm_static
from tests.running_gateway import FreshServers, RunningGateway, running_gateway
from tests.waiting import until

RULES = """
version: 1
rules:
  - name: all
    when: {all: []}
    send: [{to: QRSCP}]
"""
INSTANCES = [ct(number, study=number % 2) for number in range(6)] + [nm_static(7, study=3)]
CONFIGURATION = """
NetworkTCPPort = {port}
MaxPDUSize = 16384
MaxAssociations = 16
HostTable BEGIN
gateway = (GATEWAY, localhost, {gateway})
HostTable END
VendorTable BEGIN
VendorTable END
AETable BEGIN
QRSCP {folder} RW (200, 1024mb) ANY
AETable END
"""


def part_10(instance: Instance) -> bytes:
    """A Part 10 file of another maker's: without our receipt."""
    meta = ObjectMeta(instance.sop_class_uid, instance.sop_instance_uid, instance.transfer_syntax_uid)
    return file_head(meta) + instance.data_set


@dataclass
class Qrscp:
    """DCMTK's query/retrieve server: an archive on the other side."""

    home: Path
    port: int
    gateway: int = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        """The server over what its folder holds."""
        folder = self.home / "archive"
        folder.mkdir(parents=True, exist_ok=True)
        configuration = self.home / "dcmqrscp.cfg"
        configuration.write_text(CONFIGURATION.format(port=self.port, folder=folder, gateway=self.gateway))
        with subprocess.Popen(
            ["dcmqrscp", "-c", str(configuration)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as server:
            try:
                until(self._listens, what="dcmqrscp to listen")
                yield
            finally:
                server.terminate()

    def emptied(self) -> None:
        """It has lost everything."""
        shutil.rmtree(self.home / "archive")

    def store(self, folder: Path, *instances: Instance) -> None:
        """Bring instances in past the gateway."""
        files = []
        for number, instance in enumerate(instances):
            files.append(folder / f"restored-{number}")
            files[-1].write_bytes(part_10(instance))
        command = ["storescu", "-R", "-aec", "QRSCP", "127.0.0.1", str(self.port), *map(str, files)]
        subprocess.run(command, check=True, capture_output=True, timeout=30)

    def _listens(self) -> bool:
        with socket.socket() as tried:
            return tried.connect_ex(("127.0.0.1", self.port)) == 0


@dataclass
class Site:
    """A gateway that sends everything to dcmqrscp."""

    gateway: RunningGateway
    archive: Qrscp

    def run(self, *arguments: str, status: int = 0, environment: Mapping[str, str] | None = None) -> Any:
        """The JSON answer of a command."""
        return json.loads(self.gateway.cli(*arguments, "--json", status=status, environment=environment))

    def fault(self, *arguments: str) -> str:
        """What a command says that fails."""
        with pytest.raises(AssertionError, match=r"ended with 1\n") as caught:
            self.gateway.cli(*arguments)
        return str(caught.value)

    def delivered(self, *instances: Instance, times: int = 1) -> bool:
        """Whether the ledger says that the archive got each of them so often."""
        rows = self.gateway.rows(
            "select sop_instance_uid from routing.delivery where state = 'DELIVERED' and sop_instance_uid = any(%s)",
            [instance.sop_instance_uid for instance in instances],
        )
        return len(rows) >= times * len(instances)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, fresh_servers: FreshServers) -> Iterator[Site]:
    """The gateway, with station IMPORT and the rule above."""
    home = tmp_path_factory.mktemp("files")
    with socket.create_server(("127.0.0.1", 0)) as free:
        archive = Qrscp(home / "qrscp", free.getsockname()[1])
    with fresh_servers() as shared, running_gateway(home / "gateway", shared=shared) as gateway:
        archive.gateway = gateway.dicom_port
        gateway.add_station("QRSCP", archive.port, "--store", "--query-retrieve")
        gateway.apply_rules(RULES)
        yield Site(gateway, archive)


def test_files_are_taken_as_from_a_station_delivered_reconciled_and_given_out(site: Site, tmp_path: Path) -> None:
    with site.archive.running():
        _imported(site, tmp_path)
        until(lambda: site.delivered(*INSTANCES), limit=30, what="everything to be delivered")
        assert site.run("reconcile", "QRSCP", "--since", "1d")["gaps"] == []
        _pulled(site, tmp_path)
        _not_sent_again(site)
    site.archive.emptied()
    with site.archive.running():
        _reconciled(site, tmp_path)
    _exported(site, tmp_path)
    actions = [entry["action"] for entry in site.run("audit", "list", "--since", "1h")]
    assert {"files.import", "studies.export", "request.send"} <= set(actions)


def _pulled(site: Site, tmp_path: Path) -> None:
    """What only the archive has comes by itself, is asked about by the rules, and does not go back."""
    theirs = ct(20, study=20)
    site.archive.store(tmp_path, theirs)
    site.run("station", "set", "QRSCP", "--pull-minutes", "1", "--pull-days", "365", "--skip-present")
    came = "select matched from routing.evaluation where sop_instance_uid = %s"
    until(lambda: site.gateway.rows(came, theirs.sop_instance_uid), limit=30, what="the archive's study to come")
    ((rule,),) = (row["matched"] for row in site.gateway.rows(came, theirs.sop_instance_uid))
    assert list(rule["not_sent"]) == ["QRSCP"]
    jobs = "select source, study_instance_uid as study, state from routing.job_view where kind = 'retrieve'"
    pulled = {"source": "QRSCP", "study": theirs.study_instance_uid, "state": "COMPLETED"}
    until(lambda: site.gateway.rows(jobs) == [pulled], what="its job, and no other one, to end")
    assert site.gateway.rows("select title, studies, failures from config.pull") == [
        {"title": "QRSCP", "studies": 4, "failures": 0}
    ]


def _not_sent_again(site: Site) -> None:
    """The archive says what it has; what is not sent is delivered without a status."""
    uid = INSTANCES[0].sop_instance_uid
    site.run("send", uid, "--to", "QRSCP")
    until(lambda: site.delivered(INSTANCES[0], times=2), limit=30, what="the job to end")
    asked = "select status from routing.delivery where sop_instance_uid = %s order by id"
    assert [row["status"] for row in site.gateway.rows(asked, uid)] == [0, None]
    site.run("station", "set", "QRSCP", "--pull-minutes", "0", "--send-present")
    open_now = "select from runtime.lease where starts_with(name, 'association/')"
    until(lambda: not site.gateway.rows(open_now), what="the archive to be let go, which could not start again")


def _imported(site: Site, tmp_path: Path) -> None:
    """A folder, a ZIP and a file: what is DICOM is taken, what is none skipped, what is refused named."""
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    for number, instance in enumerate(INSTANCES[:4]):
        (folder / "deep" / f"{number}.dcm").write_bytes(part_10(instance))
    (folder / "bare").write_bytes(INSTANCES[4].data_set)
    (folder / "readme.txt").write_text("not an image")
    with zipfile.ZipFile(tmp_path / "more.zip", "w", zipfile.ZIP_DEFLATED) as more:
        for instance in INSTANCES[5:]:
            more.writestr(f"../{instance.sop_instance_uid}", part_10(instance))
    sources = (str(folder), str(tmp_path / "more.zip"))
    assert "gateway station add IMPORT" in site.fault("import", *sources)
    site.gateway.add_station("IMPORT")
    elsewhere = {"GATEWAY_DICOM_PORT": "1", "GATEWAY_ADMIN_IMPORT_AT": f"localhost:{site.gateway.dicom_port}"}
    done = site.run("import", *sources, environment=elsewhere)  # as in the container of admin, where nobody listens
    assert [(row["status"], row["name"], row["files"]) for row in done["statuses"]] == [("0000", "Success", 7)]
    assert (done["skipped"], done["not_taken"]) == ([{"reason": "not DICOM", "files": 1}], 0)
    (folder / "cut.dcm").write_bytes(part_10(ct(50))[:-900])
    again = site.run("import", *sources, "--as", "IMPORT", status=1)
    assert {row["status"]: row["files"] for row in again["statuses"]} == {"0000": 7, "C000": 1}
    assert [fault["file"] for fault in again["faults"]] == [str(folder / "cut.dcm")]
    rows = site.gateway.rows("select distinct calling_aet, rule_set, configuration > 0 as stamped from storage.receipt")
    assert rows == [{"calling_aet": "IMPORT", "rule_set": 1, "stamped": True}]


def _reconciled(site: Site, tmp_path: Path) -> None:
    """The archive comes back with a part of what it had: the gaps are named to the instance and filled, although it has
    something else in place of one."""
    lost = [INSTANCES[1], INSTANCES[6]]
    foreign = ct(30, study=1, SeriesInstanceUID=lost[0].series_instance_uid)
    site.archive.store(tmp_path, foreign, *(instance for instance in INSTANCES if instance not in lost))
    found = site.run("reconcile", "QRSCP", "--since", "1d", "--resend", status=1)
    assert (found["studies"], found["instances"], found["missing"], found["sent_again"]) == (3, 7, 2, 2)
    assert {(gap["study"], gap["verdict"], *gap["instances"]) for gap in found["gaps"]} == {
        (lost[0].study_instance_uid, "INCOMPLETE", lost[0].sop_instance_uid),
        (lost[1].study_instance_uid, "MISSING", lost[1].sop_instance_uid),
    }
    until(lambda: site.delivered(*lost, times=2), limit=30, what="the gaps to be sent again")
    jobs = site.gateway.rows("select rule, state from routing.job where rule like 'missing%%'")
    assert [row["rule"] for row in jobs] == ["missing at QRSCP"] * 2
    assert site.run("reconcile", "QRSCP", "--since", "1d")["incomplete"] == 0
    assert [row["missing"] for row in site.run("reconcile", "QRSCP", "--history")] == [0, 2, 0]


def _exported(site: Site, tmp_path: Path) -> None:
    """Bit for bit, into a folder, a ZIP and a file-set that DCMTK reads; nothing is overwritten."""
    study = INSTANCES[0].study_instance_uid
    mine = {one.sop_instance_uid: one for one in INSTANCES if one.study_instance_uid == study}
    folder, packed, media = tmp_path / "out", tmp_path / "out.zip", tmp_path / "media"
    assert site.run("studies", "export", study, "--to", str(folder))["files"] == len(mine)
    for uid, instance in mine.items():
        written = (folder / study / instance.series_instance_uid / f"{uid}.dcm").read_bytes()
        assert data_set_bytes(written) == instance.data_set
        assert b"receipt" not in written
        assert b"peer_address" not in written
    assert f"{folder} exists already" in site.fault("studies", "export", study, "--to", str(folder))
    site.run("studies", "export", study, INSTANCES[6].sop_instance_uid, "--to", str(packed))
    with zipfile.ZipFile(packed) as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == len(mine) + 1
    site.run("studies", "export", study, "--to", str(media), "--dicomdir")
    shown = subprocess.run(["dcmdump", "+P", "0004,1500", str(media / "DICOMDIR")], capture_output=True, check=True)
    assert shown.stdout.count(b"ReferencedFileID") == len(mine)
    again = site.run("import", str(media / "DICOMDIR"))
    assert [(row["status"], row["files"]) for row in again["statuses"]] == [("0000", len(mine))]
    next(path for path in media.rglob("*") if path.is_file() and path.name != "DICOMDIR").unlink()
    short = site.run("import", str(media / "DICOMDIR"), status=1)
    assert [fault["reason"] for fault in short["faults"]] == ["named by the DICOMDIR and missing"]
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []
