"""What it is made of is named, with its versions, and has no weakness that docs/SECURITY.md does not speak of."""

import json
import re
import subprocess
import sys
import tomllib
import urllib.error
import urllib.request
from collections import defaultdict
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT

STATEMENT = CHECKOUT / "docs" / "SECURITY.md"
UV = Path(".venv-bootstrap") / "tools" / "bin" / "uv"
LOCKED = re.compile(r"^\| ([a-z0-9-]+) \| ([0-9][0-9., ]*) \|", re.M)
STATED = re.compile(r"^\| ((?:(?:CVE|GHSA|PYSEC)-[\w-]+(?:, )?)+) \| ([a-z0-9-]+) \|", re.M)
ADVISORIES = "https://pypi.org/pypi/pydicom/3.0.2/json"
"""Where the package index tells advisories about one version of a package."""
OTHERS_SCRIPT = CHECKOUT / "services" / "admin" / "web" / "static" / "htmx.min.js"


@pytest.fixture(scope="module")
def uv() -> str:
    """The program that made this environment; in another work tree its folder is that of the environment."""
    places = [folder / UV for folder in (CHECKOUT, Path(sys.prefix).resolve().parent)]
    found = [place for place in places if place.exists()]
    assert found, f"uv is in none of {places}; tests/run brings it"
    return str(found[0])


def exported(uv: str, *how: str) -> str:
    """What is locked for those who run the gateway, extras included."""
    command = [uv, "export", "--quiet", "--frozen", "--all-extras", *how]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def locked() -> dict[str, set[str]]:
    """Every package that is locked, with its versions: several where Pythons differ."""
    found = defaultdict(set)
    for package in tomllib.loads((CHECKOUT / "uv.lock").read_text(encoding="utf-8"))["package"]:
        found[package["name"]].add(package["version"])
    return found


def test_the_statement_tells_the_versions_that_are_locked() -> None:
    told = {name: set(versions.split(", ")) for name, versions in LOCKED.findall(STATEMENT.read_text(encoding="utf-8"))}
    assert len(told) >= 20
    assert told == {name: locked()[name] for name in told}
    script = re.search(r'version:"([0-9.]+)"', OTHERS_SCRIPT.read_text(encoding="utf-8"))
    assert script is not None
    assert f"htmx {script[1]} " in STATEMENT.read_text(encoding="utf-8")


def test_each_advisory_it_speaks_of_is_about_something_it_names() -> None:
    text = STATEMENT.read_text(encoding="utf-8")
    stated = STATED.findall(text)
    assert len(stated) >= 10
    assert {name for _, name in stated} <= {name for name, _ in LOCKED.findall(text)}


def test_the_bill_of_materials_names_every_package_with_its_hashes(uv: str) -> None:
    bill = json.loads(exported(uv, "--format", "cyclonedx1.5"))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    named = {(each["name"], each["version"]) for each in bill["components"]}
    required = set(re.findall(r"^([a-z0-9-]+)==([^ \\]+)", exported(uv, "--no-emit-project"), re.M))
    assert len(required) > 50
    assert required <= named
    hashed = [each["name"] for each in bill["components"] if each.get("externalReferences")]
    assert {name for name, _ in required} <= set(hashed)


def advisories_are_told() -> bool:
    """Whether the package index answers about single versions here; mirrors often do not."""
    try:
        with urllib.request.urlopen(ADVISORIES, timeout=10) as answer:
            return "vulnerabilities" in json.load(answer)
    except (OSError, ValueError, urllib.error.URLError):
        return False


@pytest.mark.timeout(600)
def test_no_advisory_is_left_without_a_statement(uv: str, tmp_path: Path) -> None:
    """pip-audit over what is shipped. Without a database nothing is known, and nothing is claimed."""
    if not advisories_are_told():
        pytest.skip(f"{ADVISORIES} does not answer: run the commands of docs/SECURITY.md where it does")
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(exported(uv, "--no-emit-project"))
    audit = [uv, "run", "--quiet", "--isolated", "--frozen", "--only-group", "audit", "pip-audit", "--strict"]
    options = ["--disable-pip", "--require-hashes", "--format", "json", "-r", str(requirements)]
    done = subprocess.run([*audit, *options], cwd=CHECKOUT, capture_output=True, text=True, timeout=500, check=False)
    assert done.stdout.startswith("{"), done.stderr
    known = {name for names, _ in STATED.findall(STATEMENT.read_text(encoding="utf-8")) for name in names.split(", ")}
    found = {
        f"{package['name']} {package['version']}: {weakness['id']}"
        for package in json.loads(done.stdout)["dependencies"]
        for weakness in package.get("vulns", ())
        if known.isdisjoint({weakness["id"], *weakness["aliases"]})
    }
    assert found == set()
