"""docs/conformance-statement.md is current, whole, and what the gateway does on the wire."""

import itertools
import struct
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest
from pydicom._uid_dict import UID_dictionary

from services.cli.statement.parameters import COMMITMENT, QUERY
from services.commitment.settings import CommitmentSettings
from services.query.settings import QuerySettings
from tests.conformance.expected import EXPLICIT, PRIVATE
from tests.conformance.printed import printed, sections, tables, text
from tests.ingest_process import IngestProcess
from tests.stations.raw_association import EXTENDED, ROLES, propose, role_item
from tests.stations.raw_sender import item

CHECKOUT = Path(__file__).resolve().parents[2]
MOST_CONTEXTS = 128
FEW_CONTEXTS = 32
"""With all transfer syntaxes in each, so that the request stays below the limit of its size."""
ABSTRACT_SYNTAXES = sorted(
    {uid for uid, (_, kind, *_) in UID_dictionary.items() if kind in ("SOP Class", "Meta SOP Class")}
    | {PRIVATE, "1.2.840.113619.4.26", "1.2.840.113619.4.30", "1.2.3.4"}
)
TRANSFER_SYNTAXES = sorted(
    {uid for uid, (_, kind, *_) in UID_dictionary.items() if kind == "Transfer Syntax"} | {"1.2.840.113619.5.2"}
)
N_ACTION_STATUSES = ["0000", "0110", "0112", "0115", "0117", "0118", "0119", "0123", "0210", "0212"]
FAILURE_REASONS = ["0110", "0112", "0119", "0122", "0131", "0213"]
OF_EACH_PROFILE = [
    "Conformance statement overview",
    "Introduction",
    "Networking",
    "Implementation model",
    "Application data flow",
    "Functional definition of the AE",
    "Sequencing of real-world activities",
    "AE specification",
    "SOP classes",
    "Association policies",
    "General",
    "Number of associations",
    "Asynchronous nature",
    "Implementation identifying information",
    "Association initiation policy",
    "Proposed presentation contexts",
    "Association acceptance policy",
    "Accepted presentation contexts",
    "Network interfaces",
    "Physical network interface",
    "Additional protocols",
    "IPv4 and IPv6 support",
    "Configuration",
    "AE title and presentation address mapping",
    "Parameters",
    "Media interchange",
    "Support of character sets",
    "Security",
    "Security profiles",
    "Association level security",
    "Application level security",
]
"""The headings of PS3.2 annex A, in its order."""


def test_the_document_is_current() -> None:
    document = (CHECKOUT / "docs" / "conformance-statement.md").read_text(encoding="utf-8")
    assert document == printed(), "run: gateway conformance-statement > docs/conformance-statement.md"


@pytest.mark.parametrize("profile", ["gateway", "xeleris"])
def test_it_has_the_headings_of_ps3_2_in_their_order(profile: str) -> None:
    titles = [section["title"] for section in sections("--profile", profile)]
    wanted = [title for title in titles if title in OF_EACH_PROFILE]
    assert wanted == OF_EACH_PROFILE
    assert titles.index("Annexes") < titles.index("Readings") == len(titles) - 1


@pytest.mark.parametrize("profile", ["gateway", "xeleris"])
def test_what_is_too_large_has_no_status(profile: str) -> None:
    """It is aborted: integration/ingest/test_bad_input.py sees that on the wire."""
    rows = [line for line in printed("--profile", profile).splitlines() if "larger than the gateway takes" in line]
    assert [row.split(" | ")[:3] for row in rows] == [["| none", "-", "A-ABORT, source service-user"]]


def test_it_says_for_each_profile_in_which_character_set_queries_are_answered() -> None:
    """Profile gateway knows no configured one (ADR 0013): unit/query/test_responses.py says what it does."""
    gateway, xeleris = (
        text("Support of character sets", "--profile", profile).partition("not ASCII;")[2]
        for profile in ("gateway", "xeleris")
    )
    assert "ISO_IR 100" in xeleris
    assert "ISO_IR 192" not in xeleris
    assert "ISO_IR 192" in gateway
    assert "ISO_IR 100" not in gateway
    assert "GATEWAY_CHARACTER_SET has no effect" in gateway


