"""The image, built from its Dockerfile by Debian's buildah, and its containers: processes in its files, as Kubernetes
starts them."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tests.deploy.bare_debian import AUTHORITIES, as_root, packed, privilege, propagation, room_for_a_root
from tests.deploy.launching import CHECKOUT

DOCKERFILE = CHECKOUT / "deploy" / "docker" / "Dockerfile"
BASE, IMAGE = "localhost/base", "localhost/dicom-gateway"
HOME, OBJECTS, SCRATCH = "var/lib/gateway", "objects", "tmp"
WRITABLE = (HOME, OBJECTS, SCRATCH)
BUILD_SECONDS = 600
RUN_SECONDS = 300
# $0 is the root, $1 the folder with what may be written, $2 the user, the rest the command, which takes the shell's
# place. Mounts go with the last process. /proc and /dev are those of this machine.
ENTER = f"""
mount --bind "$0" "$0" && mount --rbind /proc "$0/proc" && mount --rbind /dev "$0/dev" &&
for place in {" ".join(WRITABLE)}; do mount --bind "$1/$place" "$0/$place" || exit; done &&
mount -o remount,bind,ro "$0" && root=$0 user=$2 && shift 2 &&
exec chroot "$root" setpriv --reuid="$user" --regid="$user" --clear-groups --bounding-set=-all --inh-caps=-all \\
    --no-new-privs --pdeathsig=KILL "$@"
"""


class Buildah:
    """buildah with a store of its own. It needs neither a daemon nor a mount of overlays."""

    def __init__(self, store: Path) -> None:
        self._command = ["buildah", "--root", str(store / "root"), "--runroot", str(store / "run")]
        self._command += ["--storage-driver", "vfs"]

    def __call__(self, *arguments: str) -> str:
        """Run it as root; what it prints."""
        return as_root(*self._command, *arguments, limit=BUILD_SECONDS).strip()

    def make_base(self) -> None:
        """What the Dockerfile needs of a base: Python, its module venv, and the authorities this machine believes."""
        container = self("from", "scratch")
        self("add", "--quiet", container, str(packed()), "/")
        self("add", "--quiet", container, f"/{AUTHORITIES}", f"/{AUTHORITIES}")
        install = "apt-get -qq update && apt-get -qq install -y --no-install-recommends python3-venv"
        self("run", "--isolation", "chroot", container, "sh", "-c", f"{install} >/dev/null && apt-get clean")
        self("commit", "--quiet", "--rm", container, BASE)

    def build(self) -> None:
        """The Dockerfile on that base. Packages come from uv's cache where it has them."""
        cache = Path(os.environ.get("UV_CACHE_DIR") or Path.home() / ".cache" / "uv")
        cache.mkdir(parents=True, exist_ok=True)
        base = ["--build-arg", f"BASE={BASE}", "--pull-never", "--volume", f"{cache}:/root/.cache/uv"]
        self("build", "--quiet", "--isolation", "chroot", *base, "-f", str(DOCKERFILE), "-t", IMAGE, str(CHECKOUT))

    def image(self) -> "Image":
        """What was built, its files at hand."""
        told = json.loads(self("inspect", "--type", "image", IMAGE))["OCIv1"]["config"]
        return Image(Path(self("mount", self("from", "--pull-never", IMAGE))), told)


@dataclass
class Image:
    """``told``: what the image says of how it is run."""

    root: Path
    told: Mapping[str, Any]

    @property
    def user(self) -> str:
        """The id of whom it runs as."""
        return str(self.told["User"]).partition(":")[0]

    def command(self, writable: Path, arguments: Sequence[str], environment: Mapping[str, str]) -> list[str]:
        """What runs a container: the root cannot be written to, the chart's volumes are the folders of ``writable``."""
        apart = ["unshare", "--mount", "--propagation", propagation(), "/bin/sh", "-c", ENTER, str(self.root)]
        known = [*self.told["Env"], *(f"{name}={value}" for name, value in environment.items())]
        inside = ["env", "-i", f"--chdir={self.told['WorkingDir']}", *known, *arguments]
        return [*privilege(), *apart, str(writable), self.user, *inside]

    def volumes(self, folder: Path) -> Path:
        """Empty volumes that belong to its user."""
        for place in WRITABLE:
            (folder / place).mkdir(parents=True)
            as_root("mkdir", "-p", str(self.root / place))
        as_root("chown", "-R", f"{self.user}:{self.user}", str(folder))
        return folder

    def run(self, volumes: Path, environment: Mapping[str, str], *arguments: str) -> str:
        """Run a command in a container to its end; what it prints. Fails unless it exits with 0."""
        command = self.command(volumes, arguments, environment)
        done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_SECONDS, check=False)
        assert done.returncode == 0, f"{arguments} ended with {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def gateway(self, volumes: Path, environment: Mapping[str, str], *arguments: str) -> str:
        """The same with its entry point."""
        return self.run(volumes, environment, *self.told["Entrypoint"], *arguments)

    def start(
        self, volumes: Path, environment: Mapping[str, str], log: IO[bytes], *arguments: str
    ) -> "subprocess.Popen[bytes]":
        """Start its entry point with these arguments, or those that it names itself."""
        command = [*self.told["Entrypoint"], *(arguments or self.told["Cmd"])]
        return subprocess.Popen(
            self.command(volumes, command, environment), stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )


@contextmanager
def built_image() -> Iterator[Image]:
    """The image, as long as its files are needed."""
    assert shutil.which("buildah"), "buildah is not installed; run tests/run once, or: apt-get install buildah"
    with room_for_a_root() as place:
        buildah = Buildah(place)
        try:
            buildah.make_base()
            buildah.build()
            yield buildah.image()
        finally:
            buildah("umount", "--all")
