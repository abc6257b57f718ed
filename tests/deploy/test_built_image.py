"""Show 5: the image is built, lists what is in it, and works as the chart runs it: without privilege, nothing but its
volumes to write to."""

import json
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import psycopg.sql
import pydicom
import pydicom.data
import pytest
from private_servers.postgresql import PrivatePostgresql

from tests.conftest import execute
from tests.deploy.built_image import Image, built_image
from tests.deploy.charts import CHART
from tests.waiting import until

pytestmark = [pytest.mark.root, pytest.mark.timeout(900)]

TITLE = "GATEWAY"
INSTALLED = "import importlib.metadata as m; print(*(f'{d.name}=={d.version}' for d in m.distributions()), sep='\\n')"
SAMPLE = Path(pydicom.data.__file__).parent / "test_files" / "CT_small.dcm"
DATABASE = "gateway_in_the_image"


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    """Built once."""
    with built_image() as built:
        yield built


@pytest.fixture
def empty_database_url(postgresql: PrivatePostgresql) -> Iterator[str]:
    """A database without a table."""
    named = psycopg.sql.Identifier(DATABASE)
    execute(postgresql.url, psycopg.sql.SQL("CREATE DATABASE {}").format(named))
    yield postgresql.database_url(DATABASE)
    execute(postgresql.url, psycopg.sql.SQL("DROP DATABASE {} WITH (FORCE)").format(named))


@pytest.fixture
def settings(empty_database_url: str, amqp_url: str) -> dict[str, str]:
    """What a container is told, as the chart does."""
    with socket.create_server(("127.0.0.1", 0)) as dicom, socket.create_server(("127.0.0.1", 0)) as http:
        ports = [each.getsockname()[1] for each in (dicom, http)]
    return {
        "GATEWAY_DATABASE_URL": empty_database_url,
        "GATEWAY_AMQP_URL": amqp_url,
        "GATEWAY_OBJECTS_URL": "file:///objects",
        "GATEWAY_MINIMUM_FREE_BYTES": "10000000",
        "GATEWAY_MINIMUM_FREE_FRACTION": "0.001",
        "GATEWAY_DICOM_HOST": "127.0.0.1",
        "GATEWAY_DICOM_PORT": str(ports[0]),
        "GATEWAY_HTTP_PORT": str(ports[1]),
        "GATEWAY_HEALTH_PORT": str(ports[1]),
    }


def test_its_bill_of_materials_names_all_that_is_in_it(image: Image, tmp_path: Path) -> None:
    """Every Python package of its environment and every package of the base with their versions, and nothing else."""
    volumes = image.volumes(tmp_path)
    bill = json.loads(image.run(volumes, {}, "cat", "/opt/gateway/sbom.cdx.json"))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    subject = bill["metadata"]["component"]
    listed = {"pypi": {f"{subject['name']}=={subject['version']}"}, "deb": set[str]()}
    for each in bill["components"]:
        listed[each["purl"].partition("/")[0].removeprefix("pkg:")].add(f"{each['name']}=={each['version']}")
    inside = image.run(volumes, {}, "python", "-P", "-c", INSTALLED).split()
    packages = image.run(volumes, {}, "dpkg-query", "--show", "--showformat", "${Package}==${Version}\\n").split()
    assert listed == {"pypi": set(inside), "deb": set(packages)}
    assert subject["name"] == "dicom-gateway"


def test_what_built_it_is_not_in_it(image: Image) -> None:
    assert not (image.root / "opt/build").exists()
    assert not (image.root / "build").exists()
    assert {"uv", "pip"}.isdisjoint(path.name for path in (image.root / "opt/gateway/bin").iterdir())


def test_it_is_checked_and_stores_what_it_is_sent(image: Image, settings: dict[str, str], tmp_path: Path) -> None:
    """`gateway migrate` and `gateway check`, then a C-STORE by DCMTK, and the script of `helm test`."""
    volumes = image.volumes(tmp_path / "volumes")
    assert image.run(volumes, {}, "sh", "-c", "id -u; id -g").split() == ["10001", "10001"]
    with pytest.raises(AssertionError, match="Read-only file system"):
        image.run(volumes, {}, "touch", "/opt/gateway/new")
    image.gateway(volumes, settings, "migrate")
    findings = json.loads(image.gateway(volumes, settings, "check", "--json"))
    assert {each["state"] for each in findings} == {"ok"}
    with running(image, volumes, settings, tmp_path / "log"):
        image.gateway(volumes, settings, "station", "add", "SCANNER1", "--host", "127.0.0.1", "--port", "104")
        port = settings["GATEWAY_DICOM_PORT"]
        called = ["-aet", "SCANNER1", "-aec", TITLE, "127.0.0.1", port]
        until(lambda: echoed(called), limit=30, what="the station to be known")
        command = ["storescu", "-R", *called, str(SAMPLE)]
        stored = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert stored.returncode == 0, stored.stderr + (tmp_path / "log").read_text()[-4000:]
        uid = str(pydicom.dcmread(SAMPLE, stop_before_pixels=True).SOPInstanceUID)
        until(lambda: recorded(settings["GATEWAY_DATABASE_URL"], uid), limit=30, what="its record")
        # In a cluster it goes to the Service's address; here to loopback, which the image calls nobody at.
        tried = settings | {"ADDRESS": "127.0.0.1", "PORT": port, "TITLE": TITLE, "GATEWAY_DENIED_ADDRESSES": "[]"}
        script = (CHART / "files" / "round-trip.sh").read_text(encoding="utf-8")
        assert "C-ECHO, C-STORE and recording work" in image.run(volumes, tried, "sh", "-eu", "-c", script)


def echoed(called: list[str]) -> bool:
    """Whether a C-ECHO with these arguments is answered 0000."""
    return subprocess.run(["echoscu", *called], timeout=60, check=False).returncode == 0


def recorded(database_url: str, uid: str) -> bool:
    """Whether the gateway has recorded an instance."""
    with psycopg.connect(database_url) as connection:
        found = connection.execute("select 1 from storage.identity where sop_instance_uid = %s", [uid])
        return found.fetchone() is not None


@contextmanager
def running(image: Image, volumes: Path, settings: dict[str, str], log: Path) -> Iterator[None]:
    """A container of the image with the command that it names itself; it ends by SIGTERM with 0."""
    with log.open("wb") as output:
        process = image.start(volumes, settings, output)
    url = f"http://127.0.0.1:{settings['GATEWAY_HEALTH_PORT']}/readyz"

    def ready() -> bool:
        assert process.poll() is None, log.read_text()[-4000:]
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    try:
        until(ready, limit=60, what="the container to be ready")
        yield
        process.terminate()
        assert process.wait(60) == 0, log.read_text()[-4000:]
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(10)