def test_it_says_of_queries_what_the_accepted_contexts_say() -> None:
    """Relational queries are negotiated in profile gateway and in no other (R98)."""
    for profile in ("gateway", "xeleris"):
        (contexts, *_) = tables("Accepted presentation contexts", "--profile", profile)
        negotiated = any("relational queries" in row for row in contexts["rows"])
        said = text("Activity: query (SCP)", "--profile", profile)
        assert ("No relational queries" in said) == (not negotiated) == (profile == "xeleris")
        assert ("Relational queries by extended negotiation" in said) == negotiated


def test_every_reading_is_stated() -> None:
    (table,) = tables("Readings", "--profile", "xeleris")
    labels = [row[0] for row in table["rows"]]
    assert labels == [*(f"A{number}" for number in range(1, 44)), *(f"B{number}" for number in range(1, 8))]
    assert all(question and answer for _, question, answer, _ in table["rows"])
    numbers = {row[3] for row in table["rows"]} - {"-"}
    records = {path.name[:4] for path in (CHECKOUT / "docs" / "decisions").glob("[0-9]*.md")}
    assert numbers <= records


@pytest.mark.parametrize("profile", ["gateway", "xeleris"])
def test_every_setting_has_its_row_and_every_meaning_its_setting(profile: str) -> None:
    settings, _ = tables("Parameters", "--profile", profile)
    rows = {variable: meaning for variable, _, _, meaning in settings["rows"]}
    for model, meanings in ((QuerySettings, QUERY), (CommitmentSettings, COMMITMENT)):
        prefix = model.model_config.get("env_prefix", "")
        stated_of_it = {variable: meaning for variable, meaning in rows.items() if variable.startswith(prefix)}
        assert stated_of_it == {f"{prefix}{name}".upper(): meanings[name] for name in model.model_fields}
        assert meanings.keys() == model.model_fields.keys()


def first_cells(title: str, table: str, profile: str) -> list[str]:
    """The first column of one table of a section."""
    (found,) = [each for each in tables(title, "--profile", profile) if each["name"].startswith(table)]
    return [row[0] for row in found["rows"]]


@pytest.mark.parametrize("profile", ["gateway", "xeleris"])
def test_it_says_of_commitment_every_status_and_reason(profile: str) -> None:
    asking, hearing = "Activity: storage commitment", "Activity: receive N-EVENT-REPORT (SCU)"
    assert first_cells(asking, "Responses", profile) == [*N_ACTION_STATUSES, "any other"]
    assert first_cells(hearing, "Responses", profile) == ["0000", "0110", "0113", "0119"]
    assert first_cells(hearing, "Failure reasons", profile) == [*FAILURE_REASONS, "any other"]
    assert "24 hours" in " ".join(first_cells(asking, "Without", profile))
    assert ("answered 0110" in text(asking, "--profile", profile)) == (profile == "xeleris")


def test_it_commits_for_others_in_profile_gateway_alone() -> None:
    committing = "Activity: storage commitment (SCP)"
    assert committing not in [section["title"] for section in sections("--profile", "xeleris")]
    answers = ["0000", "0110", "0112", "0115", "0118", "0123", "0212", "0213"]
    assert first_cells(committing, "Responses", "gateway") == answers
    assert first_cells(committing, "Failure reasons", "gateway") == FAILURE_REASONS


def test_a_product_without_commitment_says_so() -> None:
    arguments = ("--profile", "xeleris", "--variant", "v")
    assert text("Activity: storage commitment", *arguments).startswith("None: ")
    titles = [section["title"] for section in sections(*arguments)]
    assert "Activity: receive N-EVENT-REPORT (SCU)" not in titles


