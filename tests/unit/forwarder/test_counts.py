"""What a source is asked about how many there are, and what its answers mean."""

import pytest

from services.dicom.identifiers import Identifier
from services.forwarder.counts import Question

STUDY, SERIES = 0x0020000D, 0x0020000E
OF_STUDY, OF_SERIES = 0x00201208, 0x00201209


def question(level: str = "study", asked: int = 0) -> Question:
    return Question("CT1", level, "1.2", "1.2" if level == "study" else "1.2.3", asked)


@pytest.mark.parametrize(
    ("level", "answers", "told"),
    [
        ("study", [{STUDY: "1.2", OF_STUDY: "12"}], 12),
        ("study", [{STUDY: "1.9", OF_STUDY: "7"}, {STUDY: "1.2", OF_STUDY: " 12 "}], 12),
        ("series", [{STUDY: "1.2", SERIES: "1.2.3", OF_SERIES: "4"}], 4),
        ("study", [], "CT1 does not find the study"),
        ("series", [{SERIES: "1.2.4", OF_SERIES: "4"}], "CT1 does not find the series"),
        ("study", [{STUDY: "1.2"}], "CT1 does not tell how many instances the study has"),
        ("study", [{STUDY: "1.2", OF_STUDY: "many"}], "CT1 does not tell how many instances the study has"),
        ("study", [{STUDY: "1.2", OF_STUDY: "-1"}], "CT1 does not tell how many instances the study has"),
        ("study", [{STUDY: "1.2", OF_STUDY: "9" * 10}], "CT1 does not tell how many instances the study has"),
        ("study", [{STUDY: "1.2", OF_STUDY: "0"}], "CT1 says that the study has no instances"),
    ],
)
def test_what_an_answer_tells(level: str, answers: list[dict[int, str]], told: int | str) -> None:
    assert question(level).told([Identifier(level.upper(), keys) for keys in answers]) == told


def test_what_is_asked() -> None:
    study, series = question().identifier(), question("series").identifier()
    assert (study.root, study.level, study.keys) == ("STUDY", "STUDY", {STUDY: "1.2", OF_STUDY: ""})
    assert (series.level, series.keys) == ("SERIES", {STUDY: "1.2", SERIES: "1.2.3", OF_SERIES: ""})


def test_it_is_asked_more_and_more_seldom() -> None:
    assert [question(asked=asked).wait_seconds for asked in (0, 1, 2, 5, 6, 7, 1000)] == [5, 10, 20, 160, 300, 300, 300]
