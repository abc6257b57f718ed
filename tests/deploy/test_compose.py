"""deploy/compose.yaml, read as text: a machine of the tests has no container engine."""

import re
from typing import Any

import yaml

from services.cli.names import LISTENING, SERVICES
from services.cli.settings_of_services import variables
from tests.deploy.launching import CHECKOUT
from tests.deploy.promtool import promtool

DEPLOY = CHECKOUT / "deploy"
PASSWORD = "${GATEWAY_PASSWORD:?set a password}"


def compose() -> dict[str, Any]:
    """The file, its anchors followed."""
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    return found


def gateway_services() -> dict[str, dict[str, Any]]:
    """Those that run services of the gateway."""
    return {name: each for name, each in compose()["services"].items() if each.get("command", [""])[0] == "run"}


def test_every_service_runs_once_after_the_migrations() -> None:
    found = gateway_services()
    assert sorted(name for each in found.values() for name in each["command"][1:]) == sorted(SERVICES)
    assert found["ingest"]["command"] == ["run", *LISTENING]
    for each in found.values():
        assert each["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
        seconds = float(each["environment"]["GATEWAY_DRAIN_SECONDS"])
        assert float(each["stop_grace_period"].removesuffix("s")) > seconds
    assert compose()["services"]["migrate"]["command"] == ["migrate"]
    # They share a home: by the name of its host one finds the other's address (gateway status).
    assert {name: each["hostname"] for name, each in found.items()} == {name: name for name in found}


def test_they_run_the_image_without_privilege_with_settings_that_exist() -> None:
    for each in gateway_services().values():
        assert (CHECKOUT / "deploy" / each["build"]["context"] / each["build"]["dockerfile"]).is_file()
        assert (each["read_only"], each["cap_drop"]) == (True, ["ALL"])
        assert each["security_opt"] == ["no-new-privileges:true"]
        assert {name for name in each["environment"] if name not in variables()} == set()


def test_images_have_versions_and_passwords_are_nobodys_default() -> None:
    services = compose()["services"]
    for each in services.values():
        assert re.search(r":v?[0-9][\w.-]*$", each["image"])
        for name, value in each.get("environment", {}).items():
            if "PASS" in name or "://" in value:
                assert PASSWORD in value
    assert services["postgresql"]["image"] == "postgres:17"
    assert services["rabbitmq"]["image"].startswith("rabbitmq:4")
    published = {port for each in services.values() for port in each.get("ports", [])}
    assert published == {"11112:11112", "127.0.0.1:8080:8080", "127.0.0.1:3000:3000"}


def test_no_log_fills_the_disk() -> None:
    for each in compose()["services"].values():
        assert (each["logging"]["driver"], each["logging"]["options"].keys()) == ("local", {"max-size", "max-file"})


def test_volumes_are_declared_and_files_are_there() -> None:
    for each in compose()["services"].values():
        for mount in each.get("volumes", []):
            source = mount.partition(":")[0]
            assert (DEPLOY / source).exists() if source.startswith(".") else source in compose()["volumes"]


def test_prometheus_scrapes_every_service_and_grafana_has_its_dashboards() -> None:
    promtool("check", "config", DEPLOY / "prometheus" / "compose.yml")
    (job,) = yaml.safe_load((DEPLOY / "prometheus" / "compose.yml").read_text(encoding="utf-8"))["scrape_configs"]
    targets = {target for each in job["static_configs"] for target in each["targets"]}
    ports = {name: each["environment"]["GATEWAY_HEALTH_PORT"] for name, each in gateway_services().items()}
    assert targets == {f"{name}:{port}" for name, port in ports.items()}
    provisioning = DEPLOY / "grafana" / "provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yaml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "gateway.yaml").read_text())["providers"]
    mounted = [mount.split(":") for mount in compose()["services"]["grafana"]["volumes"]]
    (folder,) = [source for source, target, *_ in mounted if target == provider["options"]["path"]]
    assert len(list((DEPLOY / folder).glob("*.json"))) == 5
