"""`rag eval`: scores gold sets, compares results, finds what lost an answer, and calibrates."""

from __future__ import annotations

import dataclasses
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rag import build
from rag.cli.options import (
    QUESTION,
    LocalPath,
    argument,
    check_folder,
    command,
    option,
    show,
    write_text,
)
from rag.errors import InputError
from rag.query import check_question
from rag.render.status import clean
from rag.settings import Settings
from rag.types import plain

if TYPE_CHECKING:
    from rag.evaluation.gates import Gate
    from rag.evaluation.gold import Question

_NOT_WRITTEN = "No report was written; --out FOLDER writes them as a page, Markdown and JSON."
_SHARE = click.FloatRange(0, 1, min_open=True, max_open=True)
_CLAIM_METRICS = (
    "balanced_accuracy right supported_struck unsupported_passed document_found".split()
)
_FAIL_UNDER = option(
    "Exit with status 1 if a metric is lower, e.g. f1=70. Repeatable.", metavar="NAME=BOUND"
)
_FAIL_OVER = option(
    "Exit with status 1 if a metric is higher, e.g. p95_ms=900. Repeatable.", metavar="NAME=BOUND"
)


@command(
    "run",
    "none",
    fields="format facts counts metrics intervals latency per_second stages risk reliability "
    "gates written baseline",
)
def run_command(
    gold: Path,
    corpus: Path | None = option(
        "Ingest these documents into a temporary index, and ask it the questions."
    ),
    index: Path | None = option("Index folder; created if GOLD contains its own documents."),
    out: Path | None = option("Write the reports into this folder, and resume from it."),
    limit: int | None = option(
        "Ask only this many questions, the same in each run.", type=click.IntRange(1)
    ),
    in_plain_words: bool = option(
        "Ask the questions in their second wording, the field `plain` of GOLD."
    ),
    fail_under: tuple[str, ...] = _FAIL_UNDER,
    fail_over: tuple[str, ...] = _FAIL_OVER,
    junit: Path | None = option("Write the bounds as a JUnit file, one test each."),
    baseline: Path | None = option("An earlier result (.json) to compare with."),
) -> None:
    """Ask the questions in GOLD, score the answers, and show which stage lost the wrong ones.

    GOLD is a JSON Lines file (eval/README.md shows how to write one), a SQuAD 1.1 or 2.0 file
    (.json or .json.gz), or a BEIR folder. Nothing is written unless --out names a folder: it gets
    NAME-COMMIT.json, .html and .md, and an interrupted run resumes. Exits with status 1 if a bound
    is broken.

    \b
    Examples:
      rag eval run questions.jsonl
      rag eval run questions.jsonl --corpus ~/notes --limit 50 --out reports
      rag eval run questions.jsonl --in-plain-words
      rag eval run questions.jsonl --fail-under f1=70 --junit bounds.xml
    """
    from rag.evaluation import gates
    from rag.evaluation.corpus import opened
    from rag.evaluation.gold_formats import load
    from rag.evaluation.report import page
    from rag.evaluation.report import summary as words
    from rag.evaluation.result import Result, compare
    from rag.evaluation.runs import run

    if corpus and index:
        raise InputError("--corpus uses a temporary index", "give --corpus or --index, not both")
    check_folder(junit)
    if out and out.is_file():
        raise InputError(f"--out {out} is a file, not a folder", "name another folder with --out")
    bounds, questions = gates.parse(fail_under, fail_over), load(gold)
    if in_plain_words:
        questions = dataclasses.replace(
            questions, questions=asked_plainly(gold, questions.questions)
        )
    baseline_result = Result.load(baseline) if baseline else None
    with (
        tempfile.TemporaryDirectory(prefix="rag-eval-") as unkept,
        opened(build, Settings.load(index=index), questions, corpus, index) as asked,
    ):
        result = run(questions, asked, out or Path(unkept), limit)
    comparison = compare(baseline_result, result) if baseline_result else None
    verdicts = gates.verdicts(bounds, result.summary)
    written = page.write(result, comparison, verdicts, out) if out else []
    if junit:
        gates.junit(result, verdicts, junit)
    rows = [
        {"name": v.name, "bound": v.bound, "value": v.value, "passed": v.passed} for v in verdicts
    ]
    compared = {"baseline": words.comparison_dict(comparison)} if comparison else {}
    value = result.as_dict(False) | {"gates": rows, "written": written} | compared
    text = clean(words.text(result, comparison, verdicts))
    show(value, [text, "", *(map(str, written) if out else [_NOT_WRITTEN])])
    _exit_by([verdict.found for verdict in verdicts if not verdict.passed])


def asked_plainly(gold: Path, questions: Sequence[Question]) -> tuple[Question, ...]:
    """The questions in their second wording. Raises InputError if none has one."""
    from rag.evaluation.gold import in_other_words

    asked = in_other_words(questions)
    if not asked:
        raise InputError(
            f"no question in {gold} has a second wording",
            'add the field "plain" to its lines; see eval/README.md',
        )
    return tuple(asked)


