"""The one image of every service, read as text; test_built_image builds it, where there is root."""

import json
import re

from tests.deploy.launching import CHECKOUT

DOCKERFILE = CHECKOUT / "deploy" / "docker" / "Dockerfile"


def instructions(word: str) -> list[str]:
    """The arguments of every such instruction, in order."""
    text = DOCKERFILE.read_text(encoding="utf-8").replace("\\\n", " ")
    return [line.split(maxsplit=1)[1].strip() for line in text.splitlines() if line.startswith(f"{word} ")]


def test_there_is_one_image_definition() -> None:
    found = [path for folder in ("deploy", "helm") for path in (CHECKOUT / folder).rglob("Dockerfile*")]
    assert found == [DOCKERFILE]


def test_it_is_made_from_the_lock_file_and_what_it_copies_exists() -> None:
    copied = [words for words in map(str.split, instructions("COPY")) if not words[0].startswith("--from")]
    sources = [source for words in copied for source in words[:-1]]
    assert {"uv.lock", "pyproject.toml", "services", "schemas"} <= set(sources)
    assert [source for source in sources if not (CHECKOUT / source).exists()] == []
    assert any(re.search(r"uv sync --frozen\b", command) for command in instructions("RUN"))


def test_it_runs_the_command_of_the_gateway_without_privilege() -> None:
    assert json.loads(instructions("ENTRYPOINT")[-1]) == ["gateway"]
    assert json.loads(instructions("CMD")[-1])[0] == "run"
    user = instructions("USER")[-1].partition(":")[0]
    assert user.isdigit()
    assert int(user) >= 10_000
    assert f"runAsUser: {user}" in (CHECKOUT / "helm/gateway/templates/_pod.tpl").read_text(encoding="utf-8")


def test_its_bill_of_materials_is_where_people_are_told() -> None:
    (made,) = [command for command in instructions("RUN") if "bill_of_materials.py" in command]
    place = made.rpartition(">")[2]
    assert place in (CHECKOUT / "docs" / "SECURITY.md").read_text(encoding="utf-8")


def test_it_is_built_by_the_uv_that_makes_the_environments() -> None:
    bootstrap = (CHECKOUT / "deploy/local/lib/bootstrap.sh").read_text(encoding="utf-8")
    (version,) = re.findall(r"^uv_version=(\S+)$", bootstrap, re.MULTILINE)
    assert any(f"uv=={version}" in command for command in instructions("RUN"))
