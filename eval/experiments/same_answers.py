"""Compares the outputs of two readers.

usage: python -m eval.experiments.same_answers READER OTHER DATA [MOST]

Both read the gold passages of squad-dev-36's held-out articles and of the questions about seeds/,
at most MOST of each (default 300). For each set: the number of different best spans, the median
difference of scores, and EM and F1 of both. Use it to measure the cost of a change of storage or
arithmetic.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rag import build
from rag.evaluation.squad import exact, f1
from rag.models.reader import ExtractiveReader
from rag.settings import Settings
from rag.training.data import QuestionSet, question_set
from rag.training.datasets import recipe_articles
from rag.training.recipe import SetsRecipe, load_recipe
from rag.training.user_data import gold_articles
from rag.types import Hit, Span

ROOT = Path(__file__).parents[2]
_PASSAGE_TOKENS = 160


def main(one: ExtractiveReader, other: ExtractiveReader, data: Path, most: int) -> None:
    count = build.embedder(Settings()).count_tokens
    recipe = load_recipe(SetsRecipe)
    _, squad = recipe_articles(recipe, recipe.dev_set, data)
    seeds = gold_articles(ROOT / "eval/gold/seeds.jsonl", ROOT / "seeds", count, _PASSAGE_TOKENS)
    for name, articles in (("squad", squad), ("seeds", seeds)):
        asked = question_set(articles, count, _PASSAGE_TOKENS)
        random.Random(recipe.seed).shuffle(asked.questions)
        del asked.questions[most:]
        print(name, *compared(one, other, asked), sep="  ", flush=True)


def compared(one: ExtractiveReader, other: ExtractiveReader, asked: QuestionSet) -> list[str]:
    pairs = list(zip(best(one, asked), best(other, asked), strict=True))
    differ = sum((a.text, a.start) != (b.text, b.start) for a, b in pairs)
    apart = np.median([abs(a.score - b.score) for a, b in pairs])
    figures = [f"{differ} of {len(pairs)} best spans differ", f"scores {apart:.3f} apart"]
    for number, name in enumerate(("first", "other")):
        rows = [
            (exact(pair[number].text, q.answers), f1(pair[number].text, q.answers))
            for pair, q in zip(pairs, asked.questions, strict=True)
            if q.answers
        ]
        em, overlap = 100 * np.mean(rows, axis=0)
        figures.append(f"{name}: EM {em:.1f} F1 {overlap:.1f}")
    return figures


def best(reader: ExtractiveReader, asked: QuestionSet) -> Iterator[Span]:
    for question in asked.questions:
        hits = [Hit(asked.passages[i], 1.0, 1.0, 1.0) for i in question.passages]
        yield reader.read(question.text, hits).spans[0]


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    readers = (ExtractiveReader(sys.argv[1]), ExtractiveReader(sys.argv[2]))
    main(*readers, Path(sys.argv[3]), int((sys.argv[4:] or ["300"])[0]))
