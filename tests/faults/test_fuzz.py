"""Whatever bytes come, what takes them answers in words, and soon; and what was found once stays answered."""

import pytest

from tests.faults.fuzz_targets import TARGETS
from tests.faults.fuzzing import CORPUS, SLOWEST_SECONDS, Target, fuzz, judged

SECONDS, SECONDS_OF_ALL = 0.4, 15.0
"""Of processor time for each target; with every fault."""
BY_NAME = {target.name: target for target in TARGETS}
targets = pytest.mark.parametrize("target", TARGETS, ids=lambda each: each.name)


@targets
def test_good_inputs_are_taken(target: Target) -> None:
    assert {target.judge(data) for data in target.seeds} == {"taken"}


@targets
def test_what_was_found_stays_answered(target: Target) -> None:
    for data in target.corpus:
        _, fault = judged(target.judge, data)
        assert not fault, f"{fault}: {data.hex()[:400]}"


@pytest.mark.timeout(600)
@targets
def test_damage_is_answered(target: Target, seed: int, request: pytest.FixtureRequest) -> None:
    every = request.config.getoption("--faults") == "all"
    found = fuzz(target, seed, SECONDS_OF_ALL if every else SECONDS)
    assert not found.faults, f"{target.name}, seed {seed}, limit {SLOWEST_SECONDS} s: {dict(found.told())}"
    assert len(found.answers) > 1, "nothing but one answer: the damage does not reach what is tested"


def test_the_corpus_belongs_to_targets() -> None:
    assert {path.name for path in CORPUS.iterdir() if path.is_dir()} <= set(BY_NAME)
