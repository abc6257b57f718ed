"""What the chart puts around the services: scaling, networks, monitoring, the desk, configuration, its test."""

import ipaddress
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from schemas.topology import QUEUES
from services.cli.names import LISTENING, SERVICES
from tests.deploy.charts import CHART, VALUES, container, containers, environment, of_kind, pods, rendered, workloads
from tests.deploy.promql import selected
from tests.deploy.promtool import promtool
from tests.metrics_reference import DECLARING, declared, exposed_name

NAME, COMPONENT = "app.kubernetes.io/name", "app.kubernetes.io/component"


def takes(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Whether a label selector takes these labels, as far as the chart uses them."""
    for each in selector.get("matchExpressions", []):
        there = each["key"] in labels
        listed = there and labels[each["key"]] in each.get("values", [])
        if not {"Exists": there, "In": listed, "NotIn": not listed}[each["operator"]]:
            return False
    return selector.get("matchLabels", {}).items() <= labels.items()


@pytest.mark.parametrize("values", VALUES)
def test_nothing_is_rendered_twice_or_into_another_namespace(values: str) -> None:
    objects = rendered(values)
    named = [(each["kind"], each["metadata"]["name"]) for each in objects]
    assert len(set(named)) == len(named)
    assert [each for each in objects if "namespace" in each["metadata"]] == []


@pytest.mark.parametrize("values", VALUES)
def test_one_pod_of_a_service_is_moved_at_a_time(values: str) -> None:
    budgets = of_kind(rendered(values), "PodDisruptionBudget")
    if values == "claim":
        assert budgets == {}
        return
    assert all(budget["spec"]["maxUnavailable"] == 1 for budget in budgets.values())
    # While RabbitMQ is away most is not ready: a node can be drained all the same.
    assert {budget["spec"]["unhealthyPodEvictionPolicy"] for budget in budgets.values()} == {"AlwaysAllow"}
    for workload in workloads(rendered(values)).values():
        budget = budgets[workload["metadata"]["name"]]
        assert budget["spec"]["selector"] == workload["spec"]["selector"]


def test_autoscaling_is_by_processor_time_or_by_what_waits(tmp_path: Path) -> None:
    """What scales has no number of replicas; KEDA asks for metrics and queues that exist."""
    objects = rendered("operators")
    (by_cpu,) = of_kind(objects, "HorizontalPodAutoscaler").values()
    by_keda = of_kind(objects, "ScaledObject")
    found = {by_cpu["metadata"]["name"], *by_keda}
    assert found == {f"release-gateway-{service}" for service in ("ingest", "storage", "forwarder")}
    for service, workload in workloads(objects).items():
        assert ("replicas" in workload["spec"]) == (workload["metadata"]["name"] not in found), service
    assert by_cpu["spec"]["scaleTargetRef"]["kind"] == "StatefulSet"
    queries = {
        name: [each["metadata"]["query"] for each in scaled["spec"]["triggers"]] for name, scaled in by_keda.items()
    }
    asked = {metric for all_of_one in queries.values() for query in all_of_one for metric in selected(query).metrics}
    assert asked == {
        "gateway_bus_queue_messages",
        "gateway_forwarder_oldest_waiting_seconds",
        "gateway_forwarder_circuit_open",
    }
    assert asked <= {exposed_name(metric) for path in DECLARING for metric in declared(path)}
    rules = [{"record": "asked", "expr": query} for all_of_one in queries.values() for query in all_of_one]
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "keda", "rules": rules}]}))
    promtool("check", "rules", tmp_path / "rules.yml")
    for scaled in by_keda.values():
        down = scaled["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]
        assert down == by_cpu["spec"]["behavior"]["scaleDown"] == {"stabilizationWindowSeconds": 300}
        assert "cooldownPeriod" not in scaled["spec"]  # is for who scales to zero
    login = ["--set=autoscaling.keda.authenticationRef.name=thanos", "--set=autoscaling.keda.authModes=bearer"]
    for scaled in of_kind(rendered("operators", *login), "ScaledObject").values():
        for trigger in scaled["spec"]["triggers"]:
            assert (trigger["authenticationRef"], trigger["metadata"]["authModes"]) == ({"name": "thanos"}, "bearer")
    for name, (of_queues, *_) in queries.items():
        (pattern,) = re.findall('queue=~"(.*)"', of_queues)
        service = name.rpartition("-")[2]
        assert {queue.name.partition(".")[0] for queue in QUEUES if re.fullmatch(pattern, queue.name)} == {service}


@pytest.mark.parametrize("values", [values for values in VALUES if values != "claim"])
def test_nothing_comes_in_or_goes_out_but_what_is_named(values: str) -> None:
    """The first policy takes every pod and lets nothing in; DICOM comes from the networks of the values."""
    policies = of_kind(rendered(values), "NetworkPolicy")
    deny = policies["release-gateway-deny"]["spec"]
    assert (deny["policyTypes"], deny.get("ingress")) == (["Ingress", "Egress"], None)
    for each in rendered(values):
        spec = each.get("spec") or {}
        template = (
            spec.get("jobTemplate", {}).get("spec", spec).get("template", each if each["kind"] == "Pod" else None)
        )
        if not isinstance(template, dict) or "-demo-" in each["metadata"]["name"]:
            continue
        labels = template["metadata"]["labels"]
        assert takes(deny["podSelector"], labels), each["metadata"]["name"]
        dicom = policies["release-gateway-dicom"]["spec"]
        assert takes(dicom["podSelector"], labels) == (labels[COMPONENT] in LISTENING)
        desk = policies["release-gateway-desk"]["spec"]
        assert takes(desk["podSelector"], labels) == (labels[COMPONENT] == "admin")
    reached = {each["port"] for rule in deny["egress"] for each in rule["ports"]}
    more = {"apart": {9000, 4318, 465}, "restoring": {80}}.get(values, set())
    assert reached == {53, 5353, 5432, 5671, 5672, 443, 587, 6514} | more
    (incoming,) = policies["release-gateway-dicom"]["spec"]["ingress"]
    networks = [ipaddress.ip_network(peer["ipBlock"]["cidr"]) for peer in incoming["from"] if "ipBlock" in peer]
    assert [str(network) for network in networks] == (
        ["10.1.0.0/16"] if values == "apart" else ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]
    )
    ports = ["dicom", "dicom-tls"] if values == "apart" else ["dicom"]
    assert incoming["ports"] == [{"protocol": "TCP", "port": port} for port in ports]


def reaching(objects: list[dict[str, Any]], labels: dict[str, str], port: str) -> list[dict[str, Any]]:
    """The peers that policies let in to a port of the pods with these labels: policies add up."""
    return [
        peer
        for policy in of_kind(objects, "NetworkPolicy").values()
        if takes(policy["spec"]["podSelector"], labels)
        for rule in policy["spec"].get("ingress", [])
        if {"protocol": "TCP", "port": port} in rule["ports"]
        for peer in rule["from"]
    ]


def test_who_reaches_the_desk_is_whom_the_values_name() -> None:
    """Whom the metrics are for has their port alone."""
    everybody = [{"namespaceSelector": {}}]
    browsers = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress-nginx"}}}]
    prometheus = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    narrow = ["--set-json", f"networkPolicy.metrics={json.dumps(prometheus)}"]
    for values, more, admitted in (
        ("s3", [], everybody),
        ("apart", [], browsers),
        ("apart", narrow, browsers),
    ):
        objects = rendered(values, *more)
        labels = workloads(objects)["admin"]["spec"]["template"]["metadata"]["labels"]
        assert reaching(objects, labels, "http") == admitted
    for labels in (each["spec"]["template"]["metadata"]["labels"] for each in workloads(objects).values()):
        assert reaching(objects, labels, "health") == prometheus


def test_prometheus_finds_every_service_and_calls_it_as_alerts_and_dashboards_do() -> None:
    objects = rendered("operators")
    (monitor,) = of_kind(objects, "ServiceMonitor").values()
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    scraped = {
        each["metadata"]["labels"][COMPONENT]: each["spec"]
        for each in of_kind(objects, "Service").values()
        if takes(monitor["spec"]["selector"], each["metadata"]["labels"])
    }
    assert scraped.keys() == workloads(objects).keys()
    for service, spec in scraped.items():
        assert spec["selector"] == workloads(objects)[service]["spec"]["selector"]["matchLabels"]
    (endpoint,) = monitor["spec"]["endpoints"]
    ports = container(workloads(objects)["admin"])["ports"]
    assert endpoint["port"] in {each["name"] for each in ports}
    assert {each["targetLabel"]: each.get("replacement") for each in endpoint["relabelings"]} == {
        "job": "gateway",
        "service": None,
    }


def test_alerts_and_dashboards_are_those_of_deploy() -> None:
    """A chart reads only its own folder; the cure is to copy ``deploy/grafana/*.json`` and ``alerts.yml`` into it."""
    deploy = CHART.parents[1] / "deploy"
    originals = [*(deploy / "grafana").glob("*.json"), deploy / "prometheus" / "alerts.yml"]
    copies = [*(CHART / "files" / "dashboards").glob("*.json"), CHART / "files" / "alerts.yml"]
    assert {path.name: path.read_text() for path in copies} == {path.name: path.read_text() for path in originals}
    objects = rendered("operators")
    (rule,) = of_kind(objects, "PrometheusRule").values()
    wanted = (deploy / "prometheus" / "alerts.yml").read_text(encoding="utf-8")
    wanted = wanted.replace("runbook_url: docs/", "runbook_url: https://wiki.example/gateway/docs/")
    assert rule["spec"] == yaml.safe_load(wanted)
    shown = [each for name, each in of_kind(objects, "ConfigMap").items() if "-dashboard-" in name]
    for each in shown:
        assert each["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert each["metadata"]["annotations"] == {"grafana_folder": "DICOM"}
    found = {name: json.loads(text) for each in shown for name, text in each["data"].items()}
    assert found == {
        f"gateway-{path.name}": json.loads(path.read_text()) for path in (deploy / "grafana").glob("*.json")
    }


def test_the_desk_is_reached_by_tls_with_a_certificate_that_may_come_from_cert_manager() -> None:
    objects = rendered("apart")
    (ingress,) = of_kind(objects, "Ingress").values()
    told = ingress["metadata"]["annotations"]
    assert told["cert-manager.io/cluster-issuer"] == "internal"
    (room,) = re.findall(r"^([0-9]+)m$", told["nginx.ingress.kubernetes.io/proxy-body-size"])
    desk = environment(container(workloads(objects)["admin"]))
    assert int(room) << 20 > int(desk["GATEWAY_ADMIN_MAX_IMPORT_BYTES"])  # nginx answers 413 to more
    # Addresses of searches hold what was searched for: patients' data.
    assert told["nginx.ingress.kubernetes.io/enable-access-log"] == "false"
    # An upload is answered once its instances were sent, and /events for as long as a page is open.
    assert int(told["nginx.ingress.kubernetes.io/proxy-read-timeout"]) >= 600
    assert ingress["spec"]["tls"] == [{"hosts": ["dicom.example"], "secretName": "gateway-desk-tls"}]
    (rule,) = ingress["spec"]["rules"]
    service = rule["http"]["paths"][0]["backend"]["service"]
    led_to = of_kind(objects, "Service")[service["name"]]["spec"]
    assert led_to["selector"][COMPONENT] == "admin"
    desk = container(workloads(objects)["admin"])
    led = {each["name"]: each["targetPort"] for each in led_to["ports"]}[service["port"]["name"]]
    ports = {each["name"]: str(each["containerPort"]) for each in desk["ports"]}
    known = environment(desk)
    assert (known["GATEWAY_HTTP_PORT"], known["GATEWAY_HEALTH_PORT"]) == (ports[led], ports["health"])
    assert led != "health"  # metrics and health ask nobody to log in: they stay inside
    assert "10.0.0.0/8" in environment(container(workloads(objects)["admin"]))["FORWARDED_ALLOW_IPS"]


def test_stations_and_rules_of_the_values_are_applied_by_a_job() -> None:
    """Stations first, which rules name; after each install, upgrade and rollback, which brings the older ones back."""
    objects = rendered("apart")
    job = of_kind(objects, "Job")["release-gateway-configure-1"]
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "post-install,post-upgrade,post-rollback"
    pod = job["spec"]["template"]["spec"]
    commands = [each["args"][:3] for each in containers(pod)]
    assert commands == [
        ["station", "import", "/configuration/stations.yaml"],
        ["rules", "apply", "/configuration/rules.yaml"],
    ]
    (volume,) = [each for each in pod["volumes"] if each["name"] == "configuration"]
    files = of_kind(objects, "ConfigMap")[volume["configMap"]["name"]]["data"]
    given = yaml.safe_load(VALUES["apart"].read_text(encoding="utf-8"))["configuration"]
    assert {name: yaml.safe_load(text) for name, text in files.items()} == {
        "stations.yaml": given["stations"],
        "rules.yaml": given["rules"],
    }
    for values, told in (("apart", "true"), ("s3", None)):
        known = environment(container(workloads(rendered(values))["admin"]))
        for name in ("STATIONS_IN_FILES", "RULES_IN_FILES", "BACKUP_EXPECTED"):
            assert known.get(f"GATEWAY_ADMIN_{name}") == told
    assert of_kind(rendered("s3"), "Job").keys() == {"release-gateway-migrate-1"}


def test_the_demo_brings_its_servers_and_nothing_else_does() -> None:
    """Their pods are none of the gateway's, whose policies and budgets leave them alone."""
    for values in VALUES:
        servers = {name for name in of_kind(rendered(values), "StatefulSet") if "-demo-" in name}
        assert len(servers) == (2 if values == "demo" else 0)
    objects = rendered("demo")
    (secret,) = of_kind(objects, "Secret").values()
    for key in ("database-url", "broker-url"):
        (host, port) = re.findall(r"@([\w-]+):(\d+)/", secret["stringData"][key])[0]
        service = of_kind(objects, "Service")[host]["spec"]
        assert str(service["ports"][0]["port"]) == port
        labels = [each["spec"]["template"]["metadata"]["labels"] for each in of_kind(objects, "StatefulSet").values()]
        (of_server,) = [each for each in labels if takes({"matchLabels": service["selector"]}, each)]
        assert of_server[NAME] != "gateway"


def test_helm_test_runs_the_script_against_the_dicom_service() -> None:
    for values, title, port in (("s3", "GATEWAY", "104"), ("xeleris", "XELERIS", "104"), ("apart", "GATEWAY", "11112")):
        objects = rendered(values)
        (pod,) = of_kind(objects, "Pod").values()
        assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
        (test,) = pod["spec"]["containers"]
        assert test["command"][-1] == (CHART / "files" / "round-trip.sh").read_text(encoding="utf-8")
        known = environment(test)
        assert (known["TITLE"], known["PORT"]) == (title, port)
        assert str(of_kind(objects, "Service")[known["ADDRESS"]]["spec"]["ports"][0]["port"]) == port


def test_every_service_of_the_values_is_one_that_exists() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    assert values["services"].keys() == set(SERVICES)
    assert pods(rendered("s3")).keys() >= {"Deployment release-gateway-admin", "StatefulSet release-gateway-ingest"}
