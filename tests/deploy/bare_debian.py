"""A Debian with hardly anything in it, packed once and kept for the next run, and what it takes to be root in it.

It is made by mmdebstrap, which makes what debootstrap makes in a third of its time, here without the packages that are
only important.
"""

import fcntl
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

SUITE = "bookworm"
PACKAGES = "python3,git,ca-certificates"
KEPT = Path("/var/tmp/dicom-gateway-tests")
PACKED = KEPT / f"{SUITE}-minimal.tar"
AUTHORITIES = "etc/ssl/certs/ca-certificates.crt"


def packed() -> Path:
    """The tarball with only python3, git and ca-certificates; made by whoever asks first."""
    KEPT.mkdir(exist_ok=True)
    with (KEPT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not PACKED.exists():
            with tempfile.TemporaryDirectory(dir=KEPT) as folder:
                made = Path(folder) / "packed.tar"
                as_root("mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(made))
                made.rename(PACKED)
    return PACKED


@contextmanager
def room_for_a_root() -> Iterator[Path]:
    """A folder that may hold devices and programs that run as another user; what is in it is removed afterwards."""
    KEPT.mkdir(exist_ok=True)
    limited = os.statvfs(tempfile.gettempdir()).f_flag & (os.ST_NODEV | os.ST_NOSUID)
    place = Path(tempfile.mkdtemp(dir=KEPT if limited else None))
    place.chmod(0o755)
    try:
        yield place
    finally:
        as_root("rm", "-rf", "--one-file-system", str(place))


def propagation() -> str:
    """How unshare(1) treats mounts: in a root of chroot(8)'s making there is no mount at / to make private."""
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return "private" if "/" in mounts else "unchanged"


def privilege() -> Sequence[str]:
    """What makes a command run as root."""
    return () if os.geteuid() == 0 else ("sudo", "-n")


def as_root(*command: str, limit: float = 600) -> str:
    """Run a command as root; what it prints. All of its output is shown if it fails."""
    done = subprocess.run([*privilege(), *command], capture_output=True, text=True, timeout=limit, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout[-4000:]}{done.stderr[-4000:]}"
    return done.stdout
