"""`rag train` on the command line, with tiny models and sets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rag.models.embedders import is_mean
from tests import tiny
from tests.cli.helpers import Run
from tests.training.helpers import write_set

RECIPE = """
init = "start"
seed = 5
dev_set = "towns"
dev_articles = 1
weight_decay = 0.01
steps = 2
warmup = 1
from = 1e-3
to = 0.0
scale = 20.0
max_passage_tokens = 64
passages = 2
questions = 1
max_epochs = 1
negatives = 1
average = 0.5
[sets]
towns = 100
"""


def towns(folder: Path) -> None:
    questions = [{"question": "when was it built?", "answers": [{"text": "1500"}]}]
    articles: list[dict[str, Any]] = [
        {"title": name, "paragraphs": [{"context": f"{name}, of 1500.", "qas": questions}]}
        for name in "abcd"
    ]
    write_set(folder, articles)


@pytest.mark.slow
def test_an_embedder_is_tuned_on_a_folder_of_sets(run: Run, tmp_path: Path) -> None:
    tiny.embedder(tmp_path / "start")
    towns(tmp_path)
    (tmp_path / "my.toml").write_text(RECIPE)
    code, out, _ = run("train", "embedder", "--data", ".", "--recipe", "my.toml", "--out", "made")
    assert (code, out) == (0, f"{tmp_path}/made: use it with RAG_EMBEDDER={tmp_path}/made\n")
    assert is_mean(tmp_path / "made")
    code, out, _ = run(
        "train", "embedder", "--data", ".", "--recipe", "my.toml", "--out", "again", "--json"
    )
    assert (code, json.loads(out)) == (0, {"embedder": f"{tmp_path}/again"})
    weights, repeated = (Path(name, "model.safetensors").read_bytes() for name in ("made", "again"))
    assert weights == repeated


def test_an_embedder_is_not_tuned_on_one_file(run: Run) -> None:
    Path("mine.jsonl").write_text("{}\n")
    err = run.error("train", "embedder", "--data", "mine.jsonl", "--out", "made")
    assert "Directory 'mine.jsonl' is a file" in err
