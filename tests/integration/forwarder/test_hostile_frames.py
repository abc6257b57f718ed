"""N47: frames that the codecs do not survive, for a station that takes nothing compressed."""

import sys
from pathlib import Path

import pytest

from services.dicom import decoding, metrics
from services.dicom.contexts import UNCOMPRESSED
from services.dicom.profile import profile_of
from services.dicom.settings import DicomSettings
from tests.factories import ct
from tests.hostile_frames import (
    HTJ2K,
    aborting_frame,
    compressed,
    good_frame,
    install_test_codec,
    pixels,
    segfaulting,
)
from tests.integration.forwarder.bench import Ledger, forwarder
from tests.recorded import Recorder, add_rule_set, add_station
from tests.stations.receiver import StationReceiver
from tests.waiting import until_async

WORDS = "it cannot be sent as WS needs it: "
CONVERTING = profile_of("xeleris", DicomSettings())
"""The profile that sends in another transfer syntax than the received one."""


async def test_n47_frames_that_codecs_do_not_survive_fail_alone(
    recorder: Recorder, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_test_codec(tmp_path, monkeypatch)
    monkeypatch.setattr(decoding, "FRAME_SECONDS", 1.0)
    decoding.PROCESSES.end_idle()
    hostile = {
        compressed(1, aborting_frame()): "SIGABRT",
        segfaulting(): "it was ended by",
        compressed(2, b"never ends", transfer_syntax=HTJ2K): "it took more processor time than it may",
        compressed(3, b"takes all memory", transfer_syntax=HTJ2K): "is not decoded by the codecs",
    }
    good = {seed: compressed(seed, good_frame(seed)) for seed in range(10, 14)}
    plain = ct(20)
    failures = {cause: metrics.CODEC_FAILURES.labels(cause) for cause in ("crashed", "slow")}
    before = {cause: each._value.get() for cause, each in failures.items()}
    with StationReceiver("WS") as station:
        station.syntaxes = UNCOMPRESSED
        add_station(recorder.database_url, "WS", station.port)
        add_rule_set(recorder.database_url, 1, [{"send": [{"to": "WS"}]}])
        async with forwarder(recorder, profile=CONVERTING) as running:
            mixed = [each for pair in zip(hostile, good.values(), strict=True) for each in pair]
            await running.evaluate(recorder.record(*mixed, plain))
            await ledger.until_states({"DELIVERED": len(good) + 1, "FAILED": len(hostile)}, limit=60)
        for seed, instance in good.items():
            assert station.data_set(instance.sop_instance_uid).endswith(pixels(seed).tobytes())
    found = {row["sop_instance_uid"]: row for row in ledger.deliveries()}
    for instance, why in hostile.items():
        row = found[instance.sop_instance_uid]
        assert (row["state"], row["attempts"]) == ("FAILED", 1)
        assert row["reason"].startswith(WORDS)
        assert instance.transfer_syntax_uid in row["reason"]
        assert why in row["reason"]
    assert {cause: each._value.get() - before[cause] for cause, each in failures.items()} == {"crashed": 2, "slow": 1}


async def test_a_delivery_waits_for_a_process_that_decodes(
    recorder: Recorder, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoding.PROCESSES.end_idle()
    instance = compressed(1, good_frame(1))
    with StationReceiver("WS") as station, monkeypatch.context() as patch:
        station.syntaxes = UNCOMPRESSED
        add_station(recorder.database_url, "WS", station.port)
        add_rule_set(recorder.database_url, 1, [{"send": [{"to": "WS"}]}])
        patch.setattr(sys, "executable", "/bin/false")
        async with forwarder(recorder, profile=CONVERTING) as running:
            await running.evaluate(recorder.record(instance))
            await until_async(lambda: "it does not start" in ledger.deliveries()[0]["reason"])
            patch.undo()
            ledger.execute("update routing.delivery set next_attempt_at = now()")
            await ledger.until_states({"DELIVERED": 1})
        assert station.data_set(instance.sop_instance_uid).endswith(pixels(1).tobytes())
