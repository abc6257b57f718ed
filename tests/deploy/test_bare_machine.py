"""Show 1: on a fresh Debian with only python3, git and ca-certificates, a clean clone runs the demo with one command.

The machine is a root with mounts and process ids of its own (chroot(8), unshare(1)) and shares the network, so every
port is still asked of this machine.
"""

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.bare_debian import AUTHORITIES, as_root, packed, privilege, propagation, room_for_a_root
from tests.deploy.launching import CHECKOUT

pytestmark = [pytest.mark.root, pytest.mark.timeout(900)]

INSIDE = "opt/a checkout"
UP_SECONDS = 300
POLICY = "usr/sbin/policy-rc.d"
# $0 is the root, the rest the command; the shell stays behind as the first process and counts what is left over.
ENTER = 'mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot "$0" /bin/sh -c "$1"'
LEFT_OVER = "cat /proc/[0-9]*/comm 2>/dev/null | grep -E '^(beam|epmd|postgres|gateway|python)' && exit 99"


class Machine:
    """A fresh root file system with a clean clone of this checkout in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()
        as_root("tar", "-C", str(root), "-xpf", str(packed()))
        for name in ("etc/hosts", "etc/resolv.conf", AUTHORITIES):
            shutil.copyfile(Path("/") / name, root / name)
        clone = root / INSIDE
        as_root("git", "-c", "safe.directory=*", "clone", "--quiet", "--no-hardlinks", str(CHECKOUT), str(clone))

    def run(self, command: str, *, limit: float) -> "subprocess.CompletedProcess[str]":
        """Run a shell command inside, as root, with an empty environment."""
        proxies = [f"{name}={value}" for name, value in os.environ.items() if name.lower().endswith("_proxy")]
        inside = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", *proxies]
        apart = ["unshare", "--mount", "--propagation", propagation(), "--pid", "--fork", "--kill-child"]
        apart += ["/bin/sh", "-c", ENTER]
        return subprocess.run(
            [*privilege(), *inside, *apart, str(self.root), command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=limit,
            check=False,
        )


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    """A fresh machine, for one after the other: who comes first has everything to install."""
    with room_for_a_root() as place:
        yield Machine(place / "machine")


def run_demo(machine: Machine, prefix: str = "") -> str:
    """Run the demo; what it printed. Fails if it takes too long, goes wrong, or leaves anything behind."""
    with socket.create_server(("127.0.0.1", 0)) as free:  # others may have the usual port
        port = free.getsockname()[1]
    started = time.monotonic()
    command = f"env GATEWAY_DICOM_PORT={port} '/{INSIDE}/deploy/local/up' --demo --once"
    done = machine.run(f"{prefix} {command} || exit; {LEFT_OVER}; exit 0", limit=600)
    assert done.returncode == 0, f"{done.stdout[-8000:]}\n{done.stderr[-8000:]}"
    assert time.monotonic() - started < UP_SECONDS
    for column in ("STUDY", "SENT", "RECORDED", "ROUTED", "DELIVERED", "SAME BYTES", "COMMITMENT", "TIME"):
        assert column in done.stdout
    assert "all arrived and were committed as expected" in done.stdout
    assert re.search(r"first login: admin \S{20}", done.stderr)
    assert not list((machine.root / "etc/systemd/system").rglob("rabbitmq-server.service"))
    return done.stdout


def test_a_user_with_sudo_runs_the_demo_with_one_command(machine: Machine) -> None:
    made = machine.run(
        "apt-get -qq update && apt-get -qq install -y --no-install-recommends sudo && useradd --create-home technician "
        f"&& echo 'technician ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/technician && chown -R technician: '/{INSIDE}'",
        limit=200,
    )
    assert made.returncode == 0, made.stderr
    allows_every_start = "#!/bin/sh\nexit 0\n"
    (machine.root / POLICY).write_text(allows_every_start)
    (machine.root / POLICY).chmod(0o755)
    technician = "setpriv --reuid=technician --regid=technician --init-groups"
    prefix = f"cd /home/technician && {technician} env HOME=/nowhere PIP_CONFIG_FILE=/dev/null"
    assert "ready AET=GATEWAY dicom=127.0.0.1:" in run_demo(machine, prefix)
    assert (machine.root / POLICY).read_text() == allows_every_start
    assert (machine.root / "home/technician/.gateway/postgresql/data").stat().st_uid != 0
    assert not (machine.root / "nowhere").exists()


def test_root_runs_the_demo_with_one_command(machine: Machine) -> None:
    """With what the other has installed, which is not installed again, and a home of its own."""
    installed = (machine.root / "var/log/dpkg.log").read_text()
    assert "ready AET=GATEWAY dicom=127.0.0.1:" in run_demo(machine)
    assert (machine.root / "var/log/dpkg.log").read_text() == installed
