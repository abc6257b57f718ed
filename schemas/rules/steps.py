"""The steps of a transformation, as a rule or one of its targets lists them under ``transform``.

The models know the shape of a step; what its tags, values and patterns mean is asked from the judge in the validation
context, as for conditions.
"""

from typing import Annotated, Any, Literal, Protocol, Self

from pydantic import BeforeValidator, Discriminator, Field, StrictBool, StrictStr, ValidationInfo, model_validator

from schemas.rules.part import Part, fault

MOST_STEPS = 200

Option = Literal[
    "retain-uids",
    "retain-full-dates",
    "retain-device",
    "retain-institution",
    "retain-patient-characteristics",
]
"""Options of the basic profile (PS3.15 E.3) that can be kept to without knowing what a text means."""


class StepJudge(Protocol):
    """Knows what a step means."""

    def step(self, step: "AnyStep") -> tuple[str, Any, str] | None:
        """Field, value and cure of the first fault of a step that is well formed."""


def _as_texts(value: Any) -> Any:
    """One text or number stands for a list of one; numbers are the text they are written as."""
    values = value if isinstance(value, list) else [value]
    return [str(each) if isinstance(each, (int, float)) and not isinstance(each, bool) else each for each in values]


Tags = Annotated[list[StrictStr], BeforeValidator(_as_texts), Field(min_length=1, max_length=200)]
Texts = Annotated[
    list[Annotated[StrictStr, Field(max_length=10_000)]], BeforeValidator(_as_texts), Field(max_length=64)
]


class AnyStep(Part):
    """One step. ``do`` says what it does."""

    @model_validator(mode="after")
    def _judged(self, info: ValidationInfo) -> Self:
        judge: StepJudge | None = (info.context or {}).get("judge")
        found = judge.step(self) if judge is not None else None
        if found is not None:
            raise fault(*found)
        return self


class SetStep(AnyStep):
    """Give elements a value, making them where they are missing. ``vr`` is for private elements that nobody knows."""

    do: Literal["set"]
    tag: Tags
    value: Texts
    vr: StrictStr | None = None


class RemoveStep(AnyStep):
    """Leave elements out."""

    do: Literal["remove"]
    tag: Tags


class CopyStep(AnyStep):
    """Give the element ``to`` the values of another one."""

    do: Literal["copy"]
    tag: StrictStr
    to: StrictStr


class ReplaceStep(AnyStep):
    """In each value put ``by`` in the place of what the RE2 expression finds; \\1 to \\9 stand for its groups."""

    do: Literal["replace"]
    tag: Tags
    pattern: StrictStr = Field(min_length=1)
    by: StrictStr = Field(default="", max_length=1000)
    ignore_case: StrictBool = True


class PrefixStep(AnyStep):
    """Put a text before each value that has one and does not begin with it."""

    do: Literal["prefix"]
    tag: Tags
    text: StrictStr = Field(min_length=1, max_length=1000)


class NewUidsStep(AnyStep):
    """New UIDs of study, series, instance and all that refers to them; ``project``: another one has others."""

    do: Literal["new_uids"]
    project: StrictStr = Field(default="", max_length=100)


class DeidentifyStep(AnyStep):
    """De-identify by the basic profile (PS3.15 E.2) with options; ``keep`` names elements that stay as they are.

    ``burned_in``: send also images that say they have annotations burned into the pixels.
    """

    do: Literal["deidentify"]
    options: list[Option] = Field(default_factory=list, max_length=5)
    keep: Annotated[list[StrictStr], BeforeValidator(_as_texts), Field(max_length=1000)] = Field(default_factory=list)
    project: StrictStr = Field(default="", max_length=100)
    burned_in: StrictBool = False


class CharsetStep(AnyStep):
    """Write all text in another Specific Character Set (0008,0005)."""

    do: Literal["charset"]
    value: Texts


class TransferSyntaxStep(AnyStep):
    """Send in the first of these that the station accepts and that can be made; ``received`` is the stored one."""

    do: Literal["transfer_syntax"]
    prefer: Annotated[list[StrictStr], BeforeValidator(_as_texts), Field(min_length=1, max_length=3)]


class ReduceStep(AnyStep):
    """Of level 1 classes leave what a Xeleris of level 1 keeps (R92); others stay as they are."""

    do: Literal["reduce"]


Step = Annotated[
    SetStep
    | RemoveStep
    | CopyStep
    | ReplaceStep
    | PrefixStep
    | NewUidsStep
    | DeidentifyStep
    | CharsetStep
    | TransferSyntaxStep
    | ReduceStep,
    Discriminator("do"),
]
Steps = Annotated[list[Step], Field(min_length=1, max_length=MOST_STEPS)]
STEPS: dict[str, type[AnyStep]] = {
    "set": SetStep,
    "remove": RemoveStep,
    "copy": CopyStep,
    "replace": ReplaceStep,
    "prefix": PrefixStep,
    "new_uids": NewUidsStep,
    "deidentify": DeidentifyStep,
    "charset": CharsetStep,
    "transfer_syntax": TransferSyntaxStep,
    "reduce": ReduceStep,
}
"""The models by what ``do`` says."""
