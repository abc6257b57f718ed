"""A whole gateway over TLS: from a modality that proves who it is to an archive that does, and new files on the way."""

import json
import socket
import ssl
import urllib.request
from collections.abc import Callable
from pathlib import Path

from tests.certificates import Authority, binding
from tests.factories import Instance, ct
from tests.integration.dicom.test_dcmtk import storescp
from tests.running_gateway import FreshServers, RunningGateway, running_gateway
from tests.stations import RawSender, part10
from tests.waiting import until

RULES = "version: 1\nrules:\n  - {name: all, when: {all: []}, send: [{to: ARCHIVE1}]}\n"
Wrap = Callable[[socket.socket], socket.socket]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def stored(port: int, instance: Instance, secure: Wrap, title: str = "SCANNER1") -> int:
    context = (instance.sop_class_uid, instance.transfer_syntax_uid)
    with RawSender(port, title, contexts=[context], secure=secure) as sender:
        return sender.store(
            instance.sop_class_uid, instance.sop_instance_uid, instance.transfer_syntax_uid, instance.data_set
        )


def metric(gateway: RunningGateway, name: str) -> float:
    """A sample of the receiving process."""
    address = gateway.http_address("ingest-1")
    with urllib.request.urlopen(f"{address}/metrics", timeout=5) as answer:  # noqa: S310 - our own address
        lines = answer.read().decode().splitlines()
    return next(float(line.rpartition(" ")[2]) for line in lines if line.rpartition(" ")[0] == name)


def test_from_a_modality_to_an_archive_both_over_tls(tmp_path: Path, fresh_servers: FreshServers) -> None:
    authority, port = Authority(), free_port()
    files = {"gateway": authority.issue("gateway"), "archive": authority.issue("archive"), "ca": authority.pem}
    paths = {name: tmp_path / f"{name}.pem" for name in files}
    for name, pem in files.items():
        paths[name].write_bytes(pem)
    mine, out = authority.issue("SCANNER1", addresses=()), tmp_path / "received"
    out.mkdir()
    (tmp_path / "mine.pem").write_bytes(mine)
    context = ssl.create_default_context(cafile=paths["ca"])
    context.load_cert_chain(tmp_path / "mine.pem")

    def wrap(sock: socket.socket) -> socket.socket:
        return context.wrap_socket(sock, server_hostname="127.0.0.1")

    settings = {
        "GATEWAY_TLS_CERTIFICATE": str(paths["gateway"]), "GATEWAY_TLS_AUTHORITIES": str(paths["ca"]),
        "GATEWAY_TLS_PORT": str(port),
    }  # fmt: skip
    archive_tls = ("+tls", str(paths["archive"]), str(paths["archive"]), "+cf", str(paths["ca"]))
    with (
        storescp(*archive_tls, "+B", "+xa", "-od", str(out)) as archive_port,
        fresh_servers() as shared,
        running_gateway(tmp_path / "home", settings=settings, shared=shared) as gateway,
    ):
        gateway.add_station("SCANNER1", 104, "--certificate", binding(mine))
        gateway.add_station("OTHER", 104, "--certificate", binding(files["archive"]))
        gateway.add_station("ARCHIVE1", archive_port, "--store", "--tls", "--certificate", binding(files["archive"]))
        gateway.apply_rules(RULES)
        first, second = ct(1), ct(2)
        assert stored(port, first, wrap) == 0
        until(lambda: len(list(out.iterdir())) == 1, limit=30, what="the instance at the archive")
        (received,) = out.iterdir()
        assert part10(received).data_set == first.data_set

        for title, secure in (("OTHER", wrap), ("SCANNER1", lambda sock: sock)):
            at = port if secure is wrap else gateway.dicom_port
            try:
                stored(at, second, secure, title)
            except ConnectionRefusedError as refused:
                assert "(1, 1, 3)" in str(refused)  # noqa: PT017 - both of them, one after the other
            else:
                raise AssertionError(f"{title} was let in")

        steps = {step["name"]: step for step in json.loads(gateway.cli("station", "test", "ARCHIVE1", "--json"))}
        assert steps["TLS"]["verdict"] == "passed"
        assert steps["TLS"]["text"].startswith("TLSv1.")
        gateway.cli("station", "set", "ARCHIVE1", "--certificate", binding(mine))
        (*_, failed) = json.loads(gateway.cli("station", "test", "ARCHIVE1", "--json", status=1))
        assert (failed["name"], failed["verdict"]) == ("TLS", "failed")
        assert "none of those given for it" in failed["text"]
        gateway.cli("station", "set", "ARCHIVE1", "--certificate", binding(files["archive"]))

        before = metric(gateway, 'gateway_tls_certificate_expires_seconds{of="certificate"}')
        assert 0 < before < 3600
        paths["gateway"].write_bytes(authority.issue("gateway", hours=48))
        until(
            lambda: metric(gateway, 'gateway_tls_certificate_expires_seconds{of="certificate"}') > before + 3600,
            limit=10, what="the new certificate in force",
        )  # fmt: skip
        assert stored(port, second, wrap) == 0
        until(lambda: len(list(out.iterdir())) == 2, limit=30, what="the second at the archive")
        assert gateway.stop("ingest-1") == 0
