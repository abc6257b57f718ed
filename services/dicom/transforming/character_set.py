"""The step charset: all text of a data set in another Specific Character Set (PS3.5 section 6.1)."""

from services.dicom.charsets import DEFAULT, Charset, charset, encode
from services.dicom.transforming.errors import NotTransformable
from services.dicom.transforming.tree import CHARACTER_SET, DataSet, Element, Tree, described
from services.dicom.transforming.values import SINGLE, TEXT, Unwritable, encoded, texts_of


def convert(tree: Tree, terms: list[str]) -> None:
    """Write every text anew. Private elements without a known VR stay as they are.

    Raises NotTransformable for text that is not in its character set, and text that the other one cannot hold.
    """
    wanted = charset(tuple(terms))
    for data_set, using in list(tree.levels()):
        for tag, element in data_set.items():
            if element.vr in TEXT:
                _convert(tree, tag, element, using, wanted)
    for data_set, _ in list(tree.levels()):
        _name(data_set, terms, root=data_set is tree.root)


def _convert(tree: Tree, tag: int, element: Element, using: Charset, wanted: Charset) -> None:
    raw = tree.raw(tag, element)
    if raw.isascii() and b"\x1b" not in raw:
        return
    texts = texts_of(raw, element.vr, using, described(tag))
    try:
        element.value = _encoded(element.vr, texts, wanted)
    except Unwritable:
        raise NotTransformable(f"the new character set cannot hold the text of {described(tag)}") from None


def _encoded(vr: str, texts: list[str], wanted: Charset) -> bytes:
    """As ``encoded``, but what was too long before may be: the text stays the same."""
    try:
        raw = encode(texts[0] if vr in SINGLE and texts else "\\".join(texts), wanted, vr)
    except UnicodeError:
        raise Unwritable("it cannot hold the text") from None
    return raw + b" " * (len(raw) % 2)


def _name(data_set: DataSet, terms: list[str], *, root: bool) -> None:
    """Items say the same as what encloses them, by saying nothing."""
    data_set.pop(CHARACTER_SET, None)
    if root and any(terms):
        data_set[CHARACTER_SET] = Element("CS", value=encoded("CS", terms, DEFAULT))
