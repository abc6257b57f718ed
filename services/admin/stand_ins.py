"""What stations that stand in for one another, or share what is sent, may be (pure)."""

from collections.abc import Iterable, Mapping

from services.admin.station import Station


def impossible(station: Station, known: Mapping[str, Station]) -> list[str]:
    """What the other stations do not allow of ``failover`` and ``balance_with``, each with the cure."""
    title = station.title
    named = [("--failover", station.failover)] if station.failover else []
    named += [("--balance-with", member) for member in station.balance_with]
    found = [f"{option} {other}: {fault}" for option, other in named if (fault := _fault(option, title, other, known))]
    if not station.store:
        found += [
            f"--no-store: station {other} names it (--failover or --balance-with); "
            f"'gateway station set {other}' without it first"
            for other in naming(title, known.values())
        ]
    if station.balance_with:
        found += [
            f"--balance-with: station {other.title} shares with it already, and a group has one name; send to "
            f"{other.title}, or take it out there first"
            for other in known.values()
            if title in other.balance_with
        ]
    return found


def naming(title: str, stations: Iterable[Station]) -> list[str]:
    """Titles of the stations that this one stands in for, or shares with."""
    return sorted(each.title for each in stations if title == each.failover or title in each.balance_with)


def _fault(option: str, title: str, other: str, known: Mapping[str, Station]) -> str:
    if other == title:
        return "that is the station itself; name another one"
    if other not in known:
        return "no such station; add it first with --store"
    if not known[other].store:
        return f"it may not be sent to; 'gateway station set {other} --store' first"
    if option == "--balance-with" and known[other].balance_with:
        return f"it has a group of its own; 'gateway station set {other} --balance-with \"\"' first"
    return ""
