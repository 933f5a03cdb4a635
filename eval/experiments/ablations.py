"""What each hand-written rule that takes part in choosing an answer costs to leave out.

python -m eval.experiments.ablations --index seeds=INDEX --index technical=INDEX [--squad FILE]
[--limit N] [--cache FILE]

Each NAME is a gold set of eval/gold, each INDEX the index that it is asked on. What the reader says
is read once and kept in the cache; the answers are then made again with each rule left out. Writes
eval/results/ablations.json: for each set the figures as shipped and, by rule, the difference, and
on how many questions the answer is another. Under one point of a hundred a rule goes.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from eval.experiments.kept_reads import KeptReads
from rag import build
from rag.answering import answer as compose
from rag.answering import by_form, comparing, confidence, features, forms, selection
from rag.answering.provenance import model_digest
from rag.engine import Engine, Query
from rag.evaluation.corpus import fill
from rag.evaluation.gold import Gold, Question, read_jsonl, sample
from rag.evaluation.gold_formats import load
from rag.evaluation.squad import exact, f1, is_right
from rag.evaluation.usefulness import judge, shown
from rag.settings import Settings
from rag.types import Answer

ROOT = Path(__file__).parents[2]
Figures = dict[str, float]
Patch = tuple[Any, str, Any]
"""(module or object, attribute, what stands for it)"""


def _rules(engine: Engine) -> dict[str, list[Patch]]:
    """What is left out, by name: the attributes that are replaced. A rule that was deleted has its
    row in the results of its commit."""
    plain = replace(engine.confidence, type=0.0)
    found: dict[str, list[Patch]] = {
        "type weight": [(engine, "confidence", plain)],
        "retrieval weight": [(engine, "confidence", replace(engine.confidence, retrieval=0.0))],
        "whole addresses, brackets, units": [
            (compose, "whole", lambda text, start, end: (start, end))
        ],
        "the sentence before a pronoun": [
            (selection, "_with_antecedent", lambda taken, text: taken)
        ],
        "a second list": [(by_form, "_ANOTHER_LIST", 2.0)],
        "lists around sentences": [(by_form, "list_at", lambda text, start, end: [])],
        "span where forms are near": [(forms, "_NEAR", 2.0)],
        "least odds of far forms": [(forms, "_FAR", {})],
        "sides of a comparison": [(comparing, "named", lambda question: ())],
        "forms (all answers are spans)": [(engine, "_forms", None)],
    }
    for module, name, stand_in in _OLD:
        if hasattr(module, name):
            found[name] = [(module, name, stand_in)]
    return found


_OLD: list[Patch] = [
    (features, "dating", lambda *_: 0.0),
    (features, "asked_for", lambda *_: 0.0),
    (features, "precision", lambda _: ""),
    (confidence, "repeats", lambda *_: False),
    (compose, "beside", lambda *_: ([], [])),
    (compose, "says_below", lambda *_: None),
]
"""Rules of the span, until they are deleted."""


@contextmanager
def left_out(patches: Sequence[Patch]) -> Iterator[None]:
    kept = [(where, name, getattr(where, name)) for where, name, _ in patches]
    features.span_features.cache_clear()
    try:
        for where, name, stand_in in patches:
            setattr(where, name, stand_in)
        yield
    finally:
        for where, name, value in kept:
            setattr(where, name, value)
        features.span_features.cache_clear()


def figures(questions: Sequence[Question], answers: Sequence[Answer]) -> Figures:
    """Shares of all questions: exact match, F1, useful answers or right refusals, wrong answers;
    and the best candidate's."""
    judged = [
        judge(question, shown(answer)) for question, answer in zip(questions, answers, strict=True)
    ]
    best = [
        answer.text or (answer.alternatives[0].text if answer.alternatives else None)
        for answer in answers
    ]
    count = len(questions)
    good = sum(
        j == ("useful" if q.answers else "refused") for j, q in zip(judged, questions, strict=True)
    )
    answerable = [(b, q) for b, q in zip(best, questions, strict=True) if q.answers]
    return {
        "em": sum(exact(a.text, q.answers) for a, q in zip(answers, questions, strict=True))
        / count,
        "f1": sum(f1(a.text, q.answers) for a, q in zip(answers, questions, strict=True)) / count,
        "good": good / count,
        "wrong": sum(j == "wrong" for j in judged) / count,
        "best right": sum(is_right(b, q.answers) for b, q in answerable) / max(1, len(answerable)),
    }


