"""The layout that docs and outside checks rely on: names at the top, imports equal to folders, the fixed packages."""

import ast
import functools
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
TOP_LEVEL = {
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "deploy",
    "docs",
    "helm",
    "pyproject.toml",
    "schemas",
    "services",
    "tests",
    "uv.lock",
}
SERVICES = {"ingest", "query", "storage", "index", "forwarder", "commitment", "admin"}
# Distribution → the name it is imported by.
FIXED_PACKAGES = {
    "pydantic": "pydantic",
    "psycopg": "psycopg",
    "aio-pika": "aio_pika",
    "prometheus-client": "prometheus_client",
    "pydicom": "pydicom",
    "pynetdicom": "pynetdicom",
}


def files_of_the_project() -> list[Path]:
    """Tracked and new files, without what .gitignore names."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True, timeout=30).stdout
    return [Path(name) for name in listed.split("\0") if name and (CHECKOUT / name).exists()]


@functools.cache
def imported_names(folder: str) -> set[str]:
    """First parts of the names of all modules that the Python files below ``folder`` import."""
    found: set[str] = set()
    for file in (CHECKOUT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                found.add(node.module.partition(".")[0])
    return found


def project() -> dict[str, object]:
    """The ``project`` table of pyproject.toml."""
    table: dict[str, object] = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return table


def test_top_level_holds_the_fixed_names_and_nothing_else() -> None:
    names = {file.parts[0] for file in files_of_the_project()}
    assert {name for name in names if not name.startswith(".")} == TOP_LEVEL


def test_every_service_has_its_folder_and_says_what_it_does() -> None:
    for name in SERVICES:
        package = CHECKOUT / "services" / name / "__init__.py"
        assert package.exists(), f"services/{name} is no package"
        assert ast.get_docstring(ast.parse(package.read_text(encoding="utf-8"))), f"services/{name} has no docstring"


def test_one_distribution_one_command() -> None:
    assert project()["name"] == "dicom-gateway"
    assert project()["scripts"] == {"gateway": "services.cli:main"}


@pytest.mark.parametrize("distribution", FIXED_PACKAGES)
def test_fixed_package_is_declared_and_used_by_the_services(distribution: str) -> None:
    dependencies = project()["dependencies"]
    assert isinstance(dependencies, list)
    declared = {re.split(r"[\[<>=~! ;]", text)[0] for text in dependencies}
    assert distribution in declared
    assert FIXED_PACKAGES[distribution] in imported_names("services") | imported_names("schemas")


@pytest.mark.parametrize("command", ["deploy/local/up", "tests/run", ".ci/run"])
def test_command_is_executable(command: str) -> None:
    assert (CHECKOUT / command).stat().st_mode & 0o111 == 0o111


def test_continuous_integration_runs_what_people_run() -> None:
    assert "tests/run" in (CHECKOUT / ".ci/run").read_text(encoding="utf-8")


def test_the_static_checks_are_part_of_the_run() -> None:
    source = (CHECKOUT / "tests/checks.py").read_text(encoding="utf-8")
    (checks,) = [
        ast.literal_eval(node.value)
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["CHECKS"]
    ]
    assert {check[0] for check in checks} == {"ruff", "mypy", "lint-imports"}
    tools = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    assert tools["mypy"]["strict"] is True
    assert any(contract.get("exhaustive") for contract in tools["importlinter"]["contracts"])


def test_of_pynetdicom_only_codes_and_classes_are_used() -> None:
    """Its reactor, acceptor and service classes lose responses and hang on half PDUs: the association loop is ours."""
    used = set()
    for file in (CHECKOUT / "services").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pynetdicom"):
                used |= {node.module} if node.module != "pynetdicom" else {f"pynetdicom.{a.name}" for a in node.names}
    modules = ("pdu", "pdu_items", "status", "presentation", "sop_class")
    assert used == {f"pynetdicom.{name}" for name in modules}


def test_readme_tells_the_two_commands_the_first_study_and_the_folders() -> None:
    text = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    for told in ("deploy/local/up", "tests/run", "storescu ", "C-STORE", "## Map of the folders"):
        assert told in text
    links = re.findall(r"\]\(([^):#]+)\)", text)
    folders = re.findall(r"^\| `([a-z]+/)`", text, re.MULTILINE)
    assert set(folders) >= {"services/", "schemas/", "deploy/", "helm/", "tests/", "docs/"}
    assert [path for path in [*links, *folders] if not (CHECKOUT / path).exists()] == []


def test_architecture_decisions_license_and_changes_are_written_down() -> None:
    assert "Apache License" in (CHECKOUT / "LICENSE").read_text(encoding="utf-8")
    assert "## " in (CHECKOUT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert len((CHECKOUT / "docs/architecture.md").read_text(encoding="utf-8").splitlines()) > 50
    decisions = list((CHECKOUT / "docs/decisions").glob("[0-9]*.md"))
    assert len(decisions) >= 3
    index = (CHECKOUT / "docs/decisions/README.md").read_text(encoding="utf-8")
    assert [decision.name for decision in decisions if decision.name not in index] == []
