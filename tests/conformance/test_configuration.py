"""What is configured, and by whom (R119 to R123)."""

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

from services.runtime.settings import RuntimeSettings
from tests.conformance.conftest import started
from tests.conformance.expected import EXPLICIT, VERIFICATION
from tests.conformance.whole import WholeGateway
from tests.stations import RawSender
from tests.stations.raw_association import Rejected, proposal, propose

PET_RAW = "1.2.840.113619.4.30"
FLAGS = ("store", "query-retrieve", "prefilter", "pet-raw", "commit-server")


@pytest.mark.requirement("R119")
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ["/", "/api/v1/stations", "/api/v1/rules", "/station"])
def test_nothing_is_configured_over_the_network(xeleris: WholeGateway, method: str, path: str) -> None:
    """Whoever has no account on the gateway's machine changes nothing: HTTP has no such address."""
    address = urlsplit(xeleris.http_address("admin"))
    connection = HTTPConnection(str(address.hostname), address.port, timeout=5)
    with closing(connection):
        connection.request(method, path, b"{}")
        assert connection.getresponse().status in (401, 403, 404, 405)


@pytest.mark.requirement("R120")
def test_a_title_maps_to_its_address_and_port_on_any_network(xeleris: WholeGateway) -> None:
    """What is configured under a title is where the gateway calls, and changes when that changes."""
    with ExitStack() as stack, ThreadPoolExecutor(1) as thread:
        for place, address in enumerate(("127.0.0.1", "127.7.7.7")):
            listener = stack.enter_context(socket.create_server((address, 0)))
            port = str(listener.getsockname()[1])
            change = ("station", "set" if place else "add", "MAPPED", "--host", address, "--port", port)
            xeleris.cli(*change)
            seen = thread.submit(proposal, listener)
            xeleris.cli("station", "echo", "MAPPED", status=1)
            assert seen.result(20).titles[:16].rstrip() == b"MAPPED"


@pytest.mark.requirement("R121")
def test_the_local_title_and_port_are_the_statements(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as stack:
        plain = started(stack, tmp_path_factory, {"GATEWAY_PROFILE": "xeleris"})
        assert propose(plain.port, [(VERIFICATION, (EXPLICIT,))], called="XELERIS").accepted == {1: EXPLICIT}
        other = started(stack, tmp_path_factory, {"GATEWAY_PROFILE": "xeleris", "GATEWAY_AET": "CAMERA2"})
        assert propose(other.port, [(VERIFICATION, (EXPLICIT,))], called="CAMERA2").accepted == {1: EXPLICIT}
        with pytest.raises(Rejected):
            propose(other.port, [(VERIFICATION, (EXPLICIT,))], called="XELERIS")
    monkeypatch.setenv("GATEWAY_PROFILE", "xeleris")
    assert RuntimeSettings.load().dicom_port == 104


@pytest.mark.requirement("R122")
def test_a_remote_has_its_title_address_port_and_flags(xeleris: WholeGateway) -> None:
    xeleris.add_station("FLAGGED", 4321, *(f"--{flag}" for flag in FLAGS))
    shown = xeleris.json("station", "show", "FLAGGED")
    assert (shown["title"], shown["host"], shown["port"]) == ("FLAGGED", "127.0.0.1", 4321)
    assert all(shown[flag.replace("-", "_")] is True for flag in FLAGS)
    xeleris.cli("station", "set", "FLAGGED", *(f"--no-{flag}" for flag in FLAGS))
    assert not any(xeleris.json("station", "show", "FLAGGED")[flag.replace("-", "_")] for flag in FLAGS)


@pytest.mark.requirement("R122")
def test_pet_raw_data_is_redirected_to_the_flagged_station(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Without such a station it is refused with A760, at receipt."""
    with ExitStack() as stack:
        classes = {"GATEWAY_PROFILE": "xeleris", "GATEWAY_PET_RAW_CLASSES": f'["{PET_RAW}"]'}
        process = started(stack, tmp_path_factory, classes)
        with RawSender(process.port, called_aet="XELERIS", contexts=[(PET_RAW, EXPLICIT)]) as sender:
            assert sender.store(PET_RAW, "1.2.3", EXPLICIT, b"raw") == 0xA760


@pytest.mark.requirement("R123")
def test_commit_on_names_a_defined_commit_server(xeleris: WholeGateway) -> None:
    xeleris.add_station("CAMERA3")
    xeleris.cli("station", "set", "CAMERA3", "--commit-on", "ARCHIVE9", status=1)
    xeleris.add_station("ARCHIVE9")
    xeleris.cli("station", "set", "CAMERA3", "--commit-on", "ARCHIVE9", status=1)
    xeleris.cli("station", "set", "ARCHIVE9", "--commit-server")
    xeleris.cli("station", "set", "CAMERA3", "--commit-on", "ARCHIVE9")
    assert xeleris.json("station", "show", "CAMERA3")["commit_on"] == "ARCHIVE9"
    xeleris.cli("station", "set", "ARCHIVE9", "--no-commit-server", status=1)
