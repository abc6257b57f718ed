"""Back-off, giving up, the circuit and the pace of a destination."""

from datetime import timedelta

import pytest

from services.forwarder.circuit import Circuit, after_postponed, after_trouble
from services.forwarder.classify import Failing, Trouble
from services.forwarder.pace import Pace
from services.forwarder.retry import Policy, slow_delay_seconds, why_ended
from services.runtime.backoff import Backoff, ceiling_seconds, delay_seconds


@pytest.mark.parametrize(
    ("failures", "seconds"), [(0, 1), (1, 1), (2, 2), (3, 4), (8, 128), (9, 256), (10, 300), (11, 300), (100_000, 300)]
)
def test_the_ceiling_doubles_to_five_minutes(failures: int, seconds: float) -> None:
    assert ceiling_seconds(failures) == seconds


@pytest.mark.parametrize(
    ("backoff", "seconds"),
    [
        (Backoff(10, 3, 100), [10, 30, 90, 100]),
        (Backoff(5, 1, 300), [5, 5, 5, 5]),
        (Backoff(60, 2, 30), [30, 30, 30, 30]),
    ],
)
def test_a_station_may_have_a_back_off_of_its_own(backoff: Backoff, seconds: list[float]) -> None:
    assert [ceiling_seconds(failures, backoff) for failures in (1, 2, 3, 10**6)] == seconds


@pytest.mark.parametrize(("fraction", "seconds"), [(0.0, 0.0), (0.5, 4.0), (0.99, 7.92)])
def test_jitter_is_full(fraction: float, seconds: float) -> None:
    assert delay_seconds(4, fraction) == pytest.approx(seconds)


@pytest.mark.parametrize(("fraction", "seconds"), [(0.0, 150.0), (0.5, 225.0), (1.0, 300.0)])
def test_a_permanent_rejection_waits_long(fraction: float, seconds: float) -> None:
    assert slow_delay_seconds(fraction) == seconds


EAGER = frozenset({Failing.UNREACHABLE})


@pytest.mark.parametrize(
    ("policy", "hours", "attempts", "failing", "why"),
    [
        (Policy(hold=False, retry_hours=72), 0, 1, None, ""),
        (Policy(hold=False, retry_hours=72), 71.99, 10**6, Failing.UNREACHABLE, ""),
        (Policy(hold=False, retry_hours=72), 72, 1, None, "given up after 72 hours"),
        (Policy(hold=False, retry_hours=72), 100, 1, Failing.BROKEN_OFF, "given up after 72 hours"),
        (Policy(hold=False, retry_hours=72, attempts=3), 0, 2, None, ""),
        (Policy(hold=False, retry_hours=72, attempts=3), 0, 3, None, "given up after 3 attempts"),
        (Policy(hold=False, retry_hours=72, attempts=1), 0, 1, None, "given up after 1 attempt"),
        (Policy(hold=False, retry_hours=72, retried=EAGER), 0, 1, Failing.UNREACHABLE, ""),
        (Policy(hold=False, retry_hours=72, retried=EAGER), 0, 1, None, ""),
        (Policy(hold=False, retry_hours=72, retried=EAGER), 0, 1, Failing.REJECTED, "not tried again when rejected"),
        (
            Policy(hold=False, retry_hours=72, retried=EAGER),
            0,
            1,
            Failing.BROKEN_OFF,
            "not tried again when broken-off",
        ),
    ],
)
def test_giving_up(policy: Policy, hours: float, attempts: int, failing: Failing | None, why: str) -> None:
    assert why_ended(policy, timedelta(hours=hours), attempts, failing) == why


RESTING, PROBED = Circuit(open=True, failures=1, may_probe=False), Circuit(open=True, failures=1, answered=True)


@pytest.mark.parametrize(
    ("circuit", "after_an_echo", "without_echoes", "wants_echo"),
    [
        (Circuit(), 16, 16, False),
        (Circuit(open=False, failures=2), 16, 16, False),
        (RESTING, 0, 0, False),
        (Circuit(open=True, failures=1), 0, 1, True),
        (PROBED, 1, 1, False),
        (Circuit(open=True, failures=1, may_probe=False, answered=True), 0, 0, False),
    ],
)
def test_an_open_circuit_lets_one_delivery_try_once_an_echo_was_answered(
    circuit: Circuit, after_an_echo: int, without_echoes: int, wants_echo: bool
) -> None:
    """Profile xeleris sends no C-ECHO of its own (R49): there the delivery tries at once."""
    assert circuit.allowance(16, echoes=True) == after_an_echo
    assert circuit.allowance(16, echoes=False) == without_echoes
    assert circuit.wants_echo is wants_echo


def test_a_station_that_only_answers_echoes_is_tried_more_and_more_seldom() -> None:
    circuit, delays = Circuit(), []
    for _ in range(4):
        setback = after_trouble(circuit, Trouble("aborted"), 1.0, 300)
        delays.append(setback.delay)
        circuit = Circuit(open=True, failures=setback.circuit.failures, answered=True)  # C-ECHO: 0000
    assert delays == [1, 2, 4, 8]


@pytest.mark.parametrize(
    ("pace", "allowed", "seconds"),
    [
        (Pace(), 16, 0.0),
        (Pace(instances=2), 1, 1.5),
        (Pace(instances=40), 10, 0.075),
        (Pace(instances=4000), 16, 0.00075),
        (Pace(megabytes=2), 1, 3.0),
        (Pace(instances=0.5, megabytes=2), 1, 2 + 2 + 2.5),
    ],
)
def test_the_pace_of_a_station(pace: Pace, allowed: int, seconds: float) -> None:
    """A claim of three instances, 0, 1 and 5 million bytes."""
    assert pace.allowance(16) == allowed
    assert pace.allowance(0) == 0
    assert pace.seconds([0, 1_000_000, 5_000_000]) == pytest.approx(seconds)


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
