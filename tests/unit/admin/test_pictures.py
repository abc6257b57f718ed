"""Pictures in an environment as ``deploy/local/up`` makes it: without the extra that has the decoders."""

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions

import pydicom.data

from tests.conftest import CHECKOUT

DRAW = """
import json, sys
missing, *files = json.loads(sys.argv[1])
sys.modules |= dict.fromkeys(missing)  # as if none of them were installed
from services.admin.pictures.drawing import NoPicture, drawn
for file in files:
    try:
        with open(file, "rb") as source:
            print(drawn(source, 0, 64)[1:4].decode())
    except NoPicture as why:
        print(why)
"""


def of_the_extra() -> list[str]:
    """What the extra ``codecs`` brings, by the names that are imported."""
    extras = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    names = {re.split(r"[<>=]", each)[0] for each in extras["codecs"]}
    return [module for module, found in packages_distributions().items() if names & set(found)]


def test_without_the_extra_uncompressed_images_have_pictures_and_others_name_the_cure() -> None:
    files = [str(pydicom.data.get_testdata_file(name)) for name in ("CT_small.dcm", "JPEG2000.dcm")]
    asked = json.dumps([of_the_extra(), *files])
    done = subprocess.run(
        [sys.executable, "-c", DRAW, asked], cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=True
    )
    drawn, refused = done.stdout.splitlines()
    assert drawn == "PNG"
    assert refused == "transfer syntax 1.2.840.10008.1.2.4.91 needs the codecs: GATEWAY_EXTRAS=codecs deploy/local/up"
