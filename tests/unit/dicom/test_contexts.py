"""Presentation context negotiation as tables (PS3.8 7.1.1.13, PS3.7 D.3.3.4)."""

from collections.abc import Sequence

import pytest

from services.dicom.contexts import (
    ALL_TRANSFER_SYNTAXES,
    STORAGE_CLASSES,
    ContextAnswer,
    PresentationContext,
    ProposedContext,
    Roles,
    accepted,
    answer_roles,
    negotiate,
    numbered,
)

CT, NM, EXPLICIT, IMPLICIT, JPEG = (
    "1.2.840.10008.5.1.4.1.1.2",
    "1.2.840.10008.5.1.4.1.1.20",
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.4.50",
)
COMMITMENT = "1.2.840.10008.1.20.1"


def _accepts(abstract_syntax: str) -> Sequence[str]:
    return {CT: (EXPLICIT, IMPLICIT), COMMITMENT: (IMPLICIT,)}.get(abstract_syntax, ())


@pytest.mark.parametrize(
    ("abstract_syntax", "proposed", "result", "chosen"),
    [
        (CT, (IMPLICIT, EXPLICIT), 0, EXPLICIT),
        (CT, (IMPLICIT,), 0, IMPLICIT),
        (CT, (JPEG, IMPLICIT), 0, IMPLICIT),
        (CT, (JPEG,), 4, IMPLICIT),
        (NM, (EXPLICIT,), 3, IMPLICIT),
    ],
)
def test_each_context_is_judged_alone_in_our_order(
    abstract_syntax: str, proposed: tuple[str, ...], result: int, chosen: str
) -> None:
    other = ProposedContext(COMMITMENT, (IMPLICIT,), 3)
    answers = negotiate([ProposedContext(abstract_syntax, proposed, 1), other], _accepts)
    assert answers[0] == ContextAnswer(1, result, abstract_syntax, chosen)
    assert answers[1] == ContextAnswer(3, 0, COMMITMENT, IMPLICIT)


def test_the_order_of_a_peer_that_receives_decides() -> None:
    """C-GET: a requester of the SCP role says what it prefers."""
    proposed = [ProposedContext(CT, (JPEG, IMPLICIT, EXPLICIT), 1)]
    assert negotiate(proposed, _accepts, {CT})[0].transfer_syntax == IMPLICIT
    assert negotiate(proposed, _accepts, {NM})[0].transfer_syntax == EXPLICIT


def test_only_accepted_contexts_remain() -> None:
    answers = negotiate([ProposedContext(NM, (EXPLICIT,), 1), ProposedContext(CT, (EXPLICIT,), 5)], _accepts)
    assert accepted(answers) == {5: PresentationContext(5, CT, EXPLICIT)}


@pytest.mark.parametrize(
    ("proposed", "supported", "answer"),
    [
        (Roles(scu=False, scp=True), Roles(scu=True, scp=True), Roles(scu=False, scp=True)),
        (Roles(scu=True, scp=True), Roles(scu=True, scp=True), Roles(scu=True, scp=True)),
        (Roles(scu=True, scp=True), None, Roles(scu=True, scp=False)),
        (Roles(scu=False, scp=True), None, Roles(scu=False, scp=False)),
    ],
)
def test_roles_are_what_both_sides_want(proposed: Roles, supported: Roles | None, answer: Roles) -> None:
    contexts = {1: PresentationContext(1, COMMITMENT, IMPLICIT)}
    ours = {} if supported is None else {COMMITMENT: supported}
    assert answer_roles({COMMITMENT: proposed, NM: proposed}, ours, contexts) == {COMMITMENT: answer}


def test_contexts_are_numbered_oddly_up_to_128() -> None:
    contexts = numbered([ProposedContext(CT, (EXPLICIT,))] * 128)
    assert [context.id for context in contexts] == list(range(1, 256, 2))
    for count in (0, 129):
        with pytest.raises(ValueError, match=f"{count} presentation contexts"):
            numbered([ProposedContext(CT, (EXPLICIT,))] * count)


def test_known_classes_and_syntaxes() -> None:
    stand_alone_curve, retired_nm = "1.2.840.10008.5.1.4.1.1.9", "1.2.840.10008.5.1.4.1.1.5"
    assert {CT, NM, stand_alone_curve, retired_nm} <= STORAGE_CLASSES
    assert not STORAGE_CLASSES & {COMMITMENT, "1.2.840.10008.1.3.10"}
    assert "1.2.840.10008.1.1" not in STORAGE_CLASSES
    assert len(set(ALL_TRANSFER_SYNTAXES)) == len(ALL_TRANSFER_SYNTAXES)
    order = [ALL_TRANSFER_SYNTAXES.index(syntax) for syntax in (JPEG, EXPLICIT, IMPLICIT, "1.2.840.10008.1.2.2")]
    assert order == sorted(order)
