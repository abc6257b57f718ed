"""The chart renders every service that exists, passes lint, and follows the house rules of pods."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.cli.names import LISTENING

CHART = Path(__file__).resolve().parents[2] / "helm" / "gateway"
HELM = shutil.which("helm", path=str(Path(sys.executable).parent)) or "helm"
SERVICES = {"ingest", "storage", "index", "forwarder", "commitment", "admin"}
ON_DISK = ("--set", "objects.url=file:///objects,objects.existingClaim=objects")


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run helm without any configuration of the user's."""
    return subprocess.run([HELM, *arguments], capture_output=True, text=True, timeout=60, check=False)


def rendered(*arguments: str) -> list[dict[str, Any]]:
    """The objects the chart renders."""
    done = helm("template", "release", str(CHART), "--kube-version", "1.31.0", *arguments)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def workloads(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Pod templates by service."""
    kinds = {"Deployment", "StatefulSet"}
    chosen = [document for document in objects if document["kind"] in kinds]
    return {document["metadata"]["labels"]["app.kubernetes.io/component"]: document for document in chosen}


@pytest.mark.parametrize("values", [(), ON_DISK], ids=["s3", "claim"])
def test_lint_strict(values: tuple[str, ...]) -> None:
    """The chart has no lint finding with object storage on S3 and on a claim."""
    done = helm("lint", "--strict", str(CHART), *values)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("values", [(), ON_DISK], ids=["s3", "claim"])
def test_every_service_is_rendered_once(values: tuple[str, ...]) -> None:
    """One workload a service, each running that service; those that accept DICOM are one workload."""
    found = workloads(rendered(*values))
    assert set(found) == SERVICES
    for service, workload in found.items():
        (container,) = workload["spec"]["template"]["spec"]["containers"]
        assert container["args"] == ["run", *(LISTENING if service == "ingest" else [service])]


def test_pods_are_confined_and_probed() -> None:
    """No root, no writable root, no privilege, no account token; liveness and readiness are asked apart."""
    for workload in workloads(rendered()).values():
        pod = workload["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["automountServiceAccountToken"] is False
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
        assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
        assert container["resources"]["limits"]["memory"]


def test_credentials_come_by_reference() -> None:
    """No value of a secret stands in the rendered objects."""
    for workload in workloads(rendered()).values():
        (container,) = workload["spec"]["template"]["spec"]["containers"]
        secret = {"GATEWAY_DATABASE_URL", "GATEWAY_AMQP_URL", "GATEWAY_S3_SECRET_ACCESS_KEY"}
        for variable in container["env"]:
            if variable["name"] in secret:
                assert "value" not in variable
                assert variable["valueFrom"]["secretKeyRef"]["name"]


def test_dicom_service_keeps_the_callers_address() -> None:
    """Address checks need the station's own address, and port 104 leads to an unprivileged one."""
    (service,) = [d for d in rendered() if d["kind"] == "Service" and d["metadata"]["name"].endswith("-dicom")]
    assert service["spec"]["externalTrafficPolicy"] == "Local"
    assert service["spec"]["ports"] == [{"name": "dicom", "port": 104, "targetPort": "dicom"}]


def test_associations_are_shared_by_the_ingest_pods() -> None:
    """The limit is divided by the replicas and never reaches zero."""
    for limit, replicas, share in ((64, 2, "32"), (1, 3, "1")):
        values = f"dicom.associations={limit},services.ingest.replicas={replicas}"
        ingest = workloads(rendered("--set", values))["ingest"]
        (container,) = ingest["spec"]["template"]["spec"]["containers"]
        environment = {variable["name"]: variable.get("value") for variable in container["env"]}
        assert environment["GATEWAY_INCOMING_ASSOCIATIONS"] == share


def test_profile_xeleris_is_one_pod_with_the_limits_of_the_statement() -> None:
    """R27: five incoming associations, which only one pod can count."""
    ingest = workloads(rendered("--set", "profile=xeleris,variant=v,services.ingest.replicas=1"))["ingest"]
    (container,) = ingest["spec"]["template"]["spec"]["containers"]
    environment = {variable["name"]: variable.get("value") for variable in container["env"]}
    assert (environment["GATEWAY_PROFILE"], environment["GATEWAY_VARIANT"]) == ("xeleris", "v")
    assert not environment.keys() & {"GATEWAY_AET", "GATEWAY_INCOMING_ASSOCIATIONS"}


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ("image.tag=latest", "tag"),
        ("profile=xeleriss", "profile"),
        ("profile=xeleris,services.ingest.replicas=2", "services.ingest.replicas"),
        ("aet=THIS TITLE IS TOO LONG", "aet"),
        ("objects.url=file:///objects", "existingClaim"),
        ("services.unknown.replicas=1", "unknown"),
        ("services.ingest.replica=3", "replica"),
    ],
)
def test_bad_values_are_refused_by_name(values: str, complaint: str) -> None:
    """A wrong value stops the rendering and the text names it."""
    done = helm("template", "release", str(CHART), "--set", values)
    assert done.returncode != 0
    assert complaint in done.stderr


def test_dashboards_and_alerts_are_those_of_deploy() -> None:
    """A chart reads only its own folder; the cure is to copy ``deploy/grafana/*.json`` and ``alerts.yml`` into it."""
    deploy = CHART.parents[1] / "deploy"
    originals = [*(deploy / "grafana").glob("*.json"), deploy / "prometheus" / "alerts.yml"]
    copies = [*(CHART / "files" / "dashboards").glob("*.json"), CHART / "files" / "alerts.yml"]
    assert {path.name: path.read_text() for path in copies} == {path.name: path.read_text() for path in originals}
