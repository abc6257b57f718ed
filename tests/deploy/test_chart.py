"""The chart renders every service that exists, passes lint, and follows the house rules of pods."""

import re
from typing import Any

import pytest
from typer.testing import CliRunner

from services.cli import command_line
from services.cli.names import LISTENING, SERVICES
from services.cli.settings_of_services import variables
from tests.deploy.charts import (
    CHART,
    VALUES,
    container,
    containers,
    environment,
    helm,
    of_kind,
    pods,
    rendered,
    workloads,
)

SECRETS = {"GATEWAY_DATABASE_URL", "GATEWAY_AMQP_URL", "GATEWAY_S3_ACCESS_KEY_ID", "GATEWAY_S3_SECRET_ACCESS_KEY"}


@pytest.mark.parametrize("values", VALUES)
def test_lint_strict(values: str) -> None:
    """The chart has no lint finding, however it is used."""
    done = helm("lint", "--strict", str(CHART), "-f", str(VALUES[values]))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("values", VALUES)
def test_every_service_runs_once(values: str) -> None:
    """One workload a service, each running that service; those that accept DICOM are one workload, or two."""
    found = {service: container(workload)["args"] for service, workload in workloads(rendered(values)).items()}
    if values == "apart":
        assert found == {service: ["run", service] for service in SERVICES}
    else:
        alone = {service: ["run", service] for service in SERVICES if service not in LISTENING}
        assert found == {"ingest": ["run", *LISTENING], **alone}


@pytest.mark.parametrize("values", VALUES)
def test_pods_are_confined(values: str) -> None:
    """No root, no privilege, no account token, limited memory, a version of each image; no writable root of ours."""
    for name, pod in pods(rendered(values)).items():
        ours = not re.search("demo-(postgresql|rabbitmq)$", name)
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] == (10001 if ours else 999)
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for each in containers(pod):
            security = each["securityContext"]
            assert security["allowPrivilegeEscalation"] is False
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert security.get("readOnlyRootFilesystem", False) is ours
            assert each["resources"]["limits"]["memory"]
            assert re.search(r":[0-9][\w.-]*$", each["image"]), each["image"]
            mounted = {mount["name"] for mount in each["volumeMounts"]}
            claims = {"home"} if name.startswith("StatefulSet") and ours else {"data"}
            assert mounted <= {volume["name"] for volume in pod.get("volumes", [])} | claims


@pytest.mark.parametrize("values", VALUES)
def test_no_service_of_kubernetes_is_taken_for_a_setting(values: str) -> None:
    """A release named gateway, as README names it, has a Service gateway-dicom. A pod that Kubernetes links to Services
    has a GATEWAY_DICOM_PORT such as tcp://10.96.0.7:104 by it, and would not start."""
    objects = rendered(values, "--set", "fullnameOverride=gateway")
    made = {f"{name.upper().replace('-', '_')}_PORT" for name in of_kind(objects, "Service")}
    assert made & variables() == {"GATEWAY_DICOM_PORT"}
    ours = [pod for name, pod in pods(objects).items() if "-demo-" not in name]
    assert [pod.get("enableServiceLinks", True) for pod in ours] == [False] * len(ours)


