"""Measures what each head and each rule of the answer forms is worth: useful and wrong answers
without it.

python -m eval.experiments.form_ablations --cache DIR [--data DATA] [--technical FOLDER]
[--out FILE] [SET...]

DIR, DATA and FOLDER as for `eval.experiments.kept`, which has to have read the sets. Every question
is asked as people ask it, the form is chosen, and `rag.evaluation.usefulness` judges what is shown.
Most rules were written on forms and technical, those for tables on tables; tables-held-out, own and
mixed were not looked at before. Writes a table to FILE, by default eval/results/form-ablations.md.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import click
from tqdm import tqdm

from eval.experiments.kept import ROOT, SETS, done, opened
from rag.answering import by_form, comparing, confidence, form_confidence, forms, selection
from rag.answering.searcher import Query
from rag.engine import Engine
from rag.evaluation.gold import Question
from rag.evaluation.usefulness import judge, shown
from rag.meaning.periods import Periods

_SETS = ("forms", "technical", "household", "own", "tables", "tables-held-out", "mixed", "reports")
_NEVER = re.compile(r"(?!)")
Change = tuple[ModuleType | type, str, Any]
RULES: dict[str, Sequence[Change]] = {
    "the sentence head: the sentence around the best span": [
        (by_form, "sentences_of", lambda _: [])
    ],
    "the verdict head: sentences for yes or no": [(by_form, "_yes_no", lambda *_: None)],
    "both heads: spans alone": [(by_form, "_in_form", lambda *_: None)],
    "a list near the best sentence, not only at it": [(by_form, "_LIST_SHARE", 1.0)],
    "a second list that scores nearly as well": [(by_form, "_ANOTHER_LIST", 2.0)],
    "a list instead of a span": [(by_form, "_PERHAPS_A_LIST", 2.0)],
    "rows of a table as a list": [(by_form, "matching_rows", lambda *_: [])],
    "of a table's rows those that have the question's words": [
        (by_form, "matching_rows", lambda _, __, rows: rows)
    ],
    "no is as likely as yes": [(form_confidence, "_YES_BIAS", 0.0)],
    "what a colon announces": [(by_form, "after_colon", lambda *_: [])],
    "headings and single words do not answer": [(by_form, "said", lambda found, _: list(found))],
    "the sentence before one that refers back": [(selection, "_DANGLING", _NEVER)],
    "the passage's rank counts": [(selection, "RETRIEVAL", 0.0)],
    "more than one sentence": [(selection, "MOST", 1)],
    "a condition after yes or no": [(by_form, "_BOUND", 2.0)],
    "the word of a sentence that begins with Yes or No": [(by_form, "_SAYS", _NEVER)],
    "sides of a comparison": [(comparing, "named", lambda _: ())],
    "words of a row's label that are not asked for": [(confidence, "_LABEL", 0.0)],
    "no figure of another period": [(Periods, "differ", lambda *_: False)],
    "the span where forms are near": [(forms, "_NEAR", 2.0)],
    "a least probability of rare forms": [(forms, "_FAR", {})],
}
"""Each head or rule, and what switches it off."""


@contextmanager
def without(changes: Sequence[Change]) -> Iterator[None]:
    with ExitStack() as stack:
        for module, name, value in changes:
            stack.callback(setattr, module, name, getattr(module, name))
            setattr(module, name, value)
        yield


def counted(
    engine: Engine, questions: Sequence[Question], tick: Callable[[], object]
) -> Counter[str]:
    """Answers to answerable questions by judgement, and refusals of the others."""
    found: Counter[str] = Counter()
    for question in questions:
        (answer,) = engine.ask_many([Query(question.text)])
        judged = judge(question, shown(answer))
        found[judged if question.answers else f"unanswerable {judged}"] += 1
        tick()
    return found


def _of_index(engine: Engine, questions: Sequence[Question]) -> list[Question]:
    """Those whose evidence is in the index: some of the set forms are about `seeds/`."""
    return [
        question
        for question in questions
        if all(engine.store.document(evidence.document) for evidence in question.evidence)
    ]


def table(found: dict[str, dict[str, Counter[str]]], names: Sequence[str]) -> str:
    """Markdown: for each rule and set, useful / wrong, and unanswerable questions refused."""
    lines = [
        "| without | " + " | ".join(names) + " | all: useful, wrong |",
        "|---|" + "--:|" * (len(names) + 1),
    ]
    for rule, by_set in found.items():
        cells = [
            f"{c['useful']} / {c['wrong']}, {c['unanswerable refused']}" for c in by_set.values()
        ]
        total = sum(by_set.values(), Counter[str]())
        cells.append(f"{total['useful']}, {total['wrong'] + total['unanswerable wrong']}")
        lines.append(f"| {rule} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


@click.command()
@click.option("--cache", type=click.Path(path_type=Path), required=True)
@click.option("--data", type=click.Path(path_type=Path))
@click.option("--technical", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), default=ROOT / "eval/results/form-ablations.md"
)
@click.argument("names", nargs=-1, type=click.Choice(list(SETS)))
def main(
    cache: Path, data: Path | None, technical: Path | None, out: Path, names: tuple[str, ...]
) -> None:
    """Ask every question once per rule."""
    names = names or _SETS
    live = {}
    for name in names:
        engine, questions = opened(name, cache, data, technical)
        live[name] = engine, _of_index(engine, done(name, cache, questions))
    found: dict[str, dict[str, Counter[str]]] = {}
    asked = sum(len(questions) for _, questions in live.values())
    with tqdm(total=asked * (len(RULES) + 1), unit="question", disable=None) as progress:
        for rule, changes in {"nothing": [], **RULES}.items():
            with without(changes):
                found[rule] = {
                    name: counted(engine, questions, progress.update)
                    for name, (engine, questions) in live.items()
                }
    counts = {
        name: Counter(bool(q.answers) for q in questions) for name, (_, questions) in live.items()
    }
    said = ", ".join(f"{name} {c[True]} and {c[False]}" for name, c in counts.items())
    head = (
        "# What each head and each rule of the answer forms is worth\n\n"
        "    python -m eval.experiments.form_ablations --cache DIR --data DATA --technical FOLDER"
        f"\n\nAnswerable and unanswerable questions: {said}.\n"
        "A cell has the useful and wrong answers to the former, and how many of the latter were "
        "refused.\n\n"
    )
    out.write_text(f"{head}{table(found, names)}\n", encoding="utf-8")
    print(table(found, names))


if __name__ == "__main__":
    main()
