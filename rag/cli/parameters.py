"""Options and arguments that say in words which values they take.

Apart from `rag.cli.options`, because the help of `rag` needs no settings and no types of answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from rag.errors import InputError


@contextmanager
def _in_words(parameter: click.Parameter, context: click.Context, value: Any) -> Iterator[None]:
    """Turn click's message about a value into an InputError that says what the value must be."""
    try:
        yield
    except click.BadParameter as error:
        name = max(parameter.opts, key=len)
        if isinstance(parameter, click.Argument):
            name = parameter.human_readable_name
        allowed = _allowed(parameter.type)
        message = f"{name} must be {allowed}, not {value!r}" if allowed else error.message
        raise InputError(message, f"see: {context.command_path} --help") from error


def _allowed(kind: click.ParamType[Any]) -> str:
    """What a value of this kind must be; "" for a file, for which click says what is wrong."""
    if isinstance(kind, click.Choice):
        *choices, last_choice = map(str, kind.choices)
        return f"{', '.join(choices)} or {last_choice}"
    if isinstance(kind, (click.IntRange, click.FloatRange)):
        number = "a whole number" if isinstance(kind, click.IntRange) else "a number"
        if kind.max is None:
            return f"{number} of at least {kind.min}"
        if kind.min_open:
            return f"{number} between {kind.min} and {kind.max}"
        return f"{number} from {kind.min:,} to {kind.max:,}"
    return ""


class Option(click.Option):
    """An option that says in words which values it takes."""

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        with _in_words(self, ctx, value):
            return super().type_cast_value(ctx, value)


class Argument(click.Argument):
    """An argument that says in words which values it takes."""

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        with _in_words(self, ctx, value):
            return super().type_cast_value(ctx, value)
