"""Rendering the chart."""

import functools
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).resolve().parents[2] / "helm" / "gateway"
VALUES = {path.stem: path for path in sorted((Path(__file__).parent / "chart_values").glob("*.yaml"))}
"""The matrix: one file for each way in which people run the chart."""
HELM = shutil.which("helm", path=str(Path(sys.executable).parent)) or "helm"


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run helm without any configuration of the user's."""
    return subprocess.run([HELM, *arguments], capture_output=True, text=True, timeout=60, check=False)


def rendered(values: str, *arguments: str) -> list[dict[str, Any]]:
    """The objects that the chart renders from a file of the matrix and further values."""
    return [*_rendered(values, *arguments)]


@functools.cache
def _rendered(values: str, *arguments: str) -> tuple[dict[str, Any], ...]:
    done = helm("template", "release", str(CHART), "--namespace", "dicom", "-f", str(VALUES[values]), *arguments)
    assert done.returncode == 0, done.stderr
    return tuple(document for document in yaml.load_all(done.stdout, Loader=yaml.CSafeLoader) if document)


def of_kind(objects: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    """Those of one kind, by name."""
    return {found["metadata"]["name"]: found for found in objects if found["kind"] == kind}


def pods(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Specifications of the pods by kind and name of what makes them."""
    found = {}
    for each in objects:
        spec = each.get("spec") or {}
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        name = f"{each['kind']} {each['metadata']['name']}"
        if each["kind"] == "Pod":
            found[name] = spec
        elif isinstance(spec.get("template"), dict):
            found[name] = spec["template"]["spec"]
    return found


def containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    """All of them, those that come first too."""
    return [*pod.get("initContainers", []), *pod["containers"]]


def workloads(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Deployments and StatefulSets of the gateway by service."""
    kinds = {"Deployment", "StatefulSet"}
    chosen = [document for document in objects if document["kind"] in kinds]
    found = {document["metadata"]["labels"].get("app.kubernetes.io/component"): document for document in chosen}
    return {service: document for service, document in found.items() if service}


def container(workload: dict[str, Any]) -> dict[str, Any]:
    """The only container of a workload."""
    (found,) = workload["spec"]["template"]["spec"]["containers"]
    assert isinstance(found, dict)
    return found


def environment(of: dict[str, Any]) -> dict[str, Any]:
    """Variables of a container: their value, or where it comes from."""
    names = [variable["name"] for variable in of["env"]]
    assert len(set(names)) == len(names)
    return {variable["name"]: variable.get("value", variable.get("valueFrom")) for variable in of["env"]}
