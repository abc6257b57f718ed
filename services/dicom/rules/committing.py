"""What rules may say of storage commitment, given who can be asked (R71). Pure."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_NOBODY: Final = "the profile has no storage commitment (R30): leave it out"


@dataclass(frozen=True)
class Committing:
    """Who commits what. ``possible`` False: the profile asks nobody.

    ``servers`` are the stations that can be asked; ``asked`` says for each station that is sent to who is asked for
    what it was sent, where anybody is: itself, or the one it commits on.
    """

    servers: Collection[str] = ()
    asked: Mapping[str, str] = field(default_factory=dict)
    possible: bool = True

    def why_not_required(self, destination: str) -> str | None:
        """The cure where ``commit: true`` cannot be done."""
        if not self.possible:
            return _NOBODY
        if destination in self.asked:
            return None
        return (
            f"{destination} cannot be asked; 'gateway station set {destination} --commit-server', or --commit-on a "
            "station that is one, or leave commit out"
        )

    def why_not_awaited(self, title: str) -> str | None:
        """The cure where no station of that title can ever have committed anything."""
        if not self.possible:
            return _NOBODY
        if title in self.servers:
            return None
        if title in self.asked:
            return f"{title} commits on {self.asked[title]}: name that one"
        return f"{title} is no commit server; 'gateway station set {title} --commit-server', or name another station"


@dataclass(frozen=True)
class Flow:
    """What an enabled rule does: ``servers`` are asked for what it sends once all of ``awaits`` have committed it."""

    rule: str
    place: int
    servers: frozenset[str]
    awaits: tuple[str, ...]


def flows(data: Any, committing: Committing) -> list[Flow]:
    """The flows of a document that may have faults: what is not of the right shape is passed over."""
    rules = data.get("rules") if isinstance(data, Mapping) else None
    found = enumerate(rules if isinstance(rules, list) else ())
    return [
        Flow(str(rule.get("name", "")), place, frozenset(_servers(rule, committing)), tuple(_titles(rule)))
        for place, rule in found
        if isinstance(rule, Mapping) and rule.get("enabled", True) is not False
    ]


def endless(flows: list[Flow]) -> Iterator[tuple[Flow, int, str]]:
    """(flow, position of a title in its ``awaits``, cure) of every wait that no order of sending can end."""
    reached = _reached(flows)
    for flow in flows:
        for position, title in enumerate(flow.awaits):
            if title not in reached:
                others = [other.rule for other in flows if title in other.servers]
                yield flow, position, _cure(title, flow, others)


def _reached(flows: list[Flow]) -> set[str]:
    """Who is asked in the end, when rules that wait go as soon as all they wait for was asked."""
    reached: set[str] = set()
    while True:
        more = {server for flow in flows if reached.issuperset(flow.awaits) for server in flow.servers}
        if more <= reached:
            return reached
        reached |= more


def _cure(title: str, flow: Flow, senders: list[str]) -> str:
    if not senders:
        return f"no enabled rule sends anything that {title} commits: add one before"
    if senders == [flow.rule]:
        return f"only this rule sends what {title} commits, and would wait for itself: send it there by another rule"
    return f"rules {', '.join(sorted({*senders, flow.rule}))} wait for one another: send to {title} without waiting"


def _servers(rule: Mapping[str, Any], committing: Committing) -> Iterator[str]:
    targets = rule.get("send")
    for target in targets if isinstance(targets, list) else ():
        if isinstance(target, Mapping) and target.get("commit") is not False:
            server = committing.asked.get(str(target.get("to")))
            if server is not None:
                yield server


def _titles(rule: Mapping[str, Any]) -> Iterator[str]:
    titles = rule.get("after_commitment")
    yield from (str(title) for title in (titles if isinstance(titles, list) else ()))
