"""Measures what each hand-written rule for choosing an answer contributes.

python -m eval.experiments.ablations --cache DIR [SET...]

DIR is made by `python -m eval.experiments.kept`; SET is one of its sets, by default all. The
answers are composed again with each rule left out. Writes eval/results/ablations.json: for each set
the figures as shipped and, by rule, the difference and the number of changed answers. Rules that
contribute less than one percentage point are deleted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from eval.experiments.kept import ROOT, SETS, done, opened
from rag.answering import answer as compose
from rag.answering import (
    by_form,
    candidates,
    comparing,
    forms,
    selection,
)
from rag.answering.searcher import Query
from rag.engine import Engine
from rag.evaluation.gold import Question
from rag.evaluation.squad import exact, f1, is_right
from rag.evaluation.usefulness import is_good, judge, shown
from rag.types import Answer

Figures = dict[str, float]
Patch = tuple[Any, str, Any]
"""(module or object, attribute, replacement)"""


def rules(engine: Engine) -> dict[str, list[Patch]]:
    """Ablations by name: the attributes to replace. Deleted rules keep their rows in the
    results.
    """
    return {
        "conflicts": [(compose, "conflicts", lambda *_: [])],
        "same value in other words": [
            (candidates, "say_the_same", lambda one, other: one.said == other.said)
        ],
        "retrieval weight of spans": [
            (engine, "confidence", replace(engine.confidence, retrieval=0.0))
        ],
        "whole addresses, brackets, units": [
            (compose, "whole", lambda text, start, end: (start, end))
        ],
        "retrieval weight of sentences": [(selection, "RETRIEVAL", 0.0)],
        "headings are no sentences": [(by_form, "said", lambda found, documents: list(found))],
        "short lines are no sentences": [(selection, "_is_short_line", lambda *_: False)],
        "the sentence before a pronoun": [
            (selection, "_with_antecedent", lambda taken, text: taken)
        ],
        "one sentence only": [(selection, "MOST", 1)],
        "a second list": [(by_form, "_ANOTHER_LIST", 2.0)],
        "lists around sentences": [(by_form, "list_at", lambda text, start, end: [])],
        "span where forms are near": [(forms, "_NEAR", 2.0)],
        "least odds of far forms": [(forms, "_FAR", {})],
        "least score of a comparison": [(by_form, "_COMPARED", 0.0)],
        "a sentence that binds yes or no": [(by_form, "_BOUND", 2.0)],
        "sides of a comparison": [(comparing, "named", lambda question: ())],
        "forms (all answers are spans)": [(engine, "_forms", None)],
    }


@contextmanager
def left_out(patches: Sequence[Patch]) -> Iterator[None]:
    kept = [(where, name, getattr(where, name)) for where, name, _ in patches]
    try:
        for where, name, stand_in in patches:
            setattr(where, name, stand_in)
        yield
    finally:
        for where, name, value in kept:
            setattr(where, name, value)


def figures(questions: Sequence[Question], answers: Sequence[Answer]) -> Figures:
    """Shares of all questions: exact match, F1, useful answers or right refusals, wrong answers;
    and the best candidate's scores.
    """
    pairs = list(zip(answers, questions, strict=True))
    judged = [judge(question, shown(answer)) for answer, question in pairs]
    best = [
        (a.text or (a.alternatives[0].text if a.alternatives else None), q)
        for a, q in pairs
        if q.answers
    ]
    count = len(questions)
    return {
        "em": sum(exact(a.text, q.answers) for a, q in pairs) / count,
        "f1": sum(f1(a.text, q.answers) for a, q in pairs) / count,
        "good": sum(is_good(q, j) for (_, q), j in zip(pairs, judged, strict=True)) / count,
        "wrong": sum(j == "wrong" for j in judged) / count,
        "best right": sum(is_right(text, q.answers) for text, q in best) / max(1, len(best)),
    }


def ablate(engine: Engine, questions: Sequence[Question]) -> dict[str, Any]:
    """The figures as shipped and, by rule, their change without it, in percentage points."""
    shipped = answers(engine, questions)
    base = figures(questions, shipped)
    made: dict[str, Any] = {}
    for name, patches in rules(engine).items():
        with left_out(patches):
            without = answers(engine, questions)
        after = figures(questions, without)
        pairs = zip(shipped, without, strict=True)
        changed = sum((a.text, a.citations) != (b.text, b.citations) for a, b in pairs)
        made[name] = {"changed": changed} | {
            key: round(100 * (after[key] - base[key]), 2) for key in base
        }
        click.echo(f"  {name:42} {made[name]}", err=True)
    return {
        "questions": len(questions),
        "shipped": {key: round(100 * share, 2) for key, share in base.items()},
        "left out": made,
    }


def answers(engine: Engine, questions: Sequence[Question]) -> list[Answer]:
    return [engine.ask_many([Query(question.text)])[0] for question in questions]


@click.command()
@click.option("--cache", type=click.Path(path_type=Path, exists=True), required=True)
@click.option(
    "--out", type=click.Path(path_type=Path), default=ROOT / "eval/results/ablations.json"
)
@click.argument("names", nargs=-1, type=click.Choice(list(SETS)))
def main(cache: Path, out: Path, names: tuple[str, ...]) -> None:
    """Run the ablations."""
    made = json.loads(out.read_text(encoding="utf-8")) if out.is_file() else {"sets": {}}
    for name in names or tuple(SETS):
        engine, questions = opened(name, cache)
        questions = done(name, cache, questions)
        click.echo(f"{name}: {len(questions)} questions", err=True)
        before = made["sets"].get(name, {}).get("left out", {})
        made["sets"][name] = ablate(engine, questions)
        made["sets"][name]["left out"] = before | made["sets"][name]["left out"]
        engine.store.close()
    out.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
