"""Options that go together as one parameter of a command; typer reads the parameters of functions alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Any, get_type_hints


@dataclass(frozen=True, kw_only=True)
class Group:
    """Its fields are options as typer has them, called as their options are; None was not given."""

    def given(self) -> list[str]:
        """['--max-retries']"""
        options = (field.name for field in fields(self) if getattr(self, field.name) is not None)
        return [f"--{name.replace('_', '-')}" for name in options]


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the fields of its groups instead of them, for typer."""
    groups: dict[str, type[Group]] = {}
    parameters: list[Parameter] = []
    types = get_type_hints(command, include_extras=True)
    for name, parameter in signature(command).parameters.items():
        if is_dataclass(types[name]):
            groups[name] = types[name]
            parameters += _options(types[name])
        else:
            parameters.append(parameter.replace(kind=Parameter.KEYWORD_ONLY, annotation=types[name]))

    @wraps(command)
    def spread(**given: Any) -> None:
        for name, group in groups.items():
            given[name] = group(**{field.name: given.pop(field.name) for field in fields(group)})
        command(**given)

    spread.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    spread.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    return spread


def _options(group: type[Group]) -> list[Parameter]:
    types = get_type_hints(group, include_extras=True)
    return [
        Parameter(field.name, Parameter.KEYWORD_ONLY, default=field.default, annotation=types[field.name])
        for field in fields(group)
    ]
