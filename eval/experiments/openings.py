"""How often the form of a question is recognised, with and without something said before it.

python -m eval.experiments.openings [--forms FILE]

Half of the 120 questions of eval/gold/questions-openings.jsonl begin with what the asker says of
themselves ("I'm fasting, can I still give blood?"). None of them trains the classifier.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from eval.scripts import GOLD, OUT, PATH, finished, script
from rag import build
from rag.answering.forms import SHIPPED, FormClassifier
from rag.evaluation.set_files import json_lines
from rag.settings import Settings


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Questions, those whose likeliest form is right, the mean probability of the right form, and
    that of yes or no where this is not the form.
    """
    rest = [row for row in rows if row["form"] != "yes_no"]
    return {
        "questions": len(rows),
        "right": sum(row["odds"][row["form"]] == max(row["odds"].values()) for row in rows),
        "probability of the right form": _mean([row["odds"][row["form"]] for row in rows]),
        "probability of yes or no elsewhere": _mean([row["odds"]["yes_no"] for row in rest]),
    }


def _mean(shares: Sequence[float]) -> float:
    return round(float(np.mean(shares)), 3)


@script(__doc__)
@click.option("--forms", type=PATH, default=SHIPPED, help="The form classifier.")
@OUT
def main(forms: Path, out: Path | None) -> None:
    rows = list(json_lines(GOLD / "questions-openings.jsonl"))
    questions = [row["question"] for row in rows]
    vectors = build.embedder(Settings.load()).embed_queries(questions)
    classified = FormClassifier.load(forms).probabilities(questions, list(vectors))
    with_odds = [row | {"odds": odds} for row, odds in zip(rows, classified, strict=True)]

    opened = [row for row in with_odds if row["opened"]]
    rest = [row for row in with_odds if not row["opened"]]
    finished({"opened": summary(opened), "not opened": summary(rest)}, out)


if __name__ == "__main__":
    main()
