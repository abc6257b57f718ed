"""P5: what a received instance is, row by row of the table."""

import pytest

from services.storage.dispositions import Arrival, Decision, Known, decide, same_facts

IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
FACTS = {"values": {"00080060": ["CT"], "00100020": ["P1"]}, "cut": [], "undecodable": []}
OTHER = {"values": {"00080060": ["CT"], "00100020": ["P2"]}, "cut": [], "undecodable": []}
A, B, C = "a" * 64, "b" * 64, "c" * 64


def known(sha256: str, revision: int = 1, state: str = "STORED", syntax: str = EXPLICIT) -> Known:
    return Known(revision, sha256, state, syntax, FACTS)


def arrival(sha256: str, **values: object) -> Arrival:
    return Arrival(**({"sha256": sha256, "transfer_syntax_uid": EXPLICIT, "facts": OTHER} | values))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arrived", "rows", "decision"),
    [
        (arrival(A), [], Decision("NEW", 1, "insert")),
        (arrival(A), [known(A)], Decision("DUPLICATE", 1, "none")),
        (arrival(A), [known(A, state="DAMAGED")], Decision("DUPLICATE", 1, "none")),
        (arrival(A, delivered_to_sender=True), [known(A)], Decision("DUPLICATE", 1, "none")),
        (arrival(B), [known(A)], Decision("REVISION", 2, "insert", ("revision",))),
        (arrival(C), [known(A), known(B, 2)], Decision("REVISION", 3, "insert", ("revision",))),
        (arrival(A), [known(A), known(B, 2)], Decision("DUPLICATE", 1, "none")),
        (arrival(B, policy="keep"), [known(A)], Decision("KEPT", 2, "insert", ("revision",))),
        (arrival(B, policy="hold"), [known(A)], Decision("HELD", 2, "insert", ("revision",))),
        (arrival(B, policy="refuse"), [known(A)], Decision("HELD", 2, "insert", ("revision",))),
        (arrival(B, policy="keep"), [], Decision("NEW", 1, "insert")),
        (
            arrival(B, facts=FACTS, transfer_syntax_uid=IMPLICIT),
            [known(A)],
            Decision("HELD", 2, "insert", ("transfer-syntax-only",)),
        ),
        (arrival(B, facts=FACTS), [known(A)], Decision("REVISION", 2, "insert", ("revision",))),
        (arrival(B, transfer_syntax_uid=IMPLICIT), [known(A)], Decision("REVISION", 2, "insert", ("revision",))),
        # Known under another UID, of which this one is the copy that we sent.
        (arrival(A, delivered_to_sender=True), [], Decision("RETURNED", 1, "insert")),
        (arrival(A, delivered_to_sender=True), [known(A, state="DELETED")], Decision("RETURNED", 1, "revive")),
        (arrival(B, delivered_to_sender=True), [known(A)], Decision("RETURNED", 2, "insert", ("revision",))),
        (
            arrival(B, corrected=True, policy="hold", delivered_to_sender=True),
            [known(A)],
            Decision("REVISION", 2, "insert", ("revision", "corrected")),
        ),
        (arrival(A, corrected=True), [known(A)], Decision("DUPLICATE", 1, "none")),
        (arrival(A, recovered=True), [], Decision("RECOVERED", 1, "insert")),
        (arrival(A), [known(A, state="DELETED")], Decision("NEW", 1, "revive")),
        (arrival(A), [known(A, state="DELETING")], Decision("NEW", 1, "revive")),
        (arrival(B), [known(A, state="DELETED")], Decision("NEW", 2, "insert")),
        (arrival(A), [known(A, state="DELETED"), known(B, 2)], Decision("REVISION", 3, "revive", ("revision",))),
    ],
)
def test_decision(arrived: Arrival, rows: list[Known], decision: Decision) -> None:
    assert decide(arrived, rows) == decision


def test_only_the_object_of_a_duplicate_is_redundant() -> None:
    assert decide(arrival(A), [known(A)]).redundant
    assert not decide(arrival(B), [known(A)]).redundant


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"00100020": ["P1"]}, {"00100020": ["P1"]}, True),
        ({"00100020": ["P1"]}, {"00100020": ["P2"]}, False),
        ({"00100020": ["P1"]}, {}, False),
        ({}, {}, False),
        ({"00100020": ["P1"], "00280004": ["RGB"]}, {"00100020": ["P1"], "00280004": ["YBR_FULL"]}, True),
        ({"00100020": ["P1"], "0009:GEMS:01": ["x"]}, {"00100020": ["P1"], "0009:GEMS:01": [None]}, True),
    ],
)
def test_same_but_for_the_encoding(one: dict[str, object], other: dict[str, object], same: bool) -> None:
    assert same_facts({"values": one}, {"values": other}) is same


def test_nothing_known_is_not_the_same() -> None:
    assert not same_facts(None, FACTS)