def stated(*arguments: str) -> dict[str, list[str]]:
    """By abstract syntax, the transfer syntaxes in the order of the tables of accepted contexts."""
    found = tables("Accepted presentation contexts", *arguments)
    return {
        uid: [syntax for _, _, syntax in syntaxes["rows"]]
        for classes, syntaxes in zip(found[::2], found[1::2], strict=True)
        for _, uid, *_ in classes["rows"]
    }


def negotiated(process: IngestProcess, called: str, abstract_syntaxes: Iterable[str]) -> set[tuple[str, str]]:
    """Every pair of abstract and transfer syntax that is accepted, each proposed in a context of its own."""
    found = set()
    pairs = iter(itertools.product(abstract_syntaxes, TRANSFER_SYNTAXES))
    while batch := [*itertools.islice(pairs, MOST_CONTEXTS)]:
        answer = propose(process.port, [(uid, (syntax,)) for uid, syntax in batch], called=called)
        found |= {batch[context_id // 2] for context_id in answer.accepted}
    return found


def agree(process: IngestProcess, called: str, *arguments: str) -> int:
    """Assert that tables and associations accept the same, and prefer the same; how many pairs that are."""
    accepted = stated(*arguments)
    wire = negotiated(process, called, sorted({*ABSTRACT_SYNTAXES, *accepted}))
    assert wire == {(uid, syntax) for uid, order in accepted.items() for syntax in order}
    classes = iter(accepted)
    while part := [*itertools.islice(classes, FEW_CONTEXTS)]:
        answer = propose(process.port, [(uid, [*reversed(accepted[uid])]) for uid in part], called=called)
        assert [*answer.accepted.values()] == [accepted[uid][0] for uid in part]
    return len(wire)


@pytest.mark.requirement("R10", "R11", "R86", "R87")
@pytest.mark.parametrize("variant", ["3.0", "4dr", "v"])
def test_profile_xeleris_accepts_what_the_tables_say(variants: Callable[[str], IngestProcess], variant: str) -> None:
    agree(variants(variant), "XELERIS", "--profile", "xeleris", "--variant", variant)


def test_profile_gateway_accepts_what_the_tables_say(profile_gateway: IngestProcess) -> None:
    assert agree(profile_gateway, "GATEWAY", "--profile", "gateway") > 5000


def negotiated_otherwise(process: IngestProcess, called: str, uids: Sequence[str]) -> dict[str, tuple[str, str]]:
    """By abstract syntax, our role when a peer offers to take both, and what extended negotiation is answered."""
    found = {}
    for uid in uids:
        encoded = uid.encode()
        wishes = role_item(uid, scu=True, scp=True) + item(EXTENDED, struct.pack(">H", len(uid)) + encoded + b"\1\1\1")
        answer = propose(process.port, [(uid, (EXPLICIT,))], called=called, more_user_items=wishes)
        extended = [body for kind, body in answer.user if kind == EXTENDED]
        scu, scp = answer.only(ROLES)[-2:]
        role = ", ".join(name for name, has in (("SCP", scu), ("SCU", scp)) if has)
        relational = any(body[2 + len(uid)] == 1 for body in extended)
        found[uid] = (f"{role} (role selection)" if scp else role, "relational queries" if relational else "None")
    return found


@pytest.mark.parametrize("profile", ["gateway", "xeleris"])
def test_roles_and_extended_negotiation_are_what_the_tables_say(
    profile: str, receiving: IngestProcess, profile_gateway: IngestProcess
) -> None:
    process, called = (receiving, "XELERIS") if profile == "xeleris" else (profile_gateway, "GATEWAY")
    found = tables("Accepted presentation contexts", "--profile", profile)[::2]
    rows = {uid: (role, extended) for table in found for _, uid, role, extended in table["rows"]}
    assert negotiated_otherwise(process, called, list(rows)) == rows