def _exit_by(broken: Sequence[str]) -> None:
    for line in broken:
        click.echo(f"rag: bound not met: {line}", err=True)
    sys.exit(1 if broken else 0)


@command("compare", "none")
def compare_command(
    first: Path = argument(metavar="A.json"), second: Path = argument(metavar="B.json")
) -> None:
    """Compare two results of rag eval run: what changed, and whether it may be chance.

    \b
    Examples:
      rag eval compare before.json after.json
      rag eval compare before.json after.json --json
    """
    from rag.evaluation.report import summary as words
    from rag.evaluation.result import Result, compare

    result, rival = Result.load(first), Result.load(second)
    comparison = compare(result, rival)
    text = clean(words.comparison_text(result, rival, comparison))
    show(words.comparison_dict(comparison), text)


@command("claims", "none")
def claims_command(
    gold: Path,
    index: Path | None = option("Index folder."),
    fail_under: tuple[str, ...] = _FAIL_UNDER,
    fail_over: tuple[str, ...] = _FAIL_OVER,
) -> None:
    """Check the claims in GOLD as rag check does, and score the verdicts.

    GOLD has one claim per line; docs/claims.md shows the format. Exits with status 1 if a bound is
    broken.

    \b
    Examples:
      rag eval claims claims.jsonl
      rag eval claims claims.jsonl --fail-under balanced_accuracy=0.7
    """
    from rag.evaluation import claims

    gates = [_gate(text, True) for text in fail_under] + [_gate(text, False) for text in fail_over]
    questions = claims.read_claims(gold)
    rows = claims.run(questions, build.checker(Settings.load(index=index)))
    show(claims.as_dict(rows), clean(claims.text(rows)))
    figures = claims.summary(rows)
    measured = [dataclasses.replace(gate, value=figures[gate.name]) for gate in gates]
    _exit_by([f"{gate.text}: {gate.value}" for gate in measured if not gate.passed])


def _gate(text: str, is_minimum: bool) -> Gate:
    from rag.evaluation.gates import Gate

    name, _, bound = text.partition("=")
    try:
        if name not in _CLAIM_METRICS:
            raise ValueError(name)
        return Gate(name, float(bound), is_minimum)
    except ValueError as error:
        hint = f"write NAME=NUMBER; the names are {', '.join(_CLAIM_METRICS)}"
        raise InputError(f"{text!r} is not a bound for claims", hint) from error


@command("why")
def why_command(
    settings: Settings,
    question: str = QUESTION,
    answers: tuple[str, ...] = option(
        "A correct answer. Repeatable.", "--answer", required=True, metavar="TEXT"
    ),
    document: str | None = option("Document that contains the answer. Default: any.", metavar="ID"),
) -> None:
    """Show which stage lost the right answer to QUESTION, with the evidence and its ranks.

    Exits with status 1 if the answer was lost.

    \b
    Examples:
      rag eval why "When does the lease end?" --answer "31 May 2027"
      rag eval why "Who signed it?" --answer "Ann Lee" --document notes/lease.md
    """
    from rag.evaluation import diagnose

    text = check_question(question, settings.max_question)
    opened = build.store_to_ask(settings)
    asked = diagnose.gold_question(opened, text, answers, document)
    diagnosis = diagnose.why(build.engine(settings, opened), asked)
    show(diagnosis, clean(diagnose.text(diagnosis, settings)))
    sys.exit(1 if diagnosis.stage else 0)


@command("calibrate", fields="networks slope offset threshold risk report")
def calibrate_command(
    settings: Settings,
    gold: Path = argument(type=LocalPath(exists=True, dir_okay=False, path_type=Path)),
    risk: float | None = option(
        "Largest share of wrong answers to certify, e.g. 0.05.", type=_SHARE
    ),
    confidence: float = option(
        "Probability with which the certified risk holds.",
        type=_SHARE,
        default=0.95,
        show_default=True,
    ),
    out: Path = option("File to write.", default="calibration.json", show_default=True),
) -> None:
    """Calibrate the confidence on the questions in GOLD and write a file for RAG_CALIBRATION.

    GOLD has one JSON object per line: "question", "answers" (every accepted wording; [] if the
    documents do not answer it), and optionally "evidence" [{"document": …, "sentence": …}], as for
    rag eval run. --risk chooses the lowest threshold for which the questions certify that at most
    this share of the answers is wrong; too few questions are an error that says how many are
    needed. Without it, the share of refused questions is the share of unanswerable ones.

    \b
    Examples:
      rag eval calibrate gold.jsonl --risk 0.05
      RAG_CALIBRATION=calibration.json rag ask "When does the lease end?"
    """
    from rag.evaluation.calibrate import calibrate, check_enough
    from rag.evaluation.gold import read_jsonl

    check_folder(out)
    questions = read_jsonl(gold)
    check_enough(questions)
    calibrated = calibrate(build.engine(settings), questions, risk, confidence)
    write_text(out, json.dumps(plain(calibrated.fitted), indent=2, ensure_ascii=False) + "\n")
    usage = f"{out}: use it with RAG_CALIBRATION={out}"
    show(calibrated.fitted, [*calibrated.says, usage])
