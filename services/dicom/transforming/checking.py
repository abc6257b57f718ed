"""What is wrong with a step of a rule file: field, value and cure, as for conditions. Pure."""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import re2
from pydicom.charset import python_encoding

from schemas.rules.steps import (
    AnyStep,
    CharsetStep,
    CopyStep,
    DeidentifyStep,
    PrefixStep,
    RemoveStep,
    ReplaceStep,
    SetStep,
    TransferSyntaxStep,
)
from services.dicom.charsets import charset
from services.dicom.rules.likeness import likest
from services.dicom.rules.names import UnknownName, resolve_tag
from services.dicom.transforming.edits import GROUP, pattern
from services.dicom.transforming.places import steps_of
from services.dicom.transforming.transformation import PLACES, SYNTAXES
from services.dicom.transforming.values import Unwritable, encoded, textual, writable

Fault = tuple[str, Any, str]

_BRACES = re.compile(r"\{([^{}]*)\}")
_UNICODE: Final = charset(("ISO_IR 192",))
_IDENTIFIERS: Final = frozenset({"00080018", "0020000D", "0020000E"})
_PIXELS: Final = frozenset({
    "00280002", "00280004", "00280006", "00280008", "00280010", "00280011", "00280100", "00280101", "00280102",
    "00280103",
})  # fmt: skip
"""What says how the pixel data is to be read."""


def fault_of(step: AnyStep) -> Fault | None:
    """The first fault of a step that is well formed."""
    check = _CHECKS.get(type(step))
    return None if check is None else check(step)


def _protected(tag: str) -> str | None:
    """Why no step may write an element, or leave it out."""
    key = resolve_tag(tag).key
    if key in _IDENTIFIERS:
        return "this identifies the instance: use the step new_uids"
    if key == "00080016":
        return "the SOP class says what the instance is: leave it"
    if key.rpartition("/")[2] == "00080005":
        return "use the step charset, which writes the texts anew too"
    if key in _PIXELS or key.startswith("7FE0"):
        return "this is the pixel data, or says how it is to be read: leave it"
    return None


def _tags(field: str, tags: Sequence[str], vr_needed: Callable[[str], str | None]) -> Fault | None:
    for tag in tags:
        try:
            cure = vr_needed(_vr(tag)) or _protected(tag)
        except UnknownName as unknown:
            cure = str(unknown)
        if cure is not None:
            return field, tag, cure
    return None


def _vr(tag: str) -> str:
    last = steps_of(resolve_tag(tag).key)[-1]
    return "LO" if last.vr == "UN" and last.creator else last.vr


def _set(step: SetStep) -> Fault | None:
    if step.vr is not None and not writable(step.vr):
        return "vr", step.vr, "write the VR of texts or numbers, such as LO, SH or US"
    found = _tags("tag", step.tag, lambda vr: None if writable(step.vr or vr) else f"set writes no {vr}")
    for tag in () if found else step.tag:
        if step.vr is not None and steps_of(resolve_tag(tag).key)[-1].vr not in ("UN", step.vr):
            return "vr", step.vr, f"{tag} is {_vr(tag)}: leave vr out"
        found = found or _values("value", step.value, step.vr or _vr(tag))
    return found


def _values(field: str, values: Sequence[str], vr: str) -> Fault | None:
    for value in values:
        if (cure := _unknown_place(value)) is not None:
            return field, value, cure
        try:
            encoded(vr, [_BRACES.sub("A", value)], _UNICODE)
        except Unwritable as error:
            return field, value, f"{error}: write another value"
    return None


def _unknown_place(text: str) -> str | None:
    unknown = next((name for name in _BRACES.findall(text) if name not in PLACES), None)
    return None if unknown is None else f"{{{unknown}}} stands for nothing; there is {{calling_aet}}, {{called_aet}}"


def _remove(step: RemoveStep) -> Fault | None:
    return _tags("tag", step.tag, lambda vr: None)


def _readable(verb: str) -> Callable[[str], str | None]:
    return lambda vr: None if textual(vr) else f"{verb} works on text, and this is {vr}"


def _copy(step: CopyStep) -> Fault | None:
    try:
        source = _vr(step.tag)
    except UnknownName as unknown:
        return "tag", step.tag, str(unknown)
    if not writable(source):
        return "tag", step.tag, f"copy takes texts and numbers, and this is {source}"
    return _tags("to", [step.to], lambda vr: None if writable(vr) else f"copy writes no {vr}")


def _replace(step: ReplaceStep) -> Fault | None:
    try:
        groups = pattern(step.pattern, step.ignore_case).groups
    except re2.error as error:
        detail = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else str(error)
        return "pattern", step.pattern, f"write a regular expression that RE2 knows ({detail})"
    missing = next((each for each in GROUP.findall(step.by) if each != "\\" and int(each) > groups), None)
    if missing is not None:
        return "by", step.by, f"the pattern has no group {missing}; it has {groups}"
    if (cure := _unknown_place(step.by)) is not None:
        return "by", step.by, cure
    return _tags("tag", step.tag, _readable("replace"))


def _prefix(step: PrefixStep) -> Fault | None:
    if (cure := _unknown_place(step.text)) is not None:
        return "text", step.text, cure
    return _tags("tag", step.tag, _readable("prefix"))


def _deidentify(step: DeidentifyStep) -> Fault | None:
    for tag in step.keep:
        try:
            if "/" in resolve_tag(tag).key:
                return "keep", tag, "name the element alone: it is kept wherever it stands"
        except UnknownName as unknown:
            return "keep", tag, str(unknown)
    return None


def _charset(step: CharsetStep) -> Fault | None:
    for term in step.value:
        if term not in python_encoding:
            close = likest(term.upper(), tuple(filter(None, python_encoding)))
            return "value", term, f"did you mean {close}?" if close else "write a defined term such as ISO_IR 192"
    if len(step.value) > 1 and {"ISO_IR 192", "GB18030", "GBK"} & set(step.value):
        return "value", ", ".join(step.value), "this character set stands alone"
    return None


def _transfer_syntax(step: TransferSyntaxStep) -> Fault | None:
    unknown = next((each for each in step.prefer if each.strip().lower() not in SYNTAXES), None)
    if unknown is None:
        return None
    cure = "write received, Explicit VR Little Endian or Implicit VR Little Endian"
    return "prefer", unknown, f"{cure}; nothing is compressed here, what came compressed stays so by received"


_CHECKS: Final[dict[type[AnyStep], Callable[[Any], Fault | None]]] = {
    SetStep: _set,
    RemoveStep: _remove,
    CopyStep: _copy,
    ReplaceStep: _replace,
    PrefixStep: _prefix,
    DeidentifyStep: _deidentify,
    CharsetStep: _charset,
    TransferSyntaxStep: _transfer_syntax,
}
