"""What a whole gateway says when it opens an association."""

import socket
from concurrent.futures import ThreadPoolExecutor

from tests.conformance.whole import WholeGateway
from tests.stations.raw_association import Items, proposal


def asked_by_echo(xeleris: WholeGateway, title: str, variant: str = "4dr") -> Items:
    """The A-ASSOCIATE-RQ of a verification."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as thread:
        xeleris.add_station(title, listener.getsockname()[1])
        seen = thread.submit(proposal, listener)
        xeleris.cli("station", "echo", title, status=1, environment={"GATEWAY_VARIANT": variant})
        return seen.result(20)
