"""Back-off, giving up, and the circuit of a destination."""

from datetime import UTC, datetime, timedelta

import pytest

from services.forwarder.circuit import Circuit, after_postponed, after_trouble
from services.forwarder.classify import Trouble
from services.forwarder.retry import given_up, slow_delay_seconds
from services.runtime.backoff import ceiling_seconds, delay_seconds

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("failures", "seconds"), [(0, 1), (1, 1), (2, 2), (3, 4), (8, 128), (9, 256), (10, 300), (11, 300), (100_000, 300)]
)
def test_the_ceiling_doubles_to_five_minutes(failures: int, seconds: float) -> None:
    assert ceiling_seconds(failures) == seconds


@pytest.mark.parametrize(("fraction", "seconds"), [(0.0, 0.0), (0.5, 4.0), (0.99, 7.92)])
def test_jitter_is_full(fraction: float, seconds: float) -> None:
    assert delay_seconds(4, fraction) == pytest.approx(seconds)


@pytest.mark.parametrize(("fraction", "seconds"), [(0.0, 150.0), (0.5, 225.0), (1.0, 300.0)])
def test_a_permanent_rejection_waits_long(fraction: float, seconds: float) -> None:
    assert slow_delay_seconds(fraction) == seconds


@pytest.mark.parametrize(("hours", "gone"), [(0, False), (71.99, False), (72, True), (100, True)])
def test_giving_up(hours: float, gone: bool) -> None:
    assert given_up(NOW - timedelta(hours=hours), NOW, 72) is gone


@pytest.mark.parametrize(
    ("circuit", "allowed"),
    [
        (Circuit(), 16),
        (Circuit(open=False, failures=2), 16),
        (Circuit(open=True, failures=1, may_probe=False), 0),
        (Circuit(open=True, failures=1, may_probe=True), 1),
    ],
)
def test_an_open_circuit_lets_one_delivery_probe_at_its_time(circuit: Circuit, allowed: int) -> None:
    assert circuit.allowance(16) == allowed


def test_trouble_opens_the_circuit_longer_each_time() -> None:
    circuit, delays = Circuit(), []
    for _ in range(4):
        setback = after_trouble(circuit, Trouble("refused"), 1.0, 300)
        circuit = setback.circuit
        delays.append(setback.delay)
    assert circuit.open
    assert delays == [1, 2, 4, 8]


def test_a_permanent_rejection_is_tried_slowly_from_the_first_time() -> None:
    assert after_trouble(Circuit(), Trouble("rejected", slow=True), 1.0, 300).delay == 300


def test_out_of_resources_opens_the_circuit_at_the_third_time() -> None:
    circuit, seen = Circuit(), []
    for _ in range(5):
        setback = after_postponed(circuit, 1.0)
        circuit = setback.circuit
        seen.append((circuit.open, setback.delay))
    assert seen == [(False, 0), (False, 0), (True, 1), (True, 2), (True, 4)]
