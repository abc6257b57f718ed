"""Finding the elements of a tree that a tag of the rule language names (services.dicom.rules.names)."""

from collections.abc import Iterator
from dataclasses import dataclass

from services.dicom.charsets import Charset, decode, encode
from services.dicom.dictionary import private_vr, standard_vr
from services.dicom.transforming.errors import NotTransformable
from services.dicom.transforming.tree import DataSet, Element, Tree

_FIRST_BLOCK, _LAST_BLOCK = 0x10, 0xFF


@dataclass(frozen=True)
class Step:
    """One step of a path: a standard element, or a private one by creator, group and low byte."""

    tag: int
    creator: str = ""

    @property
    def vr(self) -> str:
        """What the dictionaries say."""
        if self.creator:
            return private_vr(self.creator, self.tag >> 16, self.tag & 0xFF)
        return "LO" if self.tag & 0x10000 else standard_vr(self.tag)


@dataclass(frozen=True)
class Place:
    """An element, there or not, of one data set of the tree."""

    data_set: DataSet
    charset: Charset
    step: Step
    tag: int | None
    """None: no block of its creator is there."""

    @property
    def element(self) -> Element | None:
        """What is there."""
        return None if self.tag is None else self.data_set.get(self.tag)


def steps_of(key: str) -> tuple[Step, ...]:
    """The path of a key of the header facts: ``ggggeeee`` or ``gggg:CREATOR:ee``, joined by ``/``."""
    return tuple(_step(part) for part in key.split("/"))


def _step(part: str) -> Step:
    if ":" not in part:
        return Step(int(part, 16))
    group, rest = part.split(":", 1)
    creator, low = rest.rsplit(":", 1)
    return Step(int(group, 16) << 16 | int(low, 16), creator)


def places(tree: Tree, path: tuple[Step, ...]) -> Iterator[Place]:
    """Where the element is or would be: once in the data set, or in every item of the sequences of its path."""
    found: list[tuple[DataSet, Charset]] = [(tree.root, tree.charset_of(tree.root))]
    for step in path[:-1]:
        inner: list[tuple[DataSet, Charset]] = []
        for data_set, using in found:
            element = _place(tree, data_set, using, step).element
            items = element.items or () if element is not None else ()
            inner += [(item, tree.charset_of(item, using)) for item in items]
        found = inner
    for data_set, using in found:
        yield _place(tree, data_set, using, path[-1])


def _place(tree: Tree, data_set: DataSet, using: Charset, step: Step) -> Place:
    if not step.creator:
        return Place(data_set, using, step, step.tag)
    group = step.tag >> 16
    for block in range(_FIRST_BLOCK, _LAST_BLOCK + 1):
        element = data_set.get(group << 16 | block)
        if element is not None and creator_of(tree, group << 16 | block, element, using) == step.creator:
            return Place(data_set, using, step, group << 16 | block << 8 | step.tag & 0xFF)
    return Place(data_set, using, step, None)


def creator_of(tree: Tree, tag: int, element: Element, using: Charset) -> str:
    """The private creator that an element (gggg,0010-00FF) names."""
    return decode(tree.raw(tag, element), using, "LO")[0].strip() if element.length <= 64 else ""


def tag_to_write(place: Place) -> int:
    """Where the element goes; a block is reserved for its creator if there is none. Raises NotTransformable."""
    if place.tag is not None:
        return place.tag
    group = place.step.tag >> 16
    for block in range(_FIRST_BLOCK, _LAST_BLOCK + 1):
        if group << 16 | block not in place.data_set:
            creator = encode(place.step.creator, place.charset, "LO")
            place.data_set[group << 16 | block] = Element("LO", value=creator + b" " * (len(creator) % 2))
            return group << 16 | block << 8 | place.step.tag & 0xFF
    raise NotTransformable(f"group {group:04X} has no free block for {place.step.creator}")
