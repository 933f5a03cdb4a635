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
    ingested = CliRunner().invoke(
        cli, ["ingest", "--index", str(index), *(str(SEEDS / name) for name in names)]
    )
    assert ingested.exit_code == 0, ingested.output
    engine = build.engine(Settings.load(index=index))
    questions = read_jsonl(SEEDS.parent / "eval/gold/seeds.jsonl")
    figures = measured(engine, questions, 20)
    assert figures["answers"] >= 12
    assert figures["caught"] >= figures["answers"] - 1, figures["passed"]
    assert figures["quotations kept"] == figures["answers"], figures["quotations struck"]
    assert figures["without a quote"] == 0
