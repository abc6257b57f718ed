"""Prints what an image holds as a software bill of materials: CycloneDX 1.6, as JSON.

Run while the image is built: ``bill_of_materials.py ENVIRONMENT``. It has the Python packages of the environment and of
the Python below it, that Python itself where no package of the distribution brings it, and every package of the
distribution. What a wheel holds of others' libraries stands in the wheel, not here.
"""

import platform
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

OURS = "dicom-gateway"
OF_THE_DISTRIBUTION = "/usr/lib/python3/dist-packages"
LONGEST_LICENSE = 100  # longer ones are the licence's whole text
DPKG = "/usr/bin/dpkg-query"
PACKAGES = [DPKG, "--show", "--showformat", "${Package}\t${Version}\t${Architecture}\n"]
FOLDERS = "import site; print('\\n'.join(site.getsitepackages()))"


def output_of(*command: str) -> str:
    """What a command prints. Raises subprocess.CalledProcessError."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def python_folders(environment: Path) -> list[str]:
    """Where packages lie that no package of the distribution brings."""
    below = output_of(str(Path(sys.executable).resolve()), "-P", "-c", FOLDERS).splitlines()
    own = [str(path) for path in environment.glob("lib/python*/site-packages")]
    return [*own, *(folder for folder in below if folder != OF_THE_DISTRIBUTION)]


def python_component(found: Distribution) -> Component:
    """A package of Python's."""
    told = found.metadata.get("License-Expression") or found.metadata.get("License") or ""
    licenses = [LicenseFactory().make_from_string(told)] if 0 < len(told) <= LONGEST_LICENSE else []
    purl = PackageURL("pypi", None, found.name.lower().replace("_", "-"), found.version)
    return Component(
        name=found.name,
        version=found.version,
        type=ComponentType.APPLICATION if found.name == OURS else ComponentType.LIBRARY,
        purl=purl,
        bom_ref=str(purl),
        licenses=licenses,
    )


def python_itself() -> Iterator[Component]:
    """The interpreter, unless the distribution's packages name it."""
    place = str(Path(sys.executable).resolve())
    if subprocess.run([DPKG, "--search", place], capture_output=True, check=False).returncode != 0:
        version = platform.python_version()
        purl = PackageURL("generic", None, "python", version)
        cpe = f"cpe:2.3:a:python:python:{version}:*:*:*:*:*:*:*"
        yield Component(
            name="python", version=version, type=ComponentType.PLATFORM, purl=purl, bom_ref=str(purl), cpe=cpe
        )


def system_components() -> Iterator[Component]:
    """The packages of the distribution."""
    distribution = platform.freedesktop_os_release()
    named = f"{distribution['ID']}-{distribution.get('VERSION_ID', 'rolling')}"
    for line in output_of(*PACKAGES).splitlines():
        name, version, architecture = line.split("\t")
        more = {"arch": architecture, "distro": named}
        purl = PackageURL("deb", distribution["ID"], name, version, more)
        yield Component(name=name, version=version, type=ComponentType.LIBRARY, purl=purl, bom_ref=str(purl))


def bill(environment: Path) -> str:
    """The document. Raises RuntimeError when it would not be valid."""
    found = [python_component(each) for each in distributions(path=python_folders(environment))]
    (subject,) = [each for each in found if each.name == OURS]
    bom = Bom(components=[*(each for each in found if each is not subject), *python_itself(), *system_components()])
    bom.metadata.component = subject
    text = JsonV1Dot6(bom).output_as_string(indent=1)
    if faults := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        raise RuntimeError(f"the bill of materials is not CycloneDX 1.6: {faults}")
    return text


if __name__ == "__main__":
    sys.stdout.write(bill(Path(sys.argv[1])))
