"""How a text may be spelled: composed or decomposed (Unicode NFC, NFD), in capitals or not. As it is compared, and as
regular expressions of PostgreSQL that find whatever is equal then (pure).
"""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Final
from unicodedata import normalize

MOST_IN_ONE: Final = 50
"""Texts in one expression: PostgreSQL keeps 32 compiled ones, and refuses those that are too long."""
_WITH_CASE: Final = range(0x20000)
"""Characters among which those are that are compared as others."""
_SPACES: Final = dict.fromkeys(map(ord, "\u00a0\u3000"), " ")


def folded(text: str) -> str:
    """As texts are compared: composed, without case, a wide or fixed space a plain one."""
    return normalize("NFC", normalize("NFC", text).casefold()).translate(_SPACES)


def in_json(words: Iterable[str], wholes: Iterable[str]) -> list[str]:
    """Expressions for JSON as text, composed: folded ``words`` anywhere in it, ``wholes`` as one of its strings."""
    whole = [rf'" *{_expression(each, _as_json)} *"' for each in wholes]
    return _together([*(_expression(each, _as_json) for each in words), *whole])


def in_bytes(words: Iterable[str], wholes: Iterable[str] = ()) -> list[str]:
    """The same for UTF-8 as ``encode(..., 'escape')`` writes it, be it JSON, of ASCII alone too, or plain text."""
    whole = [rf'(?:"|^) *{_expression(each, _as_bytes)} *(?:"|$)' for each in wholes]
    return _together([*(_expression(each, _as_bytes) for each in words), *whole])


def _together(expressions: Sequence[str]) -> list[str]:
    starts = range(0, len(expressions), MOST_IN_ONE)
    return [f"(?:{'|'.join(expressions[start : start + MOST_IN_ONE])})" for start in starts]


def _expression(text: str, written: Callable[[str], set[str]]) -> str:
    """Whatever is folded to this text."""
    return "".join(_part(each, written) for each in _parts().findall(text))


def _part(part: str, written: Callable[[str], set[str]]) -> str:
    alone = {part} if len(part) == 1 else set()
    ways = {_plain(way) for each in alone.union(_folded_to().get(part, ())) for way in written(each)}
    if not alone:
        ways.add("".join(_part(each, written) for each in part))
    return f"(?:{'|'.join(sorted(ways))})"


def _as_json(part: str) -> set[str]:
    return {json.dumps(part, ensure_ascii=False)[1:-1]}


def _as_bytes(part: str) -> set[str]:
    forms = {normalize("NFC", part), normalize("NFD", part)}
    ascii_alone = {json.dumps(form)[1:-1] for form in forms}
    upper = {re.sub(r"\\u....", lambda found: "\\u" + found[0][2:].upper(), each) for each in ascii_alone}
    texts = forms | _as_json(part) | ascii_alone | upper
    return {"".join(map(_escaped, each.encode())) for each in texts}


def _escaped(byte: int) -> str:
    """A byte as ``encode(..., 'escape')`` writes it."""
    if byte == ord("\\"):
        return r"\\"
    return chr(byte) if 0 < byte < 0x80 else rf"\{byte:03o}"


def _plain(text: str) -> str:
    """An expression that is this text alone."""
    return re.sub(r"[!-/:-@\[-^`{-~]", r"\\\g<0>", text)


@cache
def _folded_to() -> Mapping[str, Sequence[str]]:
    """By what characters are compared as, those characters."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for each in map(chr, _WITH_CASE):
        if folded(each) != each:
            found[folded(each)].append(each)
    return found


@cache
def _parts() -> re.Pattern[str]:
    """What a folded text is cut into: characters, and several that one character may stand for (ss: ß)."""
    several = sorted((each for each in _folded_to() if len(each) > 1), key=len, reverse=True)
    return re.compile("|".join([*map(re.escape, several), "."]), re.DOTALL)
