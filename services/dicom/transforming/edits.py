"""The steps set, remove, copy, replace and prefix on a tree."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import re2

from schemas.rules.steps import CopyStep, PrefixStep, RemoveStep, ReplaceStep, SetStep
from services.dicom.rules.names import resolve_tag
from services.dicom.transforming.errors import NotTransformable
from services.dicom.transforming.places import Place, Step, places, steps_of, tag_to_write
from services.dicom.transforming.tree import Element, Tree
from services.dicom.transforming.values import Unwritable, Value, encoded, values_of

GROUP: Final = re.compile(r"\\(\\|[0-9])")


@lru_cache(maxsize=4096)
def path_of(tag: str) -> tuple[Step, ...]:
    """The path that a tag of the rule language names. Raises UnknownName."""
    return steps_of(resolve_tag(tag).key)


def set_values(tree: Tree, step: SetStep) -> None:
    """Give elements their values, in every data set that the path leads to."""
    for tag in step.tag:
        for place in places(tree, path_of(tag)):
            _write(place, tag, list(step.value), step.vr)


def remove(tree: Tree, step: RemoveStep) -> None:
    """Leave elements out."""
    for tag in step.tag:
        for place in places(tree, path_of(tag)):
            if place.tag is not None:
                place.data_set.pop(place.tag, None)


def copy(tree: Tree, step: CopyStep) -> None:
    """The values of the first element that the source's path finds; nothing if it finds none."""
    for source in places(tree, path_of(step.tag)):
        if source.tag is not None and source.element is not None:
            values = values_of(tree, source.tag, source.element, source.charset, _kind(source.element, source.step))
            for place in places(tree, path_of(step.to)):
                _write(place, step.to, values, None)
            return


def replace(tree: Tree, step: ReplaceStep) -> None:
    """Put something else in the place of what the pattern finds in each value."""
    find = pattern(step.pattern, step.ignore_case)
    _change(tree, step.tag, lambda text: find.sub(lambda match: _filled(step.by, match), text))


def prefix(tree: Tree, step: PrefixStep) -> None:
    """Put the text before each value that has one and does not begin with it."""
    _change(tree, step.tag, lambda text: text if not text or text.startswith(step.text) else step.text + text)


@lru_cache(maxsize=1024)
def pattern(text: str, ignore_case: bool) -> Any:
    """The compiled RE2 expression. Raises re2.error."""
    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = not ignore_case
    return re2.compile(text, options)


def _filled(by: str, match: Any) -> str:
    """What stands in the place of a match: its groups by number, ``\\\\`` for a backslash."""
    return GROUP.sub(lambda found: "\\" if found[1] == "\\" else match.group(int(found[1])) or "", by)


def _change(tree: Tree, tags: list[str], changed: Callable[[str], str]) -> None:
    """Change each text of elements that are there; what stays equal keeps its bytes."""
    for tag in tags:
        for place in places(tree, path_of(tag)):
            if place.tag is None or place.element is None:
                continue
            kind = _kind(place.element, place.step)
            texts = values_of(tree, place.tag, place.element, place.charset, kind)
            new: list[Value] = [changed(str(text)) for text in texts]
            if new != texts:
                _write(place, tag, new, kind)


def _write(place: Place, tag: str, values: list[Value], vr: str | None) -> None:
    there = place.element
    kind = vr or _kind(there, place.step)
    try:
        value = encoded(kind, values, place.charset)
    except Unwritable as error:
        raise NotTransformable(f"{tag} cannot be written: {error}") from None
    place.data_set[tag_to_write(place)] = Element(kind, value=value)


def _kind(there: Element | None, step: Step) -> str:
    """The VR of what is there, if it says one; else the dictionary's; LO for private elements that nobody knows."""
    if there is not None and there.vr != "UN":
        return there.vr
    return "LO" if step.vr == "UN" and step.creator else step.vr
