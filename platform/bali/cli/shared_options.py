"""Options that several commands take: declared once, and made into one value."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Any

Command = Callable[..., None]


def with_options(**made_by: Callable[..., Any]) -> Callable[[Command], Command]:
    """Give a command the options of a function, in the place of the parameter that it makes.

    ``@with_options(limits=read_limits)``: typer sees the parameters of ``read_limits``, and the
    command gets what that returns as ``limits``.
    """
    ((name, make),) = made_by.items()
    options = signature(make, eval_str=True).parameters

    def decorate(command: Command) -> Command:
        parameters: list[Parameter] = []
        for each in signature(command, eval_str=True).parameters.values():
            parameters += options.values() if each.name == name else [each]

        @wraps(command)
        def joined(**given: Any) -> None:
            value = make(**{option: given.pop(option) for option in options})
            command(**given, **{name: value})

        by_name = [each.replace(kind=Parameter.KEYWORD_ONLY) for each in parameters]
        joined.__dict__["__signature__"] = Signature(by_name)
        return joined

    return decorate
