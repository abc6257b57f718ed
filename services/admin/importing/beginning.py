"""Whether an import may begin: the station whose name it bears, and who answers for it."""

from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from typing import Final

from services.admin.changes import audit
from services.admin.errors import NotFound, Refused
from services.admin.station import Station
from services.admin.station_rows import all_stations, title_of
from services.dicom.acceptance import allowed_networks
from services.runtime.db import Connection, Database

DEFAULT_TITLE: Final = "IMPORT"


def hindrance(station: Station, address: str) -> str | None:
    """Why the gateway takes nothing in the station's name from ``address``, with the cure; None: it does (pure)."""
    if not station.enabled:
        return f"station {station.title} is disabled; 'gateway station set {station.title} --enabled', or name another"
    own = f"use a station of its own: 'gateway station add {DEFAULT_TITLE} --host {address} --port 104'"
    if station.certificates:
        return f"station {station.title} calls over TLS only (--certificate), imports do not; {own}"
    if station.services and "store" not in station.services:
        return f"station {station.title} may not store (--service {', '.join(station.services)}); {own}"
    networks = allowed_networks(station.host, station.addresses)
    try:
        ours = ip_address(address)
    except ValueError:
        return None  # a name: the gateway judges
    if not networks or any(ours in ip_network(network) for network in networks):
        return None
    kept = " ".join(f"--address {network}" for network in networks)
    return (
        f"station {station.title} calls from {', '.join(networks)} only, not from {address}, where imports come from; "
        f"'gateway station set {station.title} {kept} --address {address}' allows both, or {own}"
    )


async def begin(database: Database, actor: str, title: str, address: str, paths: Sequence[str]) -> str:
    """Check the station, called from ``address``, and write into the audit who imports what; the title.

    Raises ``UsageError`` for what is no AE title, ``NotFound``, ``Refused``; each with the cure.
    """
    wanted = title_of(title)

    async def work(conn: Connection) -> None:
        known = await all_stations(conn)
        if wanted not in known:
            raise NotFound(
                f"station {wanted} is not defined, and only stations may send: 'gateway station add {wanted} --host "
                f"{address} --port 104' (it is never sent to without --store), or name one with --as"
            )
        if reason := hindrance(known[wanted], address):
            raise Refused(reason)
        await audit(conn, actor, "files.import", wanted, None, {"paths": list(paths)})

    await database.retry(work)
    return wanted
