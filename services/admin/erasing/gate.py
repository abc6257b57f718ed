"""Whether a patient may be erased now (pure)."""

from collections.abc import Mapping
from typing import Final

REASONS: Final = {
    "deliveries": "deliveries are not ended ('gateway jobs list')",
    "unrouted": "instances are not routed yet (wait some seconds)",
    "commitments": "commitments are open ('gateway commitments list')",
    "promises": "requests of peers for commitment are not answered yet ('gateway commitments list')",
}
"""By kind of work, what is still to be done with what is stored. Days of retention, and commitments that failed or were
never asked for, hold nothing: who has a patient erased wants it gone, whoever has it or not."""


def refusal(work: Mapping[str, int]) -> str:
    """What a person is told; "" if nothing is open."""
    told = [f"{work[kind]} {reason}" for kind, reason in REASONS.items() if work.get(kind)]
    cure = "wait for them or end them, or --force, which cancels them and breaks what was promised to peers"
    return f"nothing was erased: {', '.join(told)}; {cure}" if told else ""
