"""Carrying out a transformation from file to file: elements, then reduction (R92), then transfer syntax.

The same data set and transformation give the same bytes. Memory does not grow with the pixel data.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple, cast

from schemas.rules.steps import (
    AnyStep,
    CharsetStep,
    CopyStep,
    DeidentifyStep,
    NewUidsStep,
    PrefixStep,
    RemoveStep,
    ReplaceStep,
    SetStep,
)
from services.dicom.contexts import DEFLATED_LITTLE_ENDIAN, EXPLICIT_BIG_ENDIAN, EXPLICIT_LITTLE_ENDIAN
from services.dicom.reduction import reduced, reducible
from services.dicom.transcoding import converted
from services.dicom.transforming import character_set, edits, uids
from services.dicom.transforming.deidentification import deidentify
from services.dicom.transforming.errors import NotTransformable
from services.dicom.transforming.transformation import Transformation
from services.dicom.transforming.tree import Tree

_IN_MEMORY: Final = 1 << 20


class Content(NamedTuple):
    """``size`` bytes of a data set at ``offset`` of ``source``."""

    source: BinaryIO
    offset: int
    size: int
    transfer_syntax: str


_WORK: Final[dict[type[AnyStep], Callable[[Tree, Any, bytes], None]]] = {
    SetStep: lambda tree, step, key: edits.set_values(tree, step),
    RemoveStep: lambda tree, step, key: edits.remove(tree, step),
    CopyStep: lambda tree, step, key: edits.copy(tree, step),
    ReplaceStep: lambda tree, step, key: edits.replace(tree, step),
    PrefixStep: lambda tree, step, key: edits.prefix(tree, step),
    NewUidsStep: lambda tree, step, key: uids.renew(tree, key, step.project),
    DeidentifyStep: lambda tree, step, key: deidentify(tree, step, key),
    CharsetStep: lambda tree, step, key: character_set.convert(tree, step.value),
}


def edit(tree: Tree, transformation: Transformation) -> None:
    """Carry out the steps that change elements. Raises NotTransformable."""
    for step in transformation.edits:
        _WORK[type(step)](tree, step, transformation.key)


@contextmanager
def transformed(
    content: Content,
    sop_class_uid: str,
    transformation: Transformation,
    wanted: str,
    *,
    reduce: bool = False,
    folder: Path,
    largest: int,
) -> Iterator[tuple[Content, dict[str, str]]]:
    """The data set as it is sent in the transfer syntax ``wanted``, one of the transformation's ways, and the new UIDs
    of study, series and instance by the old ones. ``reduce``: the station wants level 1 classes reduced.

    Up to 1 MiB is kept in memory, more in nameless files in ``folder``, of at most ``largest`` bytes each; all are gone
    when the context ends.

    Raises:
        NotTransformable, NotConvertible: it cannot be had so. No values.
        OSError: of the source or the folder.
    """
    limits: dict[str, Any] = {"folder": folder, "largest": largest}
    if transformation.fault:
        raise NotTransformable(transformation.fault)
    with ExitStack() as open_:
        renamed: dict[str, str] = {}
        if transformation.edits:
            content, renamed = open_.enter_context(edited(content, transformation, **limits))
        if (reduce or transformation.reduces) and reducible(sop_class_uid):
            content = open_.enter_context(plain_syntax(content, **limits))
            syntax = content.transfer_syntax
            less = open_.enter_context(reduced(*content, syntax, sop_class_uid, **limits))
            content = Content(less[0], 0, less[1], syntax)
        if content.transfer_syntax != wanted:
            other = open_.enter_context(converted(*content, wanted, **limits))
            content = Content(other[0], 0, other[1], wanted)
        yield content, renamed


@contextmanager
def edited(
    content: Content, transformation: Transformation, *, folder: Path, largest: int
) -> Iterator[tuple[Content, dict[str, str]]]:
    """The data set after the steps that change elements, in its transfer syntax; big endian and deflated ones in
    explicit VR little endian. Raises as ``transformed``."""
    with ExitStack() as open_:
        content = open_.enter_context(plain_syntax(content, folder=folder, largest=largest))
        tree = Tree(*content)
        before = uids.identifiers(tree)
        edit(tree, transformation)
        renamed = {old: new for old, new in zip(before, uids.identifiers(tree), strict=True) if old != new}
        spool = open_.enter_context(tempfile.SpooledTemporaryFile(_IN_MEMORY, mode="w+b", dir=str(folder)))
        target = cast("BinaryIO", spool)
        tree.write(target, largest)
        yield Content(target, 0, target.seek(0, 2), content.transfer_syntax), renamed


@contextmanager
def plain_syntax(content: Content, *, folder: Path, largest: int) -> Iterator[Content]:
    """Big endian and deflated data sets in explicit VR little endian, others as they are."""
    if content.transfer_syntax not in (EXPLICIT_BIG_ENDIAN, DEFLATED_LITTLE_ENDIAN):
        yield content
        return
    with converted(*content, EXPLICIT_LITTLE_ENDIAN, folder=folder, largest=largest) as (source, size):
        yield Content(source, 0, size, EXPLICIT_LITTLE_ENDIAN)
