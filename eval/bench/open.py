"""The time to open and search an index: python eval/bench/open.py [PASSAGES]

Builds a local store of random texts and random unit vectors of 384 dimensions in a temporary
folder, opens it again, and prints JSON: seconds to open, milliseconds of the first search (both
retrievers, top 100) and the median of 200 more.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from rag.protocols import Vectors
from rag.store.local.store import LocalStore
from rag.types import Document, Passage

DIM = 384
EXPECT = {"embedder": "random", "dim": str(DIM), "passage_tokens": "160"}
WORDS = 110
PASSAGES_PER_DOCUMENT = 20
QUESTIONS = 200


def fill(folder: Path, passages: int, random: np.random.Generator) -> None:
    """Words by Zipf's law over a vocabulary of 50,000."""
    store = LocalStore(folder, EXPECT, create=True)
    with store.writing():
        for start in range(0, passages, PASSAGES_PER_DOCUMENT):
            texts = [
                words(random, WORDS) for _ in range(min(PASSAGES_PER_DOCUMENT, passages - start))
            ]
            put(store, f"random/{start}", texts, unit(random, len(texts)))
    store.close()


def put(store: LocalStore, document_id: str, texts: list[str], vectors: Vectors) -> None:
    text = "\n".join(texts)
    starts = np.cumsum([0, *(len(t) + 1 for t in texts)]).tolist()
    passages = [
        Passage(document_id, at, at + len(t), t, "", "")
        for at, t in zip(starts, texts, strict=False)
    ]
    store.put(Document(document_id, text, "", f"/{document_id}", ""), passages, vectors)


def words(random: np.random.Generator, count: int) -> str:
    return " ".join(f"word{rank % 50_000}" for rank in random.zipf(1.2, count))


def unit(random: np.random.Generator, count: int) -> Vectors:
    rows = random.standard_normal((count, DIM), dtype=np.float32)
    vectors: Vectors = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return vectors


def measure(folder: Path, random: np.random.Generator) -> dict[str, float]:
    begun = time.perf_counter()
    store = LocalStore(folder, EXPECT)
    opened = time.perf_counter() - begun
    asked = [(words(random, 8), unit(random, 1)[0]) for _ in range(QUESTIONS + 1)]
    first, *others = (_search(store, question, vector) for question, vector in asked)
    facts = {"passages": store.stats().passages, "open_seconds": round(opened, 3)}
    store.close()
    return facts | {
        "first_search_ms": round(first, 2),
        "median_search_ms": round(statistics.median(others), 2),
    }


def _search(store: LocalStore, question: str, vector: Vectors) -> float:
    begun = time.perf_counter()
    store.dense(vector, 100)
    store.lexical(question, 100)
    return (time.perf_counter() - begun) * 1000


def main(passages: int) -> None:
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder), passages, random)
        print(json.dumps(measure(Path(folder), random)))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
