"""The virtual environment that the two commands make: what is in it stays, and what it runs in is not made anew."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.launching import CHECKOUT

SCRIPT = 'set -eu; here=$0/deploy/local; . "$here/lib/bootstrap.sh"; make_environment'
UV = """#!/bin/sh
[ "$1" = --version ] && { echo "uv $UV_VERSION"; exit; }
printf '%s\\n' "$*" >>"$UV_CALLS"
"""
"""Stands for uv: writes down what it was asked for."""
OTHER_PYTHON = """#!/bin/sh
[ "$1" = --version ] && { echo "Python 3.99.0"; exit; }
exec "$REAL_PYTHON" "$@"
"""


class Checkout:
    """A checkout with nothing but what the environment is made from, and a virtual environment that is empty."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.calls = folder, folder / "calls"
        shutil.copytree(CHECKOUT / "deploy" / "local" / "lib", folder / "deploy" / "local" / "lib")
        for name in ("pyproject.toml", "uv.lock"):
            shutil.copy(CHECKOUT / name, folder)
        self.python = folder / ".venv" / "bin" / "python"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / ".venv")], check=True, timeout=60)
        _program(folder / ".venv-bootstrap" / "tools" / "bin" / "uv", UV)

    def make(self, **more: str) -> list[str]:
        """Make the environment as deploy/local/up does; what uv was asked for."""
        self.calls.write_text("")
        version = (CHECKOUT / "deploy/local/lib/bootstrap.sh").read_text().partition("uv_version=")[2].split()[0]
        environment = {
            "PATH": os.environ["PATH"], "HOME": str(self.folder), "GATEWAY_HOME": str(self.folder / "home"),
            "UV_CALLS": str(self.calls), "UV_VERSION": version, "REAL_PYTHON": sys.executable,
        }  # fmt: skip
        command = ["sh", "-c", SCRIPT, str(self.folder)]
        done = subprocess.run(
            command, env=environment | more, cwd=self.folder, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return self.calls.read_text().splitlines()

    def lock(self) -> None:
        """Change uv.lock, as the next version does."""
        with (self.folder / "uv.lock").open("a") as lock:
            lock.write("# changed\n")

    def install(self, module: str) -> None:
        """Have a module of an extra, as ``uv sync --extra …`` by hand does."""
        (packages,) = (self.folder / ".venv" / "lib").glob("python3*/site-packages")
        target = packages / module
        target.parent.mkdir(exist_ok=True)
        target.touch()


def _program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """At a path with spaces."""
    return Checkout(tmp_path / "a checkout")


def test_extras_that_are_asked_for_stay(checkout: Checkout) -> None:
    (call,) = checkout.make(GATEWAY_EXTRAS="codecs")
    assert "--extra codecs" in call
    assert checkout.make() == []
    checkout.lock()
    (call,) = checkout.make()
    assert "--extra codecs" in call


@pytest.mark.parametrize(("extra", "module"), [("codecs", "gdcm.py"), ("traces", "opentelemetry/sdk.py")])
def test_an_extra_that_was_installed_by_hand_stays(checkout: Checkout, extra: str, module: str) -> None:
    (call,) = checkout.make()
    assert "--extra" not in call
    checkout.install(module)
    checkout.lock()
    (call,) = checkout.make()
    assert call.count("--extra") == call.count(f"--extra {extra}") == 1
    checkout.lock()
    assert checkout.make(GATEWAY_EXTRAS=extra) == [call]


def test_an_extra_is_added_to_an_environment_that_agrees_with_the_lock(checkout: Checkout) -> None:
    checkout.make()
    assert len(checkout.make(GATEWAY_EXTRAS="codecs")) == 1


def test_another_python_on_the_path_does_not_make_it_anew(checkout: Checkout, tmp_path: Path) -> None:
    """Gateways may be running in it."""
    (call,) = checkout.make()
    assert f"--python {checkout.python}" in call
    path = f"{_program(tmp_path / 'other' / 'python3', OTHER_PYTHON).parent}:{os.environ['PATH']}"
    assert checkout.make(PATH=path) == []
    checkout.lock()
    (call,) = checkout.make(PATH=path)
    assert f"--python {checkout.python}" in call


def test_an_environment_whose_python_is_gone_is_made_with_another(checkout: Checkout) -> None:
    checkout.make()
    for link in (checkout.folder / ".venv" / "bin").glob("python*"):
        link.unlink()
    checkout.lock()
    (call,) = checkout.make()
    assert str(checkout.python) not in call
