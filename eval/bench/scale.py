"""How an index behaves as it grows:

    python -m eval.bench.scale 1000 10000 100000 --corpus CACHE --out FILE

Passages come from `eval.bench.corpus`: real ones as far as CACHE has them, then perturbed copies.

For each size, in a process that did not fill it: seconds to open; resident memory after the
searches, own and of mapped files; milliseconds (median, 95th percentile) of the dense, the lexical
and the hybrid retriever at a depth of 100, without the embedding of the question; recall@10 of the
dense retriever against exact search; milliseconds until both retrievers find an added document of
20 passages, or no longer find a deleted one.
"""

import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import click
import faiss
import numpy as np
from tqdm import tqdm

from eval.bench.corpus import Corpus, joined
from eval.scripts import OUT, PATH, finished, load, mib, milliseconds, script
from rag.models.registry import EMBEDDER
from rag.protocols import Vectors
from rag.retrieval import Retriever
from rag.settings import Settings
from rag.store.local.store import LocalStore

DIM, DOCUMENT_PASSAGES = 384, 20
MANIFEST = {"embedder": EMBEDDER, "dim": str(DIM), "passage_tokens": "160"}
"""As with the default settings, so that `rag ask` can use the index."""
_DEPTH, _NEIGHBOURS = 100, 10
_QUESTIONS, _CHANGES = 300, 20


def fill(root: Path, cache: Path, count: int) -> None:
    """Fill index/, rows.npy (all vectors, by passage id) and filled.json (the time) in `root`."""
    root.mkdir(parents=True, exist_ok=True)
    rows = np.lib.format.open_memmap(root / "rows.npy", "w+", np.float32, (count, DIM))
    corpus = Corpus(cache)
    begun = time.perf_counter()
    row = 0
    store = LocalStore(root / "index", MANIFEST, create=True)
    with store.writing(), tqdm(total=count, unit="passage", disable=None) as progress:
        for document, passages, vectors in corpus.documents(count):
            store.put(document, passages, vectors)
            rows[row : row + len(passages)] = vectors
            row += len(passages)
            progress.update(len(passages))
        put = time.perf_counter() - begun
    store.close()
    rows.flush()
    real = min(count, len(corpus.vectors))
    took = {"real": real, "put_s": round(put, 1), "fill_s": round(time.perf_counter() - begun, 1)}
    (root / "filled.json").write_text(json.dumps(took))


class QuestionVectors:
    """Precomputed vectors of questions."""

    name, dim = "known", DIM

    def __init__(self, questions: Sequence[str], vectors: Vectors) -> None:
        self._vectors = dict(zip(questions, vectors, strict=True))

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return np.stack([self._vectors[text] for text in texts])

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        return self.embed_queries(texts)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]


def timed(do: Callable[[Any], object], inputs: Sequence[Any]) -> dict[str, float]:
    """Milliseconds at the median, the 95th percentile and the maximum."""
    seconds = []
    for value in inputs:
        begun = time.perf_counter()
        do(value)
        seconds.append(time.perf_counter() - begun)
    return milliseconds(seconds, 100)


def neighbours_by_exact_search(rows: Vectors, questions: Vectors, k: int) -> list[set[int]]:
    """Ids, from 1, of the `k` nearest neighbours by exact search."""
    _, ids = faiss.knn(questions, rows, k, metric=faiss.METRIC_INNER_PRODUCT)
    return [set((row + 1).tolist()) for row in ids]


def change(store: LocalStore, corpus: Corpus) -> dict[str, dict[str, float]]:
    """Add and delete one document at a time, until both retrievers reflect the change."""
    documents = islice(corpus.documents(10**9, seed=9), _CHANGES)
    items = [
        (
            *joined(f"new/{n}", [(f"{p.text} new{n}", "") for p in passages[:DOCUMENT_PASSAGES]]),
            rows[:DOCUMENT_PASSAGES],
        )
        for n, (_, passages, rows) in enumerate(documents)
    ]

    def found_in_legs(number: int) -> tuple[bool, bool]:
        document, _, rows = items[number]
        legs = store.dense(rows[0], _DEPTH), store.lexical(f"new{number}", _DEPTH)
        passages_of_legs = [store.passages([i for i, _ in leg]).values() for leg in legs]
        dense, lexical = ({passage.document_id for passage in leg} for leg in passages_of_legs)
        return document.id in dense, document.id in lexical

    def add(number: int) -> None:
        with store.writing():
            store.put(*items[number])
        assert found_in_legs(number) == (True, True), f"{items[number][0].id} does not show"

    def delete(number: int) -> None:
        with store.writing():
            store.delete(items[number][0].id)
        assert found_in_legs(number) == (False, False), f"{items[number][0].id} shows"

    return {"add_ms": timed(add, range(_CHANGES)), "delete_ms": timed(delete, range(_CHANGES))}


