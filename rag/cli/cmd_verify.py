"""`rag verify`, `rag replay` and `rag calibrate`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from rag import build
from rag.answering import provenance
from rag.answering.verification import CitationCheck, citations, verify
from rag.cli.options import shared
from rag.errors import InputError, writing_to
from rag.render import terminal
from rag.render.json import plain, print_json
from rag.settings import Settings

_FILE = click.Path(exists=True, dir_okay=False, allow_dash=True)


@click.command("verify")
@click.argument("file", type=_FILE, default="-")
@shared
def verify_command(settings: Settings, as_json: bool, file: str) -> None:
    """Check the citations in FILE (or stdin) against the current index: ok, moved, changed or
    missing.

    FILE is the output of `rag ask --json`, an answer of the HTTP service, or a list of citations.
    Exits with status 1 unless all citations are ok or moved.

    \b
    Examples:
      rag ask --json "When does the lease end?" > answer.json
      rag verify answer.json
      rag ask --json "Who signed the lease?" | rag verify
    """
    cited = citations(_read_json(file))
    if not cited:
        raise InputError(
            'the answer has no citations (it was "not found")',
            "give an answer with citations: rag ask --json QUESTION",
        )
    store = build.store(settings, any_embedder=True)
    verdicts = [verify(store, citation) for citation in cited]
    print_json(verdicts) if as_json else _print_verdicts(verdicts)
    sys.exit(0 if all(verdict.status in ("ok", "moved") for verdict in verdicts) else 1)


def _print_verdicts(verdicts: list[CitationCheck]) -> None:
    for verdict in verdicts:
        quote = verdict.quote if len(verdict.quote) <= 60 else verdict.quote[:59] + "…"
        click.echo(
            f'{verdict.status:8}{terminal.clean(verdict.document_id)}  "{terminal.clean(quote)}": '
            f"{verdict.detail}"
        )
        if verdict.now:
            click.echo(f"        now: {terminal.clean(verdict.now)}")


@click.command("replay")
@click.argument("file", type=_FILE, default="-", metavar="RECEIPT")
@shared
def replay_command(settings: Settings, as_json: bool, file: str) -> None:
    """Ask the question of RECEIPT again with the same options, and show what changed.

    RECEIPT is a file (or stdin) with the output of `rag ask --json`, or its field `receipt`. Exits
    with status 1 if the answer differs.

    \b
    Examples:
      rag ask --json "When does the lease end?" > answer.json
      rag replay answer.json
    """
    old = provenance.load(_read_json(file))
    done = provenance.replay(build.engine(settings).ask, old)
    if as_json:
        print_json({"same": done.same, "changed": list(done.changed), "answer": done.answer})
    else:
        click.echo("same answer" if done.same else "the answer has changed")
        for line in done.changed or ("nothing that affects it has changed",):
            click.echo(f"  {terminal.clean(line)}")
        if not done.same:
            click.echo(f"\n{terminal.answer(done.answer)}")
    sys.exit(0 if done.same else 1)


@click.command("calibrate")
@click.argument("gold", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--risk",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Largest share of wrong answers to certify, e.g. 0.05.",
)
@click.option(
    "--confidence",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.95,
    show_default=True,
    help="Probability with which the certified risk holds.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default="calibration.json",
    show_default=True,
    help="File to write.",
)
@shared
def calibrate_command(
    settings: Settings,
    as_json: bool,
    gold: Path,
    risk: float | None,
    confidence: float,
    out: Path,
) -> None:
    """Calibrate the confidence on the questions in GOLD and write a file for RAG_CALIBRATION.

    GOLD has one JSON object per line: "question", "answers" (every accepted wording; [] if the
    documents do not answer it), and optionally "evidence" [{"document": …, "sentence": …}], as for
    rag eval. --risk chooses the lowest threshold for which the questions certify that at most this
    share of the answers is wrong; too few questions are an error that says how many are needed.
    Without it, the share of refused questions is the share of unanswerable ones.

    \b
    Examples:
      rag calibrate gold.jsonl --risk 0.05
      RAG_CALIBRATION=calibration.json rag ask "When does the lease end?"
    """
    from rag.evaluation.calibrate import calibrate
    from rag.evaluation.gold import read_jsonl

    if not out.resolve().parent.is_dir():
        raise InputError(
            f"{out} cannot be written: no such folder",
            "create it, or choose another file with --out",
        )
    done = calibrate(build.engine(settings), read_jsonl(gold), risk, confidence)
    text = json.dumps(plain(done.fitted), indent=2, ensure_ascii=False) + "\n"
    with writing_to(out, "choose another file with --out"):
        out.write_text(text, encoding="utf-8")
    if as_json:
        print_json(done.fitted)
        return
    for line in done.says:
        click.echo(line)
    click.echo(f"{out}: use it with RAG_CALIBRATION={out}")


def _read_json(file: str) -> Any:
    name = "stdin" if file == "-" else file
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        return json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"{name} is not JSON: {error}", "give the output of `rag ask --json`"
        ) from error
