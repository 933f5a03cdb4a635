"""`rag eval --claims`."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from tqdm import tqdm

from rag.errors import InputError
from rag.render.json import print_json
from rag.render.terminal import clean
from rag.settings import Settings

_BOUNDED = (
    "balanced_accuracy",
    "right",
    "supported_struck",
    "unsupported_passed",
    "document_found",
)


def check_claims(
    path: Path,
    index: Path | None,
    fail_under: tuple[str, ...],
    fail_over: tuple[str, ...],
    as_json: bool,
) -> None:
    """Check the gold claims in `path` and print the scores of the verdicts. Exits with status 1 if
    a bound is broken.
    """
    from rag import build
    from rag.evaluation import claims

    bounds = [(*_bound(one), True) for one in fail_under] + [
        (*_bound(one), False) for one in fail_over
    ]
    gold = claims.read_claims(path)
    checker = build.checker(Settings.load(index=index))
    with tqdm(total=len(gold), unit="claim", disable=None, file=sys.stderr) as progress:
        result = claims.run(gold, checker, progress.update)
    if as_json:
        print_json(result.as_dict())
    else:
        click.echo("\n".join(clean(line) for line in claims.text(result).split("\n")))
    short = [
        f"bound not met: {name} {'≥' if least else '≤'} {bound}: {result.summary[name]}"
        for name, bound, least in bounds
        if (value := result.summary[name]) is None or (value < bound if least else value > bound)
    ]
    for line in short:
        click.echo(f"rag: {line}", err=True)
    sys.exit(1 if short else 0)


def _bound(text: str) -> tuple[str, float]:
    name, _, bound = text.partition("=")
    try:
        if name not in _BOUNDED:
            raise ValueError(name)
        return name, float(bound)
    except ValueError as error:
        known = ", ".join(_BOUNDED)
        raise InputError(
            f"{text!r} is not a bound for claims", f"write NAME=NUMBER; the names are {known}"
        ) from error