def measure_index(root: Path, cache: Path, count: int) -> dict[str, object]:
    """Runs in a process of its own, so that memory and opening time are those of a user."""
    begun = time.perf_counter()
    store = LocalStore(root / "index", MANIFEST)
    opened = time.perf_counter() - begun
    corpus = Corpus(cache)
    texts = corpus.questions[:_QUESTIONS]
    questions = corpus.question_vectors[:_QUESTIONS]
    embedder = QuestionVectors(corpus.questions, corpus.question_vectors)
    retriever = Retriever(Settings(), store, embedder)
    retriever.candidates = _DEPTH
    facts: dict[str, object] = {
        "passages": count,
        **json.loads((root / "filled.json").read_text()),
        "kind": store.stats().dense,
        "open_s": round(opened, 2),
        "cores": os.cpu_count(),
        "load": load(),
        "bytes": sizes(root / "index"),
    }
    memory_before = memory()
    facts["dense_ms"] = timed(lambda q: store.dense(q, _DEPTH), list(questions))
    facts["lexical_ms"] = timed(lambda t: store.lexical(t, _DEPTH), texts)
    facts["retrieval_ms"] = timed(lambda t: retriever.search(t, _NEIGHBOURS), texts)
    facts["resident_mib"] = {"opened": memory_before, "searched": memory()}
    neighbours = [{i for i, _ in store.dense(question, _NEIGHBOURS)} for question in questions]
    exact_neighbours = neighbours_by_exact_search(
        np.load(root / "rows.npy", mmap_mode="r"), questions, _NEIGHBOURS
    )
    shared_count = sum(len(a & b) for a, b in zip(neighbours, exact_neighbours, strict=True))
    facts["recall@10"] = round(shared_count / sum(map(len, exact_neighbours)), 4)
    facts |= change(store, corpus)
    return facts


def sizes(folder: Path) -> dict[str, int]:
    names = {"sqlite": "rag.sqlite*", "vectors": "vectors.faiss*", "lexical": "lexical/**/*"}
    files = {kind: folder.glob(pattern) for kind, pattern in (names | {"all": "**/*"}).items()}
    return {kind: sum(p.stat().st_size for p in ps if p.is_file()) for kind, ps in files.items()}


def memory() -> dict[str, int]:
    """MiB: own memory, and pages of mapped files, which the system can reclaim."""
    rows = {"own": "RssAnon", "mapped": "RssFile"}
    return {name: round(mib("self", row)) for name, row in rows.items()}


@script(__doc__)
@click.argument("sizes", type=int, nargs=-1, required=True)
@click.option("--corpus", type=PATH, required=True, help="Folder that eval.bench.corpus made.")
@click.option("--keep", type=PATH, help="Folder for the indexes, which are filled once.")
@OUT
def main(sizes: tuple[int, ...], corpus: Path, keep: Path | None, out: Path | None) -> None:
    stored = json.loads(out.read_text()) if out and out.exists() else []
    results = {row["passages"]: row for row in stored}
    with tempfile.TemporaryDirectory(prefix="rag-scale-") as temporary:
        for size in sizes:
            root = (keep or Path(temporary)) / str(size)
            if not (root / "filled.json").exists():
                fill(root, corpus, size)
            with multiprocessing.get_context("spawn").Pool(1) as process:
                results[size] = process.apply(measure_index, (root, corpus, size))
            finished([results[key] for key in sorted(results)], out)


if __name__ == "__main__":
    main()
