"""`helm test`: its script runs with the environment that the chart gives its pod, against a gateway that runs."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.deploy.charts import environment, of_kind, rendered
from tests.forked import REPOSITORY
from tests.running_gateway import FreshServers, RunningGateway, running_gateway
from tests.waiting import until

pytestmark = pytest.mark.timeout(400)

TITLE = "GATEWAY"
SECONDS = 240


@dataclass(frozen=True)
class Release:
    """A gateway that runs, and what the chart says of the pod that tries it."""

    gateway: RunningGateway
    scratch: Path

    def known(self) -> dict[str, str]:
        """The variables of the pod: what is named by Secrets, names and volumes of the cluster is this gateway's."""
        told = environment(self.container())
        here = {
            "GATEWAY_DATABASE_URL": self.gateway.database_url,
            "GATEWAY_AMQP_URL": self.gateway.amqp_url,
            "GATEWAY_HOME": str(self.scratch),
            "GATEWAY_OBJECTS_URL": f"file://{self.gateway.home}",
            "ADDRESS": "127.0.0.1",
            "PORT": str(self.gateway.dicom_port),
        }
        assert {name for name, value in told.items() if not isinstance(value, str)} <= here.keys() <= told.keys()
        commands = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "PYTHONPATH": str(REPOSITORY)}
        return told | here | commands

    def container(self) -> dict[str, object]:
        """The pod's container."""
        (pod,) = of_kind(rendered("claim"), "Pod").values()
        (found,) = pod["spec"]["containers"]
        assert isinstance(found, dict)
        return found

    def run(self, more: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run the pod's command to its end."""
        command = self.container()["command"]
        assert isinstance(command, list)
        known = self.known() | dict(more or {})
        return subprocess.run(command, env=known, capture_output=True, text=True, timeout=SECONDS, check=False)

    def stations(self) -> list[str]:
        """Titles of the stations there are."""
        return [station["title"] for station in self.gateway.json("station", "list")]

    def stored(self) -> int:
        """How many instances are recorded and not deleted."""
        return len(self.gateway.json("studies", "list"))


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory, fresh_servers: FreshServers) -> Iterator[Release]:
    """One for all tests here."""
    with (
        fresh_servers() as shared,
        running_gateway(tmp_path_factory.mktemp("release"), shared=shared) as gateway,
    ):
        yield Release(gateway, tmp_path_factory.mktemp("scratch"))


def test_a_round_trip_passes_and_leaves_nothing(release: Release) -> None:
    done = release.run()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "C-ECHO, C-STORE and recording work\n" in done.stdout
    assert release.stations() == []
    until(lambda: release.stored() == 0, limit=60, what="the made instance to be deleted")


def test_a_station_that_an_earlier_one_left_is_used_and_stays(release: Release) -> None:
    release.gateway.add_station(TITLE, release.gateway.dicom_port, "--store")
    try:
        done = release.run()
        assert done.returncode == 0, done.stdout + done.stderr
        assert release.stations() == [TITLE]
    finally:
        release.gateway.cli("station", "remove", TITLE)


def test_a_gateway_that_is_not_reached_fails_it_and_the_step_is_named(release: Release) -> None:
    done = release.run({"PORT": "9"})
    assert done.returncode == 1
    steps = json.loads(done.stdout[done.stdout.index("[") : done.stdout.rindex("]") + 1])
    assert [step["name"] for step in steps if step["verdict"] == "failed"] == ["TCP"]
    assert release.stations() == []
