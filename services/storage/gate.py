"""Whether instances may be deleted while deliveries of them wait, or commitments are asked for them (pure)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

SHOWN: Final = 10
"""Instances that a refusal names; how many there are it says."""


@dataclass(frozen=True)
class Held:
    """One stored content. ``missing``: stations that are or will be asked to commit it and have not; ``routed`` False:
    no rule was asked about it yet; ``promised``: we have committed it to a peer ourselves; ``untold``: peers still
    to be told so."""

    sop_instance_uid: str
    revision: int
    missing: tuple[str, ...] = ()
    routed: bool = True
    promised: bool = False
    untold: tuple[str, ...] = ()


def kept(contents: Iterable[Held], *, even_uncommitted: bool) -> list[Held]:
    """Those that may not be deleted. What we committed to a peer stays whatever a person says, until what its rules ask
    for is done."""
    return [
        content
        for content in contents
        if (content.missing or not content.routed or content.untold) and (content.promised or not even_uncommitted)
    ]


@dataclass(frozen=True)
class Waiting:
    """So many deliveries to one station have not ended: they wait, are held, are being sent (``sending``), or are in
    doubt."""

    destination: str
    deliveries: int
    sending: int = 0


def refusal(contents: Sequence[Held], waiting: Sequence[Waiting] = ()) -> str:
    """What a person is told about what stands against a deletion: how much of what, and the cure of each."""
    against = [text for text in (_undelivered(waiting), _uncommitted(contents)) if text]
    return f"nothing was deleted: {'; and '.join(against)}"


def _undelivered(waiting: Sequence[Waiting]) -> str:
    if not waiting:
        return ""
    count = sum(each.deliveries for each in waiting)
    stations = ", ".join(f"{each.deliveries} to {each.destination}" for each in waiting)
    have = "1 delivery has" if count == 1 else f"{count} deliveries have"
    return (
        f"{have} not ended: {stations}; wait, cancel what shall not be sent ('gateway jobs list' shows the jobs), or "
        "--force with --why, which gives up what waits: it ends FAILED"
    )


def _uncommitted(contents: Sequence[Held]) -> str:
    """Instances, stations, cure."""
    if not contents:
        return ""
    shown = "; ".join(f"{content.sop_instance_uid} ({', '.join(reasons(content))})" for content in contents[:SHOWN])
    more = f"; and {len(contents) - SHOWN} more" if len(contents) > SHOWN else ""
    cures = ["wait, or see 'gateway commitments list' and repeat what failed"]
    if not all(content.promised for content in contents):
        cures.append("--even-uncommitted deletes what was not promised to a peer all the same")
    count = "1 instance has" if len(contents) == 1 else f"{len(contents)} instances have"
    return f"{count} to stay: {shown}{more}; {', or '.join(cures)}"


def reasons(content: Held) -> list[str]:
    """Why it has to stay."""
    found = [f"not yet committed by {', '.join(content.missing)}"] if content.missing else []
    found += [] if content.routed else ["not routed yet"]
    found += ["committed to a peer by this gateway"] if content.promised else []
    return found + ([f"to be reported as committed to {', '.join(content.untold)}"] if content.untold else [])