@pytest.mark.parametrize("values", VALUES)
def test_services_are_probed_and_may_end_their_associations(values: str) -> None:
    """Liveness counts once it was alive; SIGTERM comes when nobody is led here any more; the drain fits the grace."""
    for workload in workloads(rendered(values)).values():
        service, pod = container(workload), workload["spec"]["template"]["spec"]
        for probe, path in (("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
            assert service[probe]["httpGet"] == {"path": path, "port": "health"}
        program, seconds = service["lifecycle"]["preStop"]["exec"]["command"]
        assert program == "sleep"
        drain = float(environment(service)["GATEWAY_DRAIN_SECONDS"])
        assert pod["terminationGracePeriodSeconds"] > float(seconds) + drain
        spread = pod["topologySpreadConstraints"]
        assert {each["topologyKey"] for each in spread} == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
        for each in spread:
            assert each["labelSelector"]["matchLabels"] == workload["spec"]["selector"]["matchLabels"]


@pytest.mark.parametrize("values", VALUES)
def test_credentials_come_by_reference(values: str) -> None:
    """No value of a secret stands in the rendered pods, and the chart makes no Secret but the demo's."""
    objects = rendered(values)
    for pod in pods(objects).values():
        for each in containers(pod):
            for name in SECRETS & environment(each).keys():
                assert environment(each)[name]["secretKeyRef"].keys() == {"name", "key"}
    assert [*of_kind(objects, "Secret")] == (["release-gateway-demo"] if values == "demo" else [])


@pytest.mark.parametrize(
    ("values", "database", "broker"),
    [
        ("s3", ("gateway-database", "url"), ("gateway-broker", "url")),
        ("claim", ("postgresql", "uri"), ("rabbitmq", "uri")),
        # As CloudNativePG and the RabbitMQ Cluster Operator name what they make of a cluster.
        (
            "operators",
            ("release-gateway-postgresql-app", "uri"),
            ("release-gateway-rabbitmq-default-user", "connection_string"),
        ),
        ("demo", ("release-gateway-demo", "database-url"), ("release-gateway-demo", "broker-url")),
    ],
)
def test_every_pod_finds_database_and_broker(values: str, database: tuple[str, str], broker: tuple[str, str]) -> None:
    """The Secrets are those of the site, of the operators' clusters, or of the demo; for hooks as for services."""
    ours = [pod for name, pod in pods(rendered(values)).items() if "-demo-" not in name]
    assert len(ours) >= len(SERVICES)
    for pod in ours:
        for each in containers(pod):
            known = environment(each)
            assert tuple(known["GATEWAY_DATABASE_URL"]["secretKeyRef"].values()) == database
            assert tuple(known["GATEWAY_AMQP_URL"]["secretKeyRef"].values()) == broker


def test_each_service_may_have_a_login_of_its_own() -> None:
    """Migrations keep the owner's; what people's commands do is admin's; the logins are made before the pods start."""
    given = {"ingest": "receiving", "storage": "storage", "admin": "admin", "backup": "backup"}
    options = [f"--set=database.services.{role}.existingSecret={name}" for role, name in given.items()]
    options += [f"--set=database.services.{role}.key=uri" for role in given]
    objects = rendered("s3", *options, "--set=backup.enabled=true,backup.to=s3://backups/gateway")
    found = {
        each["name"]: environment(each)["GATEWAY_DATABASE_URL"]["secretKeyRef"]
        for pod in pods(objects).values()
        for each in containers(pod)
    }
    owner = {"name": "gateway-database", "key": "url"}
    expected = {role: {"name": name, "key": "uri"} for role, name in given.items()}
    unnamed = dict.fromkeys(("index", "forwarder", "commitment", "migrate", "roles"), owner)
    assert found == expected | unnamed | {"test": expected["admin"]}
    (job,) = of_kind(objects, "Job").values()
    (roles,) = job["spec"]["template"]["spec"]["containers"]
    assert roles["args"] == ["roles"]
    logins = {name for name in environment(roles) if name.endswith("_DATABASE_URL")}
    assert logins == {"GATEWAY_DATABASE_URL", *(f"GATEWAY_{role.upper()}_DATABASE_URL" for role in given)}
    refused = helm("template", "release", str(CHART), "-f", str(VALUES["s3"]), "--set=database.services.desk.key=a")
    assert "desk" in refused.stderr


def test_each_service_may_have_a_user_at_the_broker() -> None:
    options = "--set=broker.services.storage.existingSecret=broker-storage,broker.services.storage.key=uri"
    found = {
        service: tuple(environment(container(workload))["GATEWAY_AMQP_URL"]["secretKeyRef"].values())
        for service, workload in workloads(rendered("s3", options)).items()
    }
    usual = ("gateway-broker", "url")
    assert found == dict.fromkeys(found, usual) | {"storage": ("broker-storage", "uri")}


def test_servers_by_operators_are_clusters_of_the_versions_that_are_supported() -> None:
    objects = rendered("operators")
    (postgresql,) = of_kind(objects, "Cluster").values()
    (rabbitmq,) = of_kind(objects, "RabbitmqCluster").values()
    assert (postgresql["metadata"]["name"], rabbitmq["metadata"]["name"]) == (
        "release-gateway-postgresql",
        "release-gateway-rabbitmq",
    )
    assert postgresql["spec"]["imageName"].endswith("postgresql:17")
    assert rabbitmq["spec"]["image"].startswith("rabbitmq:4")


def test_the_schema_is_there_before_the_pods_unless_the_database_comes_with_them() -> None:
    """A hook before install and upgrade; with a database of the release a Job beside the pods, which wait for it, until
    its Secret is there: also at the upgrade that first asks for one. To Argo CD that Job is a hook, made anew."""
    before = {"s3": "pre-install,pre-upgrade", "operators": None, "demo": None}
    for values, hook in before.items():
        (job,) = of_kind(rendered(values), "Job").values()
        assert job["metadata"].get("annotations", {}).get("helm.sh/hook") == hook
        assert job["spec"]["template"]["spec"]["containers"][0]["args"] == ["migrate"]
    (upgraded,) = of_kind(rendered("operators", "--is-upgrade"), "Job").values()
    assert upgraded["metadata"]["annotations"] == {
        "argocd.argoproj.io/hook": "Sync",
        "argocd.argoproj.io/hook-delete-policy": "BeforeHookCreation",
    }


def test_dicom_services_keep_the_callers_address() -> None:
    """Address checks need the station's own address, and ports 104 and 2762 lead to unprivileged ones."""
    both = {"dicom": (11112, 11112), "dicom-tls": (2762, 2762)}
    for values, services in (
        ("s3", {"release-gateway-dicom": {"dicom": (104, 11112)}}),
        ("apart", {"release-gateway-dicom": both, "release-gateway-query-dicom": both}),
    ):
        found = {name: each for name, each in of_kind(rendered(values), "Service").items() if name.endswith("dicom")}
        assert found.keys() == services.keys()
        for name, service in found.items():
            assert service["spec"]["externalTrafficPolicy"] == "Local"
            component = service["spec"]["selector"]["app.kubernetes.io/component"]
            opened = {
                port["name"]: port["containerPort"]
                for port in container(workloads(rendered(values))[component])["ports"]
            }
            led = {port["targetPort"]: (port["port"], opened[port["targetPort"]]) for port in service["spec"]["ports"]}
            assert led == services[name]


def test_tls_has_its_secret_where_dicom_is_spoken_and_nowhere_else() -> None:
    """As a whole folder, which is renewed with the Secret, and readable for the group of the pod alone."""
    told = {
        "GATEWAY_TLS_CERTIFICATE": "tls.crt",
        "GATEWAY_TLS_KEY": "tls.key",
        "GATEWAY_TLS_AUTHORITIES": "ca.crt",
    }
    speaking = {"ingest", "query", "forwarder", "commitment", "admin"}
    for name, pod in pods(rendered("apart")).items():
        service = name.rpartition("-")[2]
        (*_, last) = containers(pod)
        known = environment(last)
        mounts = [mount for mount in last["volumeMounts"] if mount["name"] == "tls"]
        if service not in speaking:
            assert (mounts, known.keys() & told.keys()) == ([], set()), name
            continue
        (mount,) = mounts
        assert (mount["readOnly"], "subPath" in mount) == (True, False)
        assert {each: known[each] for each in told} == {
            each: f"{mount['mountPath']}/{file}" for each, file in told.items()
        }
        (volume,) = [volume for volume in pod["volumes"] if volume["name"] == "tls"]
        assert volume["secret"] == {"secretName": "gateway-dicom-tls", "defaultMode": 0o440}


@pytest.mark.parametrize(
    ("values", "more", "named"),
    [
        ("xeleris", "dicom.tls.existingSecret=one", "dicom.tls.existingSecret: profile xeleris has no TLS"),
        ("s3", "dicom.tls.existingSecret=one,dicom.tls.port=104", "dicom.tls.port: it is dicom.port"),
    ],
)
def test_tls_that_cannot_be_is_refused_with_the_cure(values: str, more: str, named: str) -> None:
    done = helm("template", "release", str(CHART), "-f", str(VALUES[values]), "--set", more)
    assert done.returncode != 0
    assert named in done.stderr


def test_associations_are_shared_by_the_ingest_pods() -> None:
    """The limit is divided by the replicas, by the most there may be with autoscaling, and never reaches zero."""
    for values, more, share in (
        ("s3", "dicom.associations=64,services.ingest.replicas=2", "32"),
        ("s3", "dicom.associations=1,services.ingest.replicas=3", "1"),
        ("operators", "dicom.associations=64", "8"),
    ):
        ingest = workloads(rendered(values, "--set", more))["ingest"]
        assert environment(container(ingest))["GATEWAY_INCOMING_ASSOCIATIONS"] == share


def test_what_ingest_knows_outlives_its_pod() -> None:
    """A pod that starts again while the database is away accepts by the configuration on its own volume (ADR 0007)."""
    for service in ("ingest", "query"):
        workload = workloads(rendered("apart"))[service]
        assert workload["kind"] == "StatefulSet"
        named_by = of_kind(rendered("apart"), "Service")[workload["spec"]["serviceName"]]["spec"]
        assert (named_by["clusterIP"], named_by["selector"]) == ("None", workload["spec"]["selector"]["matchLabels"])
        (claim,) = workload["spec"]["volumeClaimTemplates"]
        assert claim["metadata"]["name"] == "home"
        assert {"name": "home", "mountPath": environment(container(workload))["GATEWAY_HOME"]} in container(workload)[
            "volumeMounts"
        ]


def test_profile_xeleris_is_one_pod_with_the_limits_of_the_statement() -> None:
    """R27: five incoming associations, which only one pod can count."""
    ingest = workloads(rendered("xeleris"))["ingest"]
    known = environment(container(ingest))
    assert (known["GATEWAY_PROFILE"], known["GATEWAY_VARIANT"]) == ("xeleris", "v")
    assert not known.keys() & {"GATEWAY_AET", "GATEWAY_INCOMING_ASSOCIATIONS"}


@pytest.mark.parametrize("values", VALUES)
def test_every_setting_exists(values: str) -> None:
    named = {name for pod in pods(rendered(values)).values() for each in containers(pod) for name in environment(each)}
    assert {name for name in named if name.startswith("GATEWAY_")} - variables() == set()


def test_files_of_the_site_are_in_every_pod() -> None:
    """As whole folders, which are renewed with the Secret or ConfigMap; a Secret for the group of the pod alone."""
    for pod in pods(rendered("restoring")).values():
        volumes = {each["name"]: each for each in pod["volumes"]}
        assert volumes["file-hospital-ca"]["secret"] == {"secretName": "hospital-ca", "defaultMode": 0o440}
        assert volumes["file-openid-ca"]["configMap"] == {"name": "openid-ca"}
        for each in containers(pod):
            mounts = {mount["name"]: mount for mount in each["volumeMounts"]}
            for name in ("hospital-ca", "openid-ca"):
                assert mounts[f"file-{name}"]["mountPath"] == f"/etc/gateway/files/{name}"
                assert (mounts[f"file-{name}"]["readOnly"], "subPath" in mounts[f"file-{name}"]) == (True, False)


def test_settings_of_the_values_reach_every_pod_and_are_stronger() -> None:
    for pod in pods(rendered("apart")).values():
        for each in containers(pod):
            assert environment(each)["GATEWAY_DRAIN_SECONDS"] == "60"
            assert environment(each)["GATEWAY_STORAGE_SCRUB_BYTES_PER_SECOND"] == "1000000"
            assert each["envFrom"] == [{"secretRef": {"name": "gateway-mail"}}]


def test_traces_are_off_unless_there_is_a_collector() -> None:
    told = {
        "GATEWAY_TRACES_ENDPOINT": "http://collector.observability:4318/v1/traces",
        "GATEWAY_TRACES_SAMPLE_RATIO": "0.25",
    }
    for values, wanted in (("apart", told), ("s3", {})):
        for pod in pods(rendered(values)).values():
            for each in containers(pod):
                known = environment(each)
                assert {name: value for name, value in known.items() if name.startswith("GATEWAY_TRACES_")} == wanted


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ("image.repository=", "image.repository"),
        ("image.tag=latest", "tag"),
        ("demo.postgresql=postgres:latest", "demo.postgresql"),
        ("profile=xeleriss", "profile"),
        ("profile=xeleris,services.ingest.replicas=2", "services.ingest.replicas"),
        ("profile=xeleris,services.ingest.replicas=1,dicom.together=false", "dicom.together"),
        ("aet=THIS TITLE IS TOO LONG", "aet"),
        ("objects.url=file:///objects", "existingClaim"),
        ("objects.url=file:///tmp/objects,objects.existingClaim=one", "objects.url: /tmp"),
        ("services.unknown.replicas=1", "unknown"),
        ("services.ingest.replica=3", "replica"),
        ("services.index.autoscaling.by=keda", "services.index.autoscaling"),
        (
            "services.ingest.autoscaling.by=keda,services.ingest.autoscaling.minReplicas=1,"
            "services.ingest.autoscaling.maxReplicas=2",
            "services.ingest.autoscaling.by",
        ),
        ("desk.ingress.enabled=true", "desk.ingress.host"),
        ("backup.enabled=true", "backup.to"),
        ("networkPolicy.dicom={everybody}", "networkPolicy.dicom"),
        ("networkPolicy.dicom={10.0.0.0/99}", "networkPolicy.dicom"),
        ("fullnameOverride=My_Gateway", "fullnameOverride"),
        ("backup.enabled=true,backup.to=/backups2,backup.existingClaim=one", "backup.to"),
        ("backup.enabled=true,backup.to=s3://one/two,backup.schedule=nightly", "backup.schedule"),
        ("restore.from=/backups/gateway", "restore.from"),
        ("files[0].secret=one,files[0].configMap=two", "files"),
        ("desk.ingress.enabled=true,desk.ingress.host=https://dicom.example", "desk.ingress.host"),
        (
            "services.index.autoscaling.by=cpu,services.index.autoscaling.minReplicas=3,"
            "services.index.autoscaling.maxReplicas=2",
            "services.index.autoscaling",
        ),
        ("dicom.prot=104", "prot"),
        ("traces.endpoint=collector:4318", "endpoint"),
        ("traces.sampleRatio=0", "sampleRatio"),
    ],
)
def test_bad_values_are_refused_by_name(values: str, complaint: str) -> None:
    """A wrong value stops the rendering and the text names it."""
    done = helm("template", "release", str(CHART), "-f", str(VALUES["s3"]), "--set", values)
    assert done.returncode != 0
    assert complaint in done.stderr


