"""Scores a reader on gold passages: python -m eval.experiments.reader READER DATA [SET]

Uses the articles of squad-dev-36 that the recipe holds out of training, another whole set in DATA,
or, for "seeds", the gold questions about seeds/, with the service's passages.
`rag.training.evaluate.Measured` explains the figures. Prints JSON.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

from tqdm import tqdm

from rag import build
from rag.settings import Settings
from rag.training.data import question_set
from rag.training.datasets import recipe_articles
from rag.training.evaluate import Measured, measure
from rag.training.recipe import SetsRecipe, load_recipe
from rag.training.user_data import gold_articles

ROOT = Path(__file__).parents[2]


def main(setting: str, data: Path, name: str) -> Measured:
    settings = Settings.load(reader=setting)
    count, tokens = build.embedder(settings).count_tokens, settings.passage_tokens
    if name == "seeds":
        articles = gold_articles(ROOT / "eval/gold/seeds.jsonl", ROOT / "seeds", count, tokens)
    else:
        others, held_out = recipe_articles(load_recipe(SetsRecipe), name, data)
        articles = held_out or others
    questions = question_set(articles, count, tokens)
    reader = build.reader(settings)
    with tqdm(total=len(questions.questions), unit="question", disable=None) as progress:
        return measure(reader, questions, progress.update)


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    measured = main(sys.argv[1], Path(sys.argv[2]), (sys.argv[3:] or ["squad-dev-36"])[0])
    print(json.dumps(dataclasses.asdict(measured), indent=2))
