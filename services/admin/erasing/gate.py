"""Whether a patient may be erased now (pure)."""

from collections.abc import Mapping
from typing import Final

_KINDS: Final = {
    "deliveries": "deliveries that are not ended ('gateway jobs list')",
    "unrouted": "instances that are not routed yet (wait some seconds)",
    "commitments": "commitments that are open ('gateway commitments list')",
    "promises": "requests of peers for commitment that are not answered ('gateway commitments list')",
}
"""What may still be to be done with what is stored. Days of retention, and commitments that failed or were never asked
for, hold nothing: who has a patient erased wants it gone, whoever has it or not."""


def still_open(work: Mapping[str, int]) -> list[str]:
    """What is to be done, with its number."""
    return [f"{kind}: {work[name]}" for name, kind in _KINDS.items() if work.get(name)]


def refusal(work: Mapping[str, int]) -> str:
    """What a person is told; "" if nothing is open."""
    told = ", ".join(still_open(work))
    cure = "wait for them or end them, or --force, which gives them up and breaks what was promised to peers"
    return f"nothing was erased: {told}; {cure}" if told else ""
