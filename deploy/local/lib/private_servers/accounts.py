"""Which account a server that refuses root runs as, and how it still gets at its files.

Started by root, PostgreSQL runs as the owner of its data, else as ``postgres``, else as ``nobody``. Where that account
cannot pass a folder above the data (a 0700 home, say), it is given one ambient capability to search folders; nothing
on disk is opened up for it.
"""

import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from private_servers.errors import PrivateServerError

# capabilities(7): number of the capability, its name for setpriv. The narrower one first.
_CAPABILITIES = ((2, "dac_read_search"), (1, "dac_override"))


@dataclass(frozen=True)
class Account:
    """User id, group id and name of an account."""

    uid: int
    gid: int
    name: str


def account_for(data: Path) -> Account | None:
    """The account a server of this data folder runs as; None: as ourselves. Raises PrivateServerError."""
    if os.geteuid() != 0:
        return None
    if data.exists() and data.stat().st_uid != 0:
        return _account(pwd.getpwuid(data.stat().st_uid))
    for name in ("postgres", "nobody"):
        try:
            return _account(pwd.getpwnam(name))
        except KeyError:
            continue
    raise PrivateServerError("PostgreSQL refuses to run as root and there is no account postgres or nobody: create one")


def command_prefix(account: Account | None, must_reach: Sequence[Path]) -> list[str]:
    """The command prefix that runs the rest as ``account``, able to reach these paths. Raises PrivateServerError."""
    if account is None:
        return []
    setpriv = shutil.which("setpriv", path=f"{os.environ.get('PATH', '')}:{os.defpath}")
    if setpriv is None:
        raise PrivateServerError("setpriv is missing; run: apt-get install util-linux")
    drop = [setpriv, f"--reuid={account.uid}", f"--regid={account.gid}", "--clear-groups"]
    if _reaches(drop, must_reach):
        return drop
    for number, name in _CAPABILITIES:
        # Without no_setuid_fixup access(2), by which initdb and postgres look for each other, forgets the capability.
        able = [*drop, "--securebits=+no_setuid_fixup", f"--inh-caps=+{name}", f"--ambient-caps=+{name}"]
        if _have_capability(number) and _reaches(able, must_reach):
            return able
    raise PrivateServerError(
        f"account {account.name} cannot reach {', '.join(map(str, must_reach))}: choose a GATEWAY_HOME whose folders "
        "others may enter (chmod o+x), or run as that account"
    )


def _reaches(prefix: Sequence[str], paths: Sequence[Path]) -> bool:
    """Whether a command with this prefix may search or execute each path."""
    every_one = 'for path; do test -x "$path" || exit 1; done'
    command = [*prefix, "/bin/sh", "-c", every_one, "sh", *map(str, paths)]
    return subprocess.run(command, cwd="/", capture_output=True, check=False, timeout=30).returncode == 0


def _have_capability(number: int) -> bool:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapPrm:"):
            return bool(int(line.split()[1], 16) >> number & 1)
    return False


def _account(entry: pwd.struct_passwd) -> Account:
    return Account(entry.pw_uid, entry.pw_gid, entry.pw_name)
