"""Responses as bytes, in the character sets of R124 to R127."""

import pytest

from schemas.dicom.query_keys import QueryAttribute, query_keys
from services.dicom.contexts import EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN
from services.dicom.identifiers import decode_identifier
from services.dicom.profile import profile_of
from services.dicom.settings import DicomSettings
from services.query.questions import Question
from services.query.responses import Encoder, languages

NAME, ROWS, CHARACTER_SET = 0x00100010, 0x00280010, 0x00080005
GATEWAY = profile_of("gateway", DicomSettings())
SYNTAXES = [IMPLICIT_LITTLE_ENDIAN, EXPLICIT_LITTLE_ENDIAN]


def attributes(*tags: int) -> tuple[QueryAttribute, ...]:
    return tuple(query_keys().by_tag[tag] for tag in tags)


def written(name: str, terms: tuple[str, ...] = (), character_set: str | None = None) -> bytes:
    """A response with that name: of profile gateway, or of xeleris with its configured set."""
    settings = DicomSettings(character_set=character_set or "ISO_IR 100")  # type: ignore[arg-type]
    profile = profile_of("xeleris", settings) if character_set else GATEWAY
    asked = Question("STUDY", (), attributes(NAME), complete=True)
    return Encoder(asked, "AET", languages(profile, terms), EXPLICIT_LITTLE_ENDIAN).encode([name])


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_elements_stand_in_order_and_are_padded(syntax: str) -> None:
    asked = Question("IMAGE", (), attributes(0x00080018, 0x0020000D, ROWS), complete=True)
    data = Encoder(asked, "AET", languages(GATEWAY, ()), syntax).encode(["1.2", "", "512"])
    assert len(data) % 2 == 0
    found = decode_identifier(data, syntax)
    assert found.level == "IMAGE"
    assert list(found.keys) == [0x00080018, 0x00080054, 0x0020000D, ROWS]
    assert [found.keys[tag] for tag in (0x00080018, 0x00080054, 0x0020000D)] == ["1.2", "AET", ""]
    assert b"\x00\x02" in data[-2:]


@pytest.mark.parametrize("character_set", [None, "ISO_IR 100"])
def test_ascii_needs_no_character_set(character_set: str | None) -> None:
    assert decode_identifier(written("DOE^J", ("ISO_IR 192",), character_set), EXPLICIT_LITTLE_ENDIAN).terms == ()


@pytest.mark.parametrize(
    ("name", "character_set", "raw"),
    [
        ("Müller", "ISO_IR 100", b"M\xfcller"),
        ("Łukasz", "ISO_IR 101", b"\xa3ukasz"),
        ("Łukasz^é", "ISO_IR 100", b"?ukasz^\xe9"),
        ("山田", "ISO_IR 100", b"??"),
    ],
)
def test_xeleris_writes_its_own_set_whatever_was_asked_in(name: str, character_set: str, raw: bytes) -> None:
    data = written(name, ("ISO_IR 192",), character_set)
    assert raw in data
    assert decode_identifier(data, EXPLICIT_LITTLE_ENDIAN).terms == (character_set,)


@pytest.mark.parametrize(
    ("name", "asked", "answered"),
    [
        ("Müller", (), ("ISO_IR 192",)),
        ("Müller", ("ISO_IR 100",), ("ISO_IR 100",)),
        ("Łukasz", ("ISO_IR 100",), ("ISO_IR 192",)),
        ("Łukasz", ("ISO_IR 101",), ("ISO_IR 101",)),
        ("Иванов", ("ISO_IR 144",), ("ISO_IR 144",)),
        ("王^小东", ("GB18030",), ("GB18030",)),
        ("Müller", ("NONSENSE",), ("ISO_IR 192",)),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", ("", "ISO 2022 IR 87"), ("", "ISO 2022 IR 87")),
        ("ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎", ("ISO 2022 IR 13", "ISO 2022 IR 87"), ("ISO 2022 IR 13", "ISO 2022 IR 87")),
        ("Hong^Gildong=洪^吉洞=홍^길동", ("", "ISO 2022 IR 149"), ("", "ISO 2022 IR 149")),
        ("Müller", ("", "ISO 2022 IR 87"), ("ISO_IR 192",)),
    ],
)
def test_gateway_writes_the_requesters_set_if_it_holds_the_text_else_utf_8(
    name: str, asked: tuple[str, ...], answered: tuple[str, ...]
) -> None:
    found = decode_identifier(written(name, asked), EXPLICIT_LITTLE_ENDIAN)
    assert (found.keys[NAME], found.terms) == (name, answered)


def test_a_value_too_long_for_its_header_keeps_whole_values() -> None:
    asked = Question("STUDY", (), attributes(0x00080062), complete=True)
    uids = "\\".join(f"1.2.826.0.1.{number}" for number in range(10_000))
    data = Encoder(asked, "AET", languages(GATEWAY, ()), EXPLICIT_LITTLE_ENDIAN).encode([uids])
    kept = decode_identifier(data, EXPLICIT_LITTLE_ENDIAN).values(0x00080062)
    assert kept == uids.split("\\")[: len(kept)]
    assert len(kept) > 3000
