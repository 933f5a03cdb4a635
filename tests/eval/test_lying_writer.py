"""A short run of `eval.experiments.lying_writer`, with the shipped models."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from eval.experiments.lying_writer import measured
from rag import build
from rag.cli.main import cli
from rag.evaluation.gold import read_jsonl
from rag.settings import Settings

pytestmark = pytest.mark.slow
SEEDS = Path(__file__).parents[2] / "seeds"


def test_planted_errors_are_caught_and_quotations_kept(tmp_path: Path) -> None:
    names = ("jcpoa.md", "fordow.md", "iaea.md", "stuxnet.md", "oman-as-mediator.md")
    index = tmp_path / "index"
    made = CliRunner().invoke(
        cli, ["ingest", "--index", str(index), *(str(SEEDS / name) for name in names)]
    )
    assert made.exit_code == 0, made.output
    engine = build.engine(Settings.load(index=index))
    questions = read_jsonl(SEEDS.parent / "eval/gold/seeds.jsonl")
    found = measured(engine, questions, 20)
    assert found["answers"] >= 12
    assert found["caught"] >= found["answers"] - 1, found["passed"]
    assert found["quotations kept"] == found["answers"], found["quotations struck"]
    assert found["without a quote"] == 0
