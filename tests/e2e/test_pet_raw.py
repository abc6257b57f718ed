"""R122: PET raw data that a modality sends reaches the station flagged --pet-raw; with none flagged it is refused."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tests.factories import Instance, ct
from tests.running_gateway import FreshServers, RunningGateway, running_gateway
from tests.stations import RawSender, StationReceiver
from tests.waiting import until

PET_RAW = "1.2.840.113619.4.30"


def raw(number: int) -> Instance:
    return replace(ct(number, SOPClassUID=PET_RAW), sop_class_uid=PET_RAW)


def store(gateway: RunningGateway, instance: Instance, called: str) -> int:
    context = (instance.sop_class_uid, instance.transfer_syntax_uid)
    with RawSender(gateway.dicom_port, "SCANNER1", called, [context]) as sender:
        return sender.store(
            instance.sop_class_uid, instance.sop_instance_uid, instance.transfer_syntax_uid, instance.data_set
        )


@pytest.mark.parametrize(
    ("settings", "title"),
    [
        ({}, "GATEWAY"),
        (
            {"GATEWAY_PROFILE": "xeleris", "GATEWAY_AET": "XELERIS", "GATEWAY_PET_RAW_CLASSES": f'["{PET_RAW}"]'},
            "XELERIS",
        ),
    ],
    ids=["gateway, which has the class by default", "xeleris, where it is configured"],
)
def test_from_the_modality_to_the_flagged_station(
    tmp_path: Path, settings: Mapping[str, str], title: str, fresh_servers: FreshServers
) -> None:
    """No rule names the station: the flag alone sends it there, and once it is gone nothing is kept again."""
    with (
        StationReceiver("PETRAW") as receiver,
        fresh_servers() as shared,
        running_gateway(tmp_path / "home", settings=settings, shared=shared) as gateway,
    ):
        receiver.classes = [PET_RAW]
        gateway.add_station("SCANNER1")
        gateway.wait_configured()
        first, second = raw(1), raw(2)
        assert store(gateway, first, title) == 0xA760
        assert list((gateway.home / "objects").rglob("*.dcm")) == []
        gateway.add_station("PETRAW", receiver.port, "--store", "--pet-raw")
        gateway.wait_configured()
        until(lambda: store(gateway, second, title) == 0, limit=10, what="the flag to be in force")
        until(lambda: second.sop_instance_uid in receiver.uids, limit=30, what="it at the flagged station")
        assert receiver.data_set(second.sop_instance_uid) == second.data_set
        assert first.sop_instance_uid not in receiver.uids
        assert len(list((gateway.home / "objects").rglob("*.dcm"))) == 1
