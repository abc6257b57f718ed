"""What people read of the chart is true: the commands of the README, the reference of the values, the notes."""

import json
import os
import re
import shlex
import subprocess
from typing import Any

import yaml
from typer.testing import CliRunner

from services.cli import command_line
from services.cli.names import WITH_PUBLIC_HTTP
from tests import chart_reference
from tests.deploy.charts import CHART, containers, environment, helm, pods

CHECKOUT = CHART.parents[1]
SECTION = re.compile(r"^## Run it on Kubernetes$.*?^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands() -> list[list[str]]:
    """The commands of the README's section, as words."""
    (block,) = SECTION.findall((CHECKOUT / "README.md").read_text(encoding="utf-8"))
    return [shlex.split(line, comments=True) for line in block.replace("\\\n", " ").splitlines() if line.strip()]


def made_by_kubectl(command: list[str]) -> dict[str, Any]:
    """What a command of kubectl would create: its own dry run, which asks no cluster."""
    no_cluster = os.environ | {"KUBECONFIG": os.devnull}
    done = subprocess.run(
        [*command, "--dry-run=client", "-o", "json"],
        env=no_cluster, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_readme_needs_five_commands_and_they_fit_each_other() -> None:
    """The image is what the pods run and is pushed, the Secrets have the names and keys they want, and Helm renders
    what is taken."""
    assert len(commands()) <= 5
    build, *secrets, install = commands()
    assert (build[:2], install[:2]) == (["docker", "build"], ["helm", "install"])
    assert "--push" in build  # a node pulls it: what only the building machine has is ImagePullBackOff everywhere
    assert (CHECKOUT / build[build.index("-f") + 1]).is_file()
    made = set()
    for secret in map(made_by_kubectl, secrets):
        made |= {(secret["metadata"]["name"], key) for key in secret["data"]}
    release, chart, *more = install[2:]
    linted = helm("lint", "--strict", str(CHECKOUT / chart), *more)
    assert linted.returncode == 0, linted.stdout
    tried = helm("template", release, str(CHECKOUT / chart), *more)
    assert tried.returncode == 0, tried.stderr
    wanted, images = set(), set()
    for pod in pods([each for each in yaml.safe_load_all(tried.stdout) if each]).values():
        for each in containers(pod):
            images.add(each["image"])
            sources = [value for value in environment(each).values() if isinstance(value, dict)]
            wanted |= {(source["secretKeyRef"]["name"], source["secretKeyRef"]["key"]) for source in sources}
    assert (wanted, images) == (made, {build[build.index("-t") + 1]})


def test_the_reference_of_the_values_is_what_they_are() -> None:
    """The cure is ``.venv/bin/python -m tests.chart_reference``."""
    assert chart_reference.REFERENCE.read_text(encoding="utf-8") == chart_reference.text()


def test_the_schema_of_the_values_knows_each() -> None:
    """A value that the schema does not know is refused, so that a wrong name is seen; and there is none too many."""
    schema = yaml.safe_load((CHART / "values.schema.json").read_text(encoding="utf-8"))
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))

    def compare(known: dict, given: dict, above: str = "") -> list[str]:  # type: ignore[type-arg]
        if known.get("additionalProperties") is not False or "$ref" in known:
            return []
        apart = [f"{above}{name}" for name in known["properties"].keys() ^ given.keys()]
        for name in known["properties"].keys() & given.keys():
            if isinstance(given[name], dict):
                apart += compare(known["properties"][name], given[name], f"{above}{name}.")
        return apart

    assert compare(schema, values) == ["global"]  # Helm's, of charts that contain this one


def test_the_notes_name_commands_that_exist() -> None:
    """Helm renders them with everything else, and shows them only of a cluster."""
    text = (CHART / "templates" / "NOTES.txt").read_text(encoding="utf-8")
    told = re.findall(r"-- gateway (\w+(?: [a-z]+)?)", text)
    assert told == ["station add", "status"]
    for command in told:
        assert CliRunner().invoke(command_line(None), [*command.split(), "--help"]).exit_code == 0
    pod = re.findall(r"deploy/{{ include \"gateway.fullname\" . }}-(\w+)", text)
    assert set(pod) == {WITH_PUBLIC_HTTP}
