"""Measures what a typo costs: questions with one edit in a content word, and the same as written.

python -m eval.experiments.typos --cache DIR [--data DATA] [--technical FOLDER] [--most N] [SET...]

DIR, DATA and FOLDER as for `eval.experiments.kept`; SET is one of its sets, by default forms,
technical and household. Each edit leaves a letter out, doubles one, swaps two or replaces one, in a
word of five letters or more that is no stop word. Prints JSON by set: of answerable questions, how
many have evidence among the passages read, and how many get a useful answer, as written, with a
typo, and with a typo that is not corrected (RAG_SPELLING=0).
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click

from eval.experiments.kept import SETS, done, opened
from rag.answering.searcher import Query
from rag.engine import Engine
from rag.evaluation.evaluator import evidence_places
from rag.evaluation.gold import Question
from rag.evaluation.usefulness import judge, shown
from rag.meaning.text import content_words
from rag.types import Hit

_SEED = 20261127
_WORD = re.compile(r"\b[a-z]{5,}\b")


def with_typo(question: str, rng: random.Random) -> str | None:
    """The question with one edit in a content word; None if it has no such word. The first letter
    stays, as people seldom get it wrong.
    """
    words = [match for match in _WORD.finditer(question) if content_words(match.group())]
    if not words:
        return None
    match = rng.choice(words)
    word = match.group()
    at = rng.randrange(1, len(word) - 1)
    other = rng.choice("abcdefghijklmnopqrstuvwxyz".replace(word[at], ""))
    edited = rng.choice(
        [
            word[:at] + word[at + 1 :],
            word[:at] + word[at] + word[at:],
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
            word[:at] + other + word[at + 1 :],
        ]
    )
    return question[: match.start()] + edited + question[match.end() :]


def counted(engine: Engine, asked: Sequence[tuple[Question, str]]) -> Counter[str]:
    """How many questions have evidence read, and a useful answer."""
    found: Counter[str] = Counter()
    for question, text in asked:
        (one,) = engine.find_many([Query(text)])
        found["read"] += _is_read(engine, question, one.hits)
        (answer,) = engine.answer_many([Query(text)], [one], {})
        found["useful"] += judge(question, shown(answer)) == "useful"
    return found


def _is_read(engine: Engine, question: Question, hits: Sequence[Hit]) -> bool:
    passages = [passage for hit in hits for passage in (hit.passage, *hit.copies)]
    return any(
        place.in_passage(passage)
        for place in evidence_places(engine.store, question)
        for passage in passages
    )


@click.command()
@click.option("--cache", type=click.Path(path_type=Path), required=True)
@click.option("--data", type=click.Path(path_type=Path))
@click.option("--technical", type=click.Path(path_type=Path))
@click.option("--most", default=100, help="Questions of each set.")
@click.argument("names", nargs=-1, type=click.Choice(list(SETS)))
def main(
    cache: Path, data: Path | None, technical: Path | None, most: int, names: tuple[str, ...]
) -> None:
    """Ask each question three times."""
    report = {}
    for name in names or ("forms", "technical", "household"):
        engine, questions = opened(name, cache, data, technical)
        rng = random.Random(_SEED)
        known = [
            question
            for question in done(name, cache, questions)
            if question.answers
            and question.evidence
            and all(engine.store.document(one.document) for one in question.evidence)
        ]
        rng.shuffle(known)
        pairs = [(one, edited) for one in known if (edited := with_typo(one.text, rng))][:most]
        as_written = counted(engine, [(question, question.text) for question, _ in pairs])
        typo = counted(engine, pairs)
        engine.speller = None
        report[name] = {
            "questions": len(pairs),
            "as written": dict(as_written),
            "typo": dict(typo),
            "typo, not corrected": dict(counted(engine, pairs)),
        }
        click.echo(json.dumps({name: report[name]}), err=True)
    click.echo(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
