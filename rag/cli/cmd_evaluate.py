"""`rag eval` and `rag why`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rag.cli.cmd_evaluate_claims import check_claims
from rag.cli.options import shared
from rag.errors import InputError
from rag.render.json import print_json
from rag.render.terminal import clean
from rag.settings import Settings

if TYPE_CHECKING:
    from rag.evaluation.compare import Comparison
    from rag.evaluation.gates import Gate, GateVerdict
    from rag.evaluation.result import Result

_FILE = click.Path(path_type=Path)


@click.command("eval")
@click.argument("gold", required=False, type=_FILE)
@click.option(
    "--corpus",
    type=_FILE,
    help="Ingest these documents into a temporary index, and ask it the questions.",
)
@click.option(
    "--index", type=_FILE, help="Index folder; created if GOLD contains its own documents."
)
@click.option(
    "--claims",
    type=_FILE,
    help="Score the verdicts of rag check on these gold claims, instead of answers.",
)
@click.option(
    "--out",
    type=_FILE,
    default=Path("eval/results"),
    show_default=True,
    help="Folder for the reports.",
)
@click.option(
    "--limit", type=click.IntRange(1), help="Ask only this many questions, the same in each run."
)
@click.option(
    "--fail-under",
    multiple=True,
    metavar="NAME=BOUND",
    help="Exit with status 1 if a metric is lower, e.g. f1=70. Repeatable.",
)
@click.option(
    "--fail-over",
    multiple=True,
    metavar="NAME=BOUND",
    help="Exit with status 1 if a metric is higher, e.g. p95_ms=900. Repeatable.",
)
@click.option("--junit", type=_FILE, help="Write the bounds as a JUnit file, one test each.")
@click.option("--baseline", type=_FILE, help="An earlier result (.json) to compare with.")
@click.option(
    "--compare",
    nargs=2,
    type=_FILE,
    metavar="A.json B.json",
    help="Compare two results without asking questions.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def eval_command(
    gold: Path | None,
    corpus: Path | None,
    index: Path | None,
    claims: Path | None,
    out: Path,
    limit: int | None,
    fail_under: tuple[str, ...],
    fail_over: tuple[str, ...],
    junit: Path | None,
    baseline: Path | None,
    compare: tuple[Path, Path] | None,
    as_json: bool,
) -> None:
    """Ask the questions in GOLD, score the answers, and show which stage lost the wrong ones.

    GOLD is a JSON Lines file (eval/README.md shows how to write one), a SQuAD 1.1 or 2.0 file
    (.json or .json.gz), or a BEIR folder. Writes NAME-COMMIT.json, .html and .md; an interrupted
    run resumes. Exits with status 1 if a bound is broken.

    \b
    Examples:
      rag eval questions.jsonl
      rag eval questions.jsonl --corpus ~/notes --limit 50
      rag eval questions.jsonl --fail-under f1=70 --junit bounds.xml
      rag eval --compare before.json after.json
    """
    from rag.evaluation import gates

    if compare:
        _compare(*compare, as_json)
        return
    if claims:
        check_claims(claims, index, fail_under, fail_over, as_json)
        return
    if gold is None:
        raise InputError(
            "no gold set given", "run: rag eval GOLD, or rag eval --compare A.json B.json"
        )
    if corpus and index:
        raise InputError("--corpus uses a temporary index", "give --corpus or --index, not both")
    bounds = gates.parse(fail_under, fail_over)
    result, comparison = _run(gold, corpus, index, out, limit, baseline)
    _finish(result, comparison, bounds, out, junit, as_json)


def _run(
    gold: Path,
    corpus: Path | None,
    index: Path | None,
    out: Path,
    limit: int | None,
    baseline: Path | None,
) -> tuple[Result, Comparison | None]:
    from rag import build
    from rag.evaluation.compare import compare
    from rag.evaluation.corpus import opened
    from rag.evaluation.gold_formats import load
    from rag.evaluation.ranking import measure
    from rag.evaluation.result import Result
    from rag.evaluation.runs import run

    questions = load(gold)
    before = Result.load(baseline) if baseline else None
    measure([])  # fails now, not after the run, if its library is not installed
    with opened(build, Settings.load(index=index), questions, corpus, index) as searcher:
        result = run(questions, searcher, out, limit)
    return result, compare(before, result) if before else None


def _finish(
    result: Result,
    comparison: Comparison | None,
    bounds: Sequence[Gate],
    out: Path,
    junit: Path | None,
    as_json: bool,
) -> None:
    """Write the reports, print the summary, and exit with 1 if a bound is broken."""
    from rag.evaluation import gates
    from rag.evaluation.report import summary as words
    from rag.evaluation.report import write

    verdicts: list[GateVerdict] = gates.verdicts(bounds, result.summary)
    written = write.write(result, comparison, verdicts, out)
    if junit:
        gates.junit(result, verdicts, junit)
    if as_json:
        kept = [
            {"name": v.gate.name, "bound": v.gate.bound, "value": v.value, "passed": v.passed}
            for v in verdicts
        ]
        compared = {"baseline": words.comparison_dict(comparison)} if comparison else {}
        print_json(result.as_dict(False) | {"gates": kept, "written": written} | compared)
    else:
        click.echo(clean_lines(words.text(result, comparison, verdicts)))
        click.echo("\n" + "\n".join(str(path) for path in written))
    short = [verdict for verdict in verdicts if not verdict.passed]
    if short:
        for verdict in short:
            click.echo(f"rag: bound not met: {verdict.found}", err=True)
        sys.exit(1)


def _compare(first: Path, second: Path, as_json: bool) -> None:
    from rag.evaluation.compare import compare
    from rag.evaluation.report import summary as words
    from rag.evaluation.result import Result

    before, after = Result.load(first), Result.load(second)
    found = compare(before, after)
    if as_json:
        print_json(words.comparison_dict(found))
    else:
        click.echo(clean_lines(words.comparison_text(before, after, found)))


def clean_lines(text: str) -> str:
    """Remove control characters line by line, so that no document can control the terminal."""
    return "\n".join(clean(line) for line in text.split("\n"))


@click.command("why")
@click.argument("question", nargs=-1, required=True)
@click.option(
    "--answer",
    "answers",
    multiple=True,
    required=True,
    metavar="TEXT",
    help="A correct answer. Repeatable.",
)
@click.option("--document", metavar="ID", help="Document that contains the answer. Default: any.")
@shared
def why_command(
    settings: Settings,
    as_json: bool,
    question: tuple[str, ...],
    answers: tuple[str, ...],
    document: str | None,
) -> None:
    """Show which stage lost the right answer to QUESTION, with the evidence and its ranks.

    Exits with status 1 if the answer was lost.

    \b
    Examples:
      rag why "When does the lease end?" --answer "31 May 2027"
      rag why "Who signed it?" --answer "Ann Lee" --document notes/lease.md
    """
    from rag import build
    from rag.answering.searcher import check_question
    from rag.evaluation import diagnose

    asked = check_question(" ".join(question), settings.max_question)
    found = diagnose.why(build.engine(settings), asked, answers, document)
    print_json(found) if as_json else click.echo(clean_lines(diagnose.text(found, settings)))
    sys.exit(1 if found.stage else 0)
