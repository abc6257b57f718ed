"""Traces: ids that every service finds by itself, samples on which all agree, and settings that are refused."""

import sys
import uuid
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from services.cli import settings_of_services
from services.runtime import traces
from services.runtime.errors import UsageError
from services.runtime.objects import new_key, new_object_key
from services.runtime.settings import RuntimeSettings

ENDPOINT = "http://127.0.0.1:4318/v1/traces"
PATH = (traces.RECEIVED, traces.RECORDED, traces.ROUTED, traces.SENT, traces.ASKED)


def key() -> str:
    return new_object_key(datetime.now(UTC))


def trace() -> int:
    found = traces.trace_of(key())
    assert found is not None
    return found


def test_the_trace_of_a_receipt_is_the_uuid_in_its_objects_key() -> None:
    made = key()
    assert uuid.UUID(int=traces.trace_of(made) or 0).hex == made[-36:-4]
    for other in (new_key("reports", datetime.now(UTC), "json"), "objects/nothing.dcm", ""):
        assert traces.trace_of(other) is None


def test_each_span_hangs_below_that_of_the_step_before_whoever_asks() -> None:
    number = trace()
    which = {traces.SENT: "17", traces.ASKED: "1.2.3"}
    for before, step in pairwise(PATH):
        ids = traces.ids_of(step, number, which.get(step, ""), which.get(before, ""))
        assert (ids.trace, ids.parent) == (number, traces.ids_of(before, number, which.get(before, "")).span)
    assert traces.ids_of(traces.RECEIVED, number).parent is None
    spans = {traces.ids_of(step, number, which).span for step in (*PATH, traces.INDEXED) for which in ("", "1", "2")}
    assert len(spans) == 3 * 6


@pytest.mark.parametrize("ratio", [0.01, 0.25, 0.9])
def test_a_sample_is_of_that_size_and_part_of_every_larger_one(ratio: float) -> None:
    numbers = [trace() for _ in range(20_000)]
    sampled = {number for number in numbers if traces.is_sampled(number, ratio)}
    assert len(sampled) == pytest.approx(ratio * len(numbers), abs=5 * (ratio * (1 - ratio) * len(numbers)) ** 0.5)
    assert sampled <= {number for number in numbers if traces.is_sampled(number, (ratio + 1) / 2)}
    assert all(traces.is_sampled(number, 1) for number in numbers)


@pytest.mark.parametrize(
    "endpoint",
    ["collector:4318", "grpc://collector:4317", "http://collector:4318", "http://collector:4318/", "http:///v1/traces"],
)
def test_an_endpoint_that_is_none_is_refused_with_the_value_and_the_cure(
    endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_TRACES_ENDPOINT", endpoint)
    with pytest.raises(UsageError, match=r"GATEWAY_TRACES_ENDPOINT: .*write http://HOST:4318/v1/traces") as refused:
        RuntimeSettings.load()
    assert endpoint in str(refused.value)


def test_a_password_in_the_endpoint_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_TRACES_ENDPOINT", "https://me:s3cr3t@collector/v1/traces")
    with pytest.raises(UsageError, match="OTEL_EXPORTER_OTLP_HEADERS") as refused:
        RuntimeSettings.load()
    assert "s3cr3t" not in str(refused.value)


@pytest.mark.parametrize("ratio", ["0", "1.5", "half"])
def test_a_ratio_that_is_none_is_refused(ratio: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_TRACES_SAMPLE_RATIO", ratio)
    with pytest.raises(UsageError, match="GATEWAY_TRACES_SAMPLE_RATIO"):
        RuntimeSettings.load()


def test_without_the_extra_no_service_starts_and_the_cure_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "services.runtime.traces_export", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http", None)
    assert settings_of_services.faults() == []
    monkeypatch.setenv("GATEWAY_TRACES_ENDPOINT", ENDPOINT)
    (fault,) = settings_of_services.faults()
    for word in (f"GATEWAY_TRACES_ENDPOINT={ENDPOINT}", "dicom-gateway[traces]", "GATEWAY_EXTRAS=traces", "unset it"):
        assert word in fault
