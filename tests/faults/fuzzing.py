"""Mutation fuzzing: inputs that were good are damaged, and what takes them has to answer in words, and soon.

An input that is answered in a new way joins those that are damaged further, so that the search goes on from what it has
reached. The same seed makes the same inputs; how many there are depends on the time.
"""

import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

CORPUS = Path(__file__).with_name("corpus")
SLOWEST_SECONDS = 2.0
"""Of processor time for one input."""
LARGEST = 1 << 16
"""Bytes of an input; what grows beyond is cut."""
_SMALLER_TRIES = 300
_MOST_ANSWERS = 300
_VALUES = re.compile(r"/\S+|b?'[^']*'?|\"[^\"]*\"?|\b[0-9A-F]{4,}\b|\d+|[^\x20-\x7e]+")
"""What an answer quotes of its input: it makes no other answer of it."""
_INTERESTING = (0, 1, 2, 3, 7, 8, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)

Judge = Callable[[bytes], str]
"""Takes an input and tells in a few words how it was answered. Whatever it raises is a fault."""


@dataclass(frozen=True)
class Target:
    """What is fuzzed: good inputs, ``tokens`` that mean something to it, and who judges."""

    name: str
    seeds: Sequence[bytes]
    judge: Judge
    tokens: Sequence[bytes] = ()

    @property
    def corpus(self) -> Sequence[bytes]:
        """What earlier runs found worth keeping."""
        return [path.read_bytes() for path in sorted((CORPUS / self.name).glob("*.bin"))]


@dataclass
class Findings:
    """How a run went. ``answers``: the first input that was answered so; ``faults``: by what was raised."""

    inputs: int = 0
    answers: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, bytes] = field(default_factory=dict)

    def told(self) -> Mapping[str, str]:
        """Faults with their inputs as hexadecimal digits."""
        return {fault: data.hex() for fault, data in self.faults.items()}


def fuzz(target: Target, seed: int, seconds: float) -> Findings:
    """Damage inputs for that much processor time."""
    chance, found = random.Random(f"{target.name} {seed}"), Findings()
    pool = [*target.seeds, *target.corpus]
    ends = time.process_time() + seconds
    while time.process_time() < ends:
        data = mutated(chance.choice(pool), chance, target.tokens, pool)
        found.inputs += 1
        answer, fault = judged(target.judge, data)
        if fault:
            found.faults.setdefault(fault, smaller(target.judge, data, fault))
        elif answer not in found.answers and len(found.answers) < _MOST_ANSWERS:
            found.answers[answer] = data
            pool.append(data)
    return found


def judged(judge: Judge, data: bytes) -> tuple[str, str]:
    """The answer to an input, and the fault: what was raised and where, or that it took too long; "" for none."""
    begun = time.process_time()
    try:
        answer = judge(data)
    except Exception as error:  # noqa: BLE001 - it is what is looked for
        return "", f"{type(error).__name__} {_place(error)}"
    took = time.process_time() - begun
    return _VALUES.sub("#", answer), f"took {took:.1f} s" if took > SLOWEST_SECONDS else ""


def _place(error: BaseException) -> str:
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    return f"{Path(at.tb_frame.f_code.co_filename).name}:{at.tb_lineno}" if at is not None else ""


def smaller(judge: Judge, data: bytes, fault: str) -> bytes:
    """A part of the input with the same fault: pieces are left out as long as it stays."""
    tries, size = 0, len(data) // 2
    while size and tries < _SMALLER_TRIES:
        start = 0
        while start < len(data) and tries < _SMALLER_TRIES:
            tries += 1
            shorter = data[:start] + data[start + size :]
            if judged(judge, shorter)[1] == fault:
                data = shorter
            else:
                start += size
        size //= 2
    return data


def mutated(data: bytes, chance: random.Random, tokens: Sequence[bytes], others: Sequence[bytes]) -> bytes:
    """The input with one to six kinds of damage."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        chance.choice(_DAMAGES)(changed, chance, tokens or (b"\0",), others)
        if not changed:
            break
    return bytes(changed[:LARGEST])


def _place_in(data: bytearray, chance: random.Random) -> int:
    """Any place; half of the time near the beginning, where headers are."""
    most = len(data) if chance.random() < 0.5 else min(len(data), 400)
    return chance.randrange(max(most, 1))


def _flip(data: bytearray, chance: random.Random, tokens: Sequence[bytes], others: Sequence[bytes]) -> None:
    if data:
        data[_place_in(data, chance)] ^= 1 << chance.randrange(8)


def _set_number(data: bytearray, chance: random.Random, tokens: Sequence[bytes], others: Sequence[bytes]) -> None:
    size = chance.choice((1, 2, 4))
    value = chance.choice(_INTERESTING) & ((1 << 8 * size) - 1)
    at = _place_in(data, chance)
    data[at : at + size] = value.to_bytes(size, chance.choice(("little", "big")))


def _leave_out(data: bytearray, chance: random.Random, tokens: Sequence[bytes], others: Sequence[bytes]) -> None:
    at = _place_in(data, chance)
    del data[at : at + chance.choice((1, 2, 4, 8, 16, 64))]


def _cut(data: bytearray, chance: random.Random, tokens: Sequence[bytes], others: Sequence[bytes]) -> None:
    del data[_place_in(data, chance) :]


def _repeat(data: bytearray, chance: random.Random, tokens: Sequence[bytes], others: Sequence[bytes]) -> None:
    at, size = _place_in(data, chance), chance.randint(1, 64)
    data[at:at] = bytes(data[at : at + size]) * chance.choice((1, 2, 10, 70, 300))


def _insert_token(data: bytearray, chance: random.Random, tokens: Sequence[bytes], others: Sequence[bytes]) -> None:
    at = _place_in(data, chance)
    data[at:at] = chance.choice(tokens) * chance.choice((1, 1, 1, 2, 80, 400))


def _overwrite_by_token(
    data: bytearray, chance: random.Random, tokens: Sequence[bytes], others: Sequence[bytes]
) -> None:
    at, token = _place_in(data, chance), chance.choice(tokens)
    data[at : at + len(token)] = token


def _insert_noise(data: bytearray, chance: random.Random, tokens: Sequence[bytes], others: Sequence[bytes]) -> None:
    at = _place_in(data, chance)
    data[at:at] = chance.randbytes(chance.randint(1, 16))


def _splice(data: bytearray, chance: random.Random, tokens: Sequence[bytes], others: Sequence[bytes]) -> None:
    other = chance.choice(others)
    if other:
        data[_place_in(data, chance) :] = other[chance.randrange(len(other)) :]


_DAMAGES = (
    _flip, _flip, _set_number, _set_number, _leave_out, _cut, _repeat, _insert_token, _overwrite_by_token,
    _insert_noise, _splice,
)  # fmt: skip
