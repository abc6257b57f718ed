"""Options that several commands take, written once."""

from collections.abc import Callable, Mapping
from inspect import Parameter, signature
from typing import Any, TypeVar

Command = TypeVar("Command", bound=Callable[..., Any])


def takes(options: Mapping[str, Any]) -> Callable[[Command], Command]:
    """The command takes these options, which may be left out (None), in place of its ``**given``.

    ``options``: by name what Typer is to know of each, as an annotation.
    """
    shared = [Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=what) for name, what in options.items()]

    def taking(command: Command) -> Command:
        own = signature(command)
        named = [each for each in own.parameters.values() if each.kind is not Parameter.VAR_KEYWORD]
        command.__signature__ = own.replace(parameters=[*named, *shared])  # type: ignore[attr-defined]
        return command

    return taking
