"""How an index behaves as it grows: python -m eval.bench.scale --sizes 1000 20000 200000 --out eval/results/scale.json

Vectors are synthetic: topics on a manifold of 64 dimensions in 384, passages around their topic, noise in all dimensions;
questions are stored passages, perturbed. Texts are words by Zipf's law. For each size, in a process of its own: seconds to fill
and to open, bytes on disk, resident memory after the searches, milliseconds (median and 95th percentile) of the dense leg, the
lexical leg and both fused at a depth of 100, recall@10 of the dense leg against comparing all vectors, and milliseconds until
one document of 20 passages that was added, or deleted, shows in both legs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from eval.bench_open import words
from rag.protocols import Vectors
from rag.retrieval import fuse
from rag.store.local import LocalStore
from rag.types import Document, Passage

DIM, LATENT, EACH, TOPIC = 384, 64, 20, 200
EXPECT = {"embedder": "synthetic", "dim": str(DIM), "passage_tokens": "160"}
_DEPTH = 100


class Space:
    """Where the vectors come from; the same seed gives the same ones."""

    def __init__(self, count: int, seed: int = 0) -> None:
        self._random = np.random.default_rng(seed)
        self._lift = self._random.standard_normal((LATENT, DIM)).astype(np.float32) / np.sqrt(DIM)
        self._topics = self._random.standard_normal((max(4, count // TOPIC), LATENT)).astype(np.float32)

    def passages(self, count: int) -> Vectors:
        topics = self._topics[self._random.integers(len(self._topics), size=count)]
        latent = topics + 0.7 * self._random.standard_normal((count, LATENT)).astype(np.float32)
        return self.around(_unit(latent @ self._lift), 0.2)

    def around(self, rows: Vectors, noise: float) -> Vectors:
        """`rows` with noise of this length in all dimensions."""
        random = self._random.standard_normal(rows.shape).astype(np.float32)
        return _unit(rows + noise * random / np.float32(np.sqrt(DIM)))


def _unit(rows: Vectors) -> Vectors:
    unit: Vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


def fill(folder: Path, space: Space, count: int) -> Vectors:
    """All vectors, in the order of the passages' ids."""
    store, random = LocalStore(folder, EXPECT, create=True), np.random.default_rng(1)
    rows = space.passages(count)
    with store.writing():
        for start in range(0, count, EACH * 50):  # a document of many passages: fewer commits
            put(store, f"d{start}", rows[start : start + EACH * 50], random)
    store.close()
    return rows


def put(store: LocalStore, document_id: str, rows: Vectors, random: np.random.Generator) -> None:
    texts = [words(random, 60) for _ in rows]
    starts = np.cumsum([0, *(len(text) + 1 for text in texts)]).tolist()
    passages = [Passage(document_id, at, at + len(t), t, document_id, "") for at, t in zip(starts, texts, strict=False)]
    document = Document(document_id, "\n".join(texts), document_id, document_id, "0" * 64)
    store.put(document, passages, rows)


def timed(do: Callable[[Any], object], asked: Sequence[Any]) -> dict[str, float]:
    taken = []
    for one in asked:
        begun = time.perf_counter()
        do(one)
        taken.append(1000 * (time.perf_counter() - begun))
    return {"p50": round(float(np.percentile(taken, 50)), 2), "p95": round(float(np.percentile(taken, 95)), 2)}


def fused(store: LocalStore, vector: Vectors, text: str) -> None:
    """As the hybrid retriever does."""
    dense, lexical = dict(store.dense(vector, _DEPTH)), dict(store.lexical(text, _DEPTH))
    dense |= store.cosines(vector, [i for i in lexical if i not in dense])
    scores = fuse(dense, lexical, 0.7)
    store.passages(sorted(scores, key=lambda i: -scores[i])[:10])


def recall(store: LocalStore, rows: Vectors, questions: Vectors, k: int = 10) -> float:
    best = np.argpartition(-(questions @ rows.T), k, axis=1)[:, :k] + 1  # ids count from 1
    found = [{passage_id for passage_id, _ in store.dense(question, k)} for question in questions]
    return round(sum(len(a & set(b.tolist())) for a, b in zip(found, best, strict=True)) / best.size, 4)


def change(store: LocalStore, space: Space) -> dict[str, dict[str, float]]:
    """One document at a time, each until both legs have searched with it."""
    random, rows = np.random.default_rng(2), space.passages(EACH)
    word = words(random, 3)

    def add(number: int) -> None:
        with store.writing():
            put(store, f"new-{number}", rows, random)
        store.dense(rows[0], 10)
        store.lexical(word, 10)

    def delete(number: int) -> None:
        with store.writing():
            store.delete(f"new-{number}")
        store.dense(rows[0], 10)
        store.lexical(word, 10)

    return {"add_ms": timed(add, range(10)), "delete_ms": timed(delete, range(10))}


def measure(folder: Path, count: int) -> dict[str, object]:
    space = Space(count)
    begun = time.perf_counter()
    rows = fill(folder, space, count)
    filled = time.perf_counter() - begun
    np.save(folder.parent / "rows.npy", rows)
    np.save(folder.parent / "questions.npy", space.around(rows[np.random.default_rng(3).integers(count, size=200)], 0.6))
    code = f"from eval.bench.scale import look; look({str(folder)!r}, {count})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {"passages": count, "fill_s": round(filled, 1), **json.loads(done.stdout)}


def look(folder: str, count: int) -> None:
    """In a process that did not fill it, so that memory and opening are what a user has."""
    begun = time.perf_counter()
    store = LocalStore(Path(folder), EXPECT)
    opened = time.perf_counter() - begun
    questions, random = np.load(Path(folder).parent / "questions.npy"), np.random.default_rng(4)
    texts = [words(random, 8) for _ in questions]
    made: dict[str, object] = {
        "kind": store.stats().dense,
        "open_s": round(opened, 2),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
    }
    made["bytes"] = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    made["dense_ms"] = timed(lambda q: store.dense(q, _DEPTH), questions)
    made["lexical_ms"] = timed(lambda t: store.lexical(t, _DEPTH), texts)
    made["fused_ms"] = timed(lambda n: fused(store, questions[n], texts[n]), range(len(texts)))
    made["resident_mib"] = _resident()
    made |= change(store, Space(count, seed=5))
    made["recall@10"] = recall(store, np.load(Path(folder).parent / "rows.npy"), questions)
    print(json.dumps(made))


def _resident() -> int:
    """Without pages of mapped files, which the system takes back when it needs them."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    return int(status["RssAnon"].split()[0]) // 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 20_000, 200_000])
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    results = []
    for size in asked.sizes:
        with tempfile.TemporaryDirectory(prefix="rag-scale-") as root:
            results.append(measure(Path(root) / "index", size))
        print(json.dumps(results[-1]), file=sys.stderr)
        if asked.out:
            asked.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