def test_objects_are_in_one_place_for_all() -> None:
    """One claim, of the site's, the chart's or the demo's, where the settings say; or the keys of S3."""
    where = {"claim": "objects", "operators": "release-gateway-objects", "demo": "release-gateway-objects", "s3": None}
    for values, claim in where.items():
        for workload in workloads(rendered(values)).values():
            known, pod = environment(container(workload)), workload["spec"]["template"]["spec"]
            claims = [each for each in pod["volumes"] if each["name"] == "objects"]
            keys = SECRETS & known.keys() - {"GATEWAY_DATABASE_URL", "GATEWAY_AMQP_URL"}
            if claim is None:
                assert (len(keys), claims) == (2, [])
                continue
            assert (keys, claims) == (set(), [{"name": "objects", "persistentVolumeClaim": {"claimName": claim}}])
            mounts = {each["name"]: each["mountPath"] for each in container(workload)["volumeMounts"]}
            assert known["GATEWAY_OBJECTS_URL"] == f"file://{mounts['objects']}"
    (made,) = of_kind(rendered("operators"), "PersistentVolumeClaim").values()
    assert made["spec"]["accessModes"] == ["ReadWriteMany"]
    assert made["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


def test_a_backup_is_made_with_the_objects_and_the_keys_of_both_places() -> None:
    def backup(values: str) -> tuple[dict[str, Any], dict[str, Any]]:
        pod = pods(rendered(values))[
            "CronJob " + ("pacs-router" if values == "claim" else "release-gateway") + "-backup"
        ]
        return pod, environment(pod["containers"][0])

    pod, _ = backup("claim")
    assert pod["containers"][0]["args"] == ["backup", "/backups/gateway", "--keep", "30"]
    mounts = {each["name"]: each["mountPath"] for each in pod["containers"][0]["volumeMounts"]}
    assert (mounts["objects"], mounts["backups"]) == ("/srv/objects", "/backups")
    _, known = backup("apart")
    assert known["GATEWAY_BACKUP_S3_ENDPOINT"] == "https://s3.backup.example"
    assert known["GATEWAY_BACKUP_S3_SECRET_ACCESS_KEY"]["secretKeyRef"]["name"] == "gateway-backups"
    assert known["GATEWAY_S3_SECRET_ACCESS_KEY"]["secretKeyRef"]["name"] == "gateway-objects"


def test_what_is_uploaded_has_room_until_it_is() -> None:
    """A table of a backup, packed, and objects lie in the home of the pod until S3 has them."""
    found = pods(rendered("restoring"))
    for name in ("CronJob release-gateway-backup", "Job release-gateway-restore-1"):
        (home,) = [volume for volume in found[name]["volumes"] if volume["name"] == "home"]
        assert home["emptyDir"] == {"sizeLimit": "40Gi"}


def test_a_backup_is_brought_back_while_nothing_runs() -> None:
    """No pod of a service, nobody who scales one up, no schema and no station that a restore would refuse."""
    objects = rendered("restoring")
    assert {workload["spec"]["replicas"] for workload in workloads(objects).values()} == {0}
    assert not {"HorizontalPodAutoscaler", "ScaledObject"} & {each["kind"] for each in objects}
    assert of_kind(objects, "Job").keys() == {"release-gateway-restore-1"}
    assert of_kind(objects, "CronJob")["release-gateway-backup"]["spec"]["suspend"] is True
    pod = pods(objects)["Job release-gateway-restore-1"]
    (restore,) = pod["containers"]
    place, name = "s3://backups/gateway", "20261130t011500.000000z"
    assert restore["args"] == ["restore", place, "--keep-objects", "--backup", name]
    assert CliRunner().invoke(command_line(None), [*restore["args"], "--help"]).exit_code == 0
    backup = pods(objects)["CronJob release-gateway-backup"]["containers"][0]
    assert environment(restore) == environment(backup)
    login = "database.services.backup.existingSecret=of-backup,database.services.backup.key=url"
    of_owner = pods(rendered("restoring", "--set", login))["Job release-gateway-restore-1"]["containers"][0]
    assert environment(of_owner)["GATEWAY_DATABASE_URL"]["secretKeyRef"]["name"] == "gateway-database"
    (of_folder,) = [
        each["spec"]["template"]["spec"]["containers"][0]
        for each in of_kind(rendered("claim", "--set", "restore.from=/backups/gateway"), "Job").values()
    ]
    assert of_folder["args"] == ["restore", "/backups/gateway", "--keep-objects"]
    mounts = {each["name"]: each["mountPath"] for each in of_folder["volumeMounts"]}
    assert (mounts["objects"], mounts["backups"]) == ("/srv/objects", "/backups")


def test_the_nodes_ports_may_be_chosen() -> None:
    """Where no load balancer is, stations call a node; the second Service of query has whichever is free."""
    for values, more, ports in (
        ("claim", "dicom.service.nodePort=30104", {"pacs-router-dicom": [30104]}),
        (
            "apart",
            "dicom.service.nodePort=30104,dicom.tls.nodePort=32762",
            {"release-gateway-dicom": [30104, 32762], "release-gateway-query-dicom": [None, None]},
        ),
        ("apart", "dicom.service.nodePort=30104,dicom.service.type=ClusterIP", {"release-gateway-dicom": [None, None]}),
    ):
        services = of_kind(rendered(values, "--set", more), "Service")
        for name, wanted in ports.items():
            assert [port.get("nodePort") for port in services[name]["spec"]["ports"]] == wanted
