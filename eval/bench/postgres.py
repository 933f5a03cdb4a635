"""Loading and search times of an index in PostgreSQL:

    python -m eval.bench.postgres postgresql://… [PASSAGES]

Fills an empty database with random texts (words by Zipf's law) and clustered unit vectors of 384
dimensions, 200 passages per document, one document in a hundred with `rare=yes`, and prints JSON:
seconds to load and to build the vector index, milliseconds (p10, p50, p95) of each retriever and of
a whole retrieval (both, fusion, texts), without a filter and with one of 1 % selectivity, and the
share of the exact result that was found. A database that has that many passages already is only
measured. With --alone the timed work has priority over everything else on one core for some
seconds, which shows the figures of an idle machine on a busy one.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from eval.chaos.programs import database_seconds, first_on_a_core
from rag.filters import Filter, parse
from rag.protocols import Vectors
from rag.retrieval import HybridRetriever
from rag.store.postgres.store import PostgresStore
from rag.types import Document, Passage

DIM, WORDS, PER_DOCUMENT, QUESTIONS, K, READ, CLUSTERS = 384, 110, 200, 100, 100, 8, 2000
EXPECT = {"embedder": "minilm", "dim": str(DIM), "passage_tokens": "160"}
"""The dimensions of the default settings, so that `eval.bench.servers` can use this index too; the
vectors are random."""
COMPARED = 40
"""Number of questions whose exact result is also computed."""
FILTERS: dict[str, Filter] = {"all": (), "1 %": parse(["rare=yes"])}


class Source:
    """Random passages. Like real vectors they lie in clusters, the same for every `seed`; uniform
    ones would have no close neighbours."""

    def __init__(self, seed: int = 0) -> None:
        self._random = np.random.default_rng(0)
        self._centres = self._unit(self._random.standard_normal((CLUSTERS, DIM)))
        self._random = np.random.default_rng(seed) if seed else self._random

    def text(self, words: int) -> str:
        return " ".join(f"word{rank % 50_000}" for rank in self._random.zipf(1.2, words))

    def vectors(self, count: int) -> Vectors:
        centres = self._centres[self._random.integers(0, CLUSTERS, count)]
        return self._unit(centres + 0.05 * self._random.standard_normal((count, DIM)))

    def _unit(self, rows: Any) -> Vectors:
        unit: Vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        return unit


class Given:
    """An embedder with precomputed vectors of the questions, so that no model is timed."""

    name, dim = EXPECT["embedder"], DIM

    def __init__(self, asked: Sequence[tuple[Vectors, str]]) -> None:
        self._vectors = {question: vector for vector, question in asked}

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return np.stack([self._vectors[text] for text in texts])

    embed_passages = embed_queries

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]


def fill(store: PostgresStore, source: Source, passages: int) -> float:
    """Seconds."""
    begun = time.perf_counter()
    for number in range(passages // PER_DOCUMENT):
        texts = [source.text(WORDS) for _ in range(PER_DOCUMENT)]
        put(store, number, texts, source.vectors(PER_DOCUMENT))
    return round(time.perf_counter() - begun, 1)


def build(store: PostgresStore) -> float:
    """Vacuum, statistics and the vector index, as after any change. Returns seconds."""
    begun = time.perf_counter()
    with store.writing():
        pass
    return round(time.perf_counter() - begun, 1)


def put(store: PostgresStore, number: int, texts: list[str], vectors: Vectors) -> None:
    starts = np.cumsum([0, *(len(t) + 1 for t in texts)]).tolist()
    name = f"random/{number}"
    passages = [
        Passage(name, at, at + len(t), t, "", "") for at, t in zip(starts, texts, strict=False)
    ]
    metadata = {"rare": "yes"} if number % 100 == 0 else {}
    store.put(Document(name, "\n".join(texts), "", f"/{name}", "", metadata), passages, vectors)


def measure(
    store: PostgresStore, exact: PostgresStore, dsn: str, filter: Filter, alone: bool = False
) -> dict[str, object]:
    """`exact` compares every passage. "computing" is the mean CPU time of both retrievers, in this
    process and in the database."""
    source, times = Source(1), {part: list[float]() for part in ("dense", "lexical", "retrieval")}
    asked = list(
        zip(source.vectors(QUESTIONS), [source.text(8) for _ in range(QUESTIONS)], strict=True)
    )
    retriever, near = HybridRetriever(store, Given(asked), K), []
    for _, question in asked:
        retriever.retrieve([question], READ, filter)  # into the database's memory
    before = {"database": database_seconds(dsn), "here": time.process_time()}
    with first_on_a_core(dsn) if alone else nullcontext():
        for vector, question in asked:
            dense = timed(times["dense"], lambda: store.dense(vector, K, filter))  # noqa: B023
            near.append({number for number, _ in dense})
            timed(times["lexical"], lambda: store.lexical(question, K, filter))  # noqa: B023
            timed(times["retrieval"], lambda: retriever.retrieve([question], READ, filter))  # noqa: B023
            time.sleep(0.02)
    after = {"database": database_seconds(dsn), "here": time.process_time()}
    right = [{i for i, _ in exact.dense(vector, K, filter)} for vector, _ in asked[:COMPARED]]
    recall = statistics.mean(
        len(found & wanted) / len(wanted) for found, wanted in zip(near, right, strict=False)
    )
    computing = {
        f"{name}_ms": round(1000 * (after[name] - before[name]) / (2 * QUESTIONS), 2)
        for name in before
    }
    spread = {
        part: {f"p{percent}_ms": percentile(of, percent) for percent in (10, 50, 95)}
        for part, of in times.items()
    }
    return {**spread, "computing": computing, f"recall@{K}": round(recall, 4)}


def timed(times: list[float], run: Callable[[], Any]) -> Any:
    begun = time.perf_counter()
    done = run()
    times.append(1000 * (time.perf_counter() - begun))
    return done


def percentile(times: list[float], percent: float) -> float:
    return round(float(np.percentile(times, percent)), 2)


def main(dsn: str, passages: int, alone: bool, out: Path | None) -> None:
    store = PostgresStore(dsn, EXPECT, create=True, size=1)
    exact = PostgresStore(dsn, EXPECT, exact=10**9)
    facts: dict[str, object] = {"passages": passages, "dim": DIM, "k": K, "cores": os.cpu_count()}

    def note(name: str, found: object) -> None:
        facts[name] = found
        print(json.dumps({name: found}), flush=True)

    if store.stats().passages != passages:
        note("load_seconds", fill(store, Source(), passages))
    note("index_seconds", build(store))
    note("load_average", round(os.getloadavg()[0], 1))
    for name, filter in FILTERS.items():
        note(name, measure(store, exact, dsn, filter, alone))
    if out:
        out.write_text(json.dumps(facts, indent=2) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dsn")
    parser.add_argument("passages", type=int, nargs="?", default=20_000)
    parser.add_argument("--alone", action="store_true")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    main(given.dsn, given.passages, given.alone, given.out)
