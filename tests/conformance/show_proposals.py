"""Print what each variant of profile xeleris proposes and takes, seen by a raw peer:

.venv/bin/python -m tests.conformance.show_proposals
"""

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "deploy/local/lib"))

from tests.conformance.expected import COMMITMENT, EXPLICIT, PDF, VARIANTS
from tests.conformance.whole import whole_gateway
from tests.conformance.wire import asked_by_echo
from tests.ingest_process import ingest_process
from tests.stations.raw_association import MAXIMUM_LENGTH, propose

OPTIONAL = {"Encapsulated PDF": PDF, "Storage Commitment": COMMITMENT}


def main() -> None:
    """Start a gateway, let it verify a raw peer as each variant, and ask each variant's receiving process."""
    xeleris = {"GATEWAY_PROFILE": "xeleris", "GATEWAY_AET": "XELERIS"}
    with TemporaryDirectory() as folder, whole_gateway(Path(folder) / "whole", xeleris) as gateway:
        for variant in VARIANTS:
            seen = asked_by_echo(gateway, f"PEER{variant.replace('.', '')}", variant)
            size = int.from_bytes(seen.only(MAXIMUM_LENGTH), "big")
            ids = [each.id for each in seen.contexts]
            say(f"variant {variant}: {len(ids)} contexts with ids {ids[0]} to {ids[-1]}, PDU {size}")
            for each in seen.contexts:
                say(f"  {each.id:>3} {each.abstract_syntax:<32} {each.transfer_syntaxes[0]}")
            settings = xeleris | {"GATEWAY_VARIANT": variant}
            with ingest_process(Path(folder) / variant, settings) as receiving:
                contexts = propose(
                    receiving.port, [(PDF, [EXPLICIT]), (COMMITMENT, [EXPLICIT])], called="XELERIS"
                ).contexts
                for name, context in zip(("Encapsulated PDF", "Storage Commitment"), contexts, strict=True):
                    say(f"  {name}: {'accepted' if context.result == 0 else f'refused, result {context.result}'}")


def say(line: str) -> None:
    """Print at once."""
    os.write(1, f"{line}\n".encode())


if __name__ == "__main__":
    main()
