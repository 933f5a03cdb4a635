"""The shipped corpus and its gold questions: PostgreSQL finds what the local store finds, and answers the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag import build
from rag.engine import Engine
from rag.ingest import Ingest
from rag.loading.files import find
from rag.migrate import migrate
from rag.settings import Settings
from rag.store.postgres.store import PostgresStore
from rag.types import Answer
from tests.postgres import Cluster
from tests.store.helpers import schema_dsn

ROOT = Path(__file__).parents[3]
QUESTIONS = [json.loads(line)["question"] for line in (ROOT / "eval/gold/seeds.jsonl").read_text().splitlines()]
EVERY = 12
"""Each question is searched; one in so many is read as well: the same passages read the same."""
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def engines(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, Engine]]:
    """Over seeds/ in a folder, and over the same index moved to PostgreSQL."""
    folder = tmp_path_factory.mktemp("answers")
    here = Settings.load({}, index=folder)
    there = Settings.load({"RAG_STORE": schema_dsn(cluster, folder)})
    embedder, reader = build.embedder(here), build.reader(here)
    local = build.store(here, embedder, create=True)
    Ingest(local, embedder, here.passage_tokens).run(find([ROOT / "seeds"]))
    expect = {"embedder": here.embedder, "dim": str(embedder.dim), "passage_tokens": str(here.passage_tokens)}
    shared = PostgresStore(there.store, expect, create=True)
    migrate(local, shared)
    yield build.assemble(here, local, embedder, reader), build.assemble(there, shared, embedder, reader)
    shared.close()


def test_every_gold_question_finds_the_same_passages_in_the_same_order(engines: tuple[Engine, Engine]) -> None:
    here, there = (engine.retriever.retrieve(QUESTIONS, engine.settings.read) for engine in engines)
    assert len(here) == len(QUESTIONS) > 400
    for ours, theirs in zip(here, there, strict=True):
        assert [hit.passage for hit in ours] == [hit.passage for hit in theirs]
        assert [hit.score for hit in ours] == pytest.approx([hit.score for hit in theirs], rel=1e-4)


def test_answers_and_citations_are_the_same(engines: tuple[Engine, Engine]) -> None:
    for question in QUESTIONS[::EVERY]:
        here, there = (engine.ask(question) for engine in engines)
        assert said(here) == said(there)
        assert here.confidence == pytest.approx(there.confidence, abs=1e-3)


def said(answer: Answer) -> tuple[object, ...]:
    return answer.text, answer.citations, [(other.text, other.citations) for other in answer.alternatives], answer.reason