def ablate(
    engine: Engine, questions: Sequence[Question], say: Callable[[str], object]
) -> dict[str, Any]:
    """The figures as shipped and, by rule, what leaving it out adds to each, in points of a
    hundred."""
    shipped = _answers(engine, questions)
    base = figures(questions, shipped)
    made: dict[str, Any] = {
        "questions": len(questions),
        "shipped": {k: round(100 * v, 2) for k, v in base.items()},
        "left out": {},
    }
    for name, patches in _rules(engine).items():
        with left_out(patches):
            answers = _answers(engine, questions)
        after = figures(questions, answers)
        changed = sum(
            (a.text, a.citations) != (b.text, b.citations)
            for a, b in zip(shipped, answers, strict=True)
        )
        made["left out"][name] = {
            "changed": changed,
            **{k: round(100 * (after[k] - base[k]), 2) for k in base},
        }
        say(
            f"  {name:34} changed {changed:4}  "
            + "  ".join(f"{k} {100 * (after[k] - base[k]):+.2f}" for k in base)
        )
    return made


def _answers(engine: Engine, questions: Sequence[Question]) -> list[Answer]:
    return [engine.ask_many([Query(question.text)])[0] for question in questions]


def _engine(settings: Settings, reader: str, cache: Path) -> Engine:
    embedder = build.embedder(settings)
    kept = KeptReads(build.reader(settings), model_digest(reader), cache)
    return build.assemble(settings, build.store(settings, embedder), embedder, kept)


@click.command()
@click.option(
    "--index",
    "indexes",
    multiple=True,
    required=True,
    help="NAME=INDEX, a gold set of eval/gold and its index.",
)
@click.option(
    "--squad",
    type=click.Path(path_type=Path),
    help="Held-out SQuAD articles; passed over if the file is absent.",
)
@click.option("--reader", default="accurate", show_default=True)
@click.option("--limit", type=int, help="At most so many questions of each set.")
@click.option(
    "--cache",
    type=click.Path(path_type=Path),
    default=Path("reads.jsonl"),
    show_default=True,
    help="What was read.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), default=ROOT / "eval/results/ablations.json"
)
def main(
    indexes: tuple[str, ...],
    squad: Path | None,
    reader: str,
    limit: int | None,
    cache: Path,
    out: Path,
) -> None:
    """Leave each rule out in turn."""
    made: dict[str, Any] = {}
    for one in indexes:
        name, _, index = one.partition("=")
        settings = Settings.load(index=Path(index), reader=reader)
        questions = sample(read_jsonl(ROOT / f"eval/gold/{name}.jsonl"), limit)
        click.echo(f"{name}: {len(questions)} questions", err=True)
        made[name] = ablate(
            _engine(settings, reader, cache), questions, lambda line: click.echo(line, err=True)
        )
    if squad and squad.is_file():
        made[squad.name.split(".")[0]] = _squad(load(squad), reader, limit, cache)
    out.write_text(json.dumps({"reader": reader, "sets": made}, indent=1) + "\n", encoding="utf-8")


def _squad(gold: Gold, reader: str, limit: int | None, cache: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.load(index=Path(folder) / "index", reader=reader)
        embedder = build.embedder(settings)
        store = build.store(settings, embedder, create=True)
        fill(gold.documents, store, embedder, settings.passage_tokens)
        store.close()
        questions = sample(gold.questions, limit)
        click.echo(f"{gold.name}: {len(questions)} questions", err=True)
        return ablate(
            _engine(settings, reader, cache), questions, lambda line: click.echo(line, err=True)
        )


if __name__ == "__main__":
    main()
