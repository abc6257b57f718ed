"""Storage commitment with dcmjs-dimse, as SCP and as SCU, in profile gateway: a peer that none of us wrote."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conformance.clients import DcmjsServer, dcmjs
from tests.conformance.expected import NM
from tests.conformance.whole import TITLE, Objects, Sent, WholeGateway, indexed, store, whole_gateway
from tests.running_gateway import FreshServers
from tests.waiting import until


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, fresh_servers: FreshServers) -> Iterator[WholeGateway]:
    """A whole gateway in profile gateway that knows SCANNER1."""
    settings = {"GATEWAY_AET": TITLE, "GATEWAY_COMMITMENT_QUIET_SECONDS": "1"}
    with (
        fresh_servers() as shared,
        whole_gateway(tmp_path_factory.mktemp("committing") / "home", settings, shared) as running,
    ):
        running.add_station("SCANNER1")
        yield running


def received(gateway: WholeGateway, sent: Sent) -> None:
    """Have an object received."""
    assert store(gateway.dicom_port, sent) == 0
    indexed(gateway, sent)


@pytest.mark.usefixtures("dcmjs_client")
def test_dcmjs_commits_what_we_sent_it(gateway: WholeGateway, objects: Objects) -> None:
    good, bad = objects("NM STATIC"), objects("NM STATIC")
    bad.data_set.StudyInstanceUID = good.study
    with DcmjsServer("DCMJSARCHIVE", gateway.dicom_port, bad.uid) as archive:
        gateway.add_station("DCMJSARCHIVE", archive.port, "--store", "--commit-server")
        gateway.wait_configured()
        for each in (good, bad):
            received(gateway, each)
        gateway.cli("send", good.uid, bad.uid, "--to", "DCMJSARCHIVE")
        (told,) = until(lambda: archive.of("told"), limit=30, what=f"dcmjs to report ({archive.said})")
        assert told["status"] == 0
        (asked,) = archive.of("asked")
        assert set(asked["instances"]) == {good.uid, bad.uid}

    def flags() -> dict[str, bool]:
        return {each["uid"]: each["archived"] for each in gateway.json("where", good.study)["instances"]}

    until(lambda: flags() == {good.uid: True, bad.uid: False}, limit=20, what="the Archived flags")
    (row,) = gateway.json("commitments", "list", "--station", "DCMJSARCHIVE")
    assert (row["state"], row["committed"], row["failed"]) == ("FAILURE", 1, 1)


@pytest.mark.usefixtures("dcmjs_client")
def test_we_commit_what_dcmjs_asks_for(gateway: WholeGateway, objects: Objects) -> None:
    sent, never_sent = objects("NM STATIC"), objects("NM STATIC")
    received(gateway, sent)
    with DcmjsServer("DCMJSASKER", gateway.dicom_port) as asker:
        gateway.add_station("DCMJSASKER", asker.port)
        gateway.wait_configured()
        wanted = [(NM, sent.uid), (NM, never_sent.uid)]
        answer = dcmjs("commit", gateway.dicom_port, "DCMJSASKER", transaction="2.25.77", instances=wanted)
        assert (answer["statuses"], answer["fault"]) == ([0], None)
        found: list[dict[str, Any]] = until(lambda: asker.of("heard"), limit=30, what=f"a report ({asker.said})")
    expected = {"heard": "2.25.77", "event": 2, "committed": [sent.uid], "failed": [never_sent.uid]}
    assert found == [expected]
