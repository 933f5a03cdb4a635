"""Helpers for tests of training runs."""

import gzip
import itertools
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from rag.training import trainer as steps


def _town(number: int, name: str) -> dict[str, Any]:
    year = str(1500 + number)
    qas = [
        {"question": f"when was {name} built?", "answers": [{"text": year}]},
        {"question": f"who built {name}?", "answers": [], "is_impossible": True},
    ]
    text = f"the town of {name} was built in {year}. it has {number + 3} gates."
    return {"title": f"Town_{number}", "paragraphs": [{"context": text, "qas": qas}]}


TOWNS = "abra bexle corto dunve elsin farro gindo holme".split()
ARTICLES = [_town(number, name) for number, name in enumerate(TOWNS)]
COMMON: dict[str, Any] = {
    "init": "start",
    "seed": 5,
    "dev_set": "towns",
    "dev_articles": 2,
    "weight_decay": 0.01,
    "max_passage_tokens": 64,
}
"""What the recipes of tests have in common."""


def write_set(folder: Path, articles: list[dict[str, Any]]) -> None:
    """Write the set "towns" to a recipe's folder."""
    with gzip.open(folder / "towns.json.gz", "wt") as file:
        json.dump({"data": articles}, file)


def write_statements(folder: Path) -> None:
    """Write the sets "boolq" and "fever" to a recipe's folder."""
    questions, claims = [], []
    for n in range(8):
        about = {"question": f"is town {n} old", "set": "boolq", "title": f"T{n}"}
        for kind, label in (("old", "yes"), ("new", "no")):
            questions.append({**about, "context": f"Town {n} is {kind}.", "label": label})
        about = {"claim": f"Town {n} is large.", "set": "fever"}
        for kind, label in (("vast", "supported"), ("tiny", "refuted"), ("far", "not_enough")):
            claims.append({**about, "evidence": f"Town {n} is {kind}.", "label": label})
    for name, rows in (("yesno", questions), ("support", claims)):
        with gzip.open(folder / f"{name}.jsonl.gz", "wt") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)


def die_at(step: int, trainer: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupt the next run at this step; checkpoints are saved every two steps."""
    monkeypatch.setattr(steps, "CHECKPOINT_EVERY", 2)
    loss, steps_taken = trainer._loss, itertools.count(1)

    def dying(*arguments: Any) -> Any:
        if next(steps_taken) == step:
            raise KeyboardInterrupt
        return loss(*arguments)

    monkeypatch.setattr(trainer, "_loss", dying)
