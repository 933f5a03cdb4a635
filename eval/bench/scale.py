"""How an index behaves as it grows:

    python -m eval.bench.scale --sizes 1000 10000 100000 --corpus CACHE --out FILE

Passages come from `eval.bench.corpus`: real ones as far as CACHE has them, then perturbed copies.

For each size, in a process that did not fill it: seconds to open; resident memory after the
searches, own and of mapped files; milliseconds (median, 95th percentile) of the dense, the lexical
and the hybrid retriever at a depth of 100, without the embedding of the question; recall@10 of the
dense retriever against exact search; milliseconds until both retrievers find an added document of
20 passages, or no longer find a deleted one. An index in --keep is not filled again.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from tqdm import tqdm

from eval.bench.corpus import Corpus, joined
from rag.protocols import Vectors
from rag.retrieval import HybridRetriever
from rag.store.local.store import LocalStore

DIM, EACH = 384, 20
MANIFEST = {"embedder": "minilm", "dim": str(DIM), "passage_tokens": "160"}
"""As with the default settings, so that `rag ask` can use the index."""
_DEPTH, _SHOWN = 100, 10
_QUESTIONS, _CHANGES = 300, 20
_CHUNK = 50_000


def fill(root: Path, cache: Path, count: int) -> None:
    """The index in `root`/index, all vectors in `root`/rows.npy in the order of the passage ids,
    and the time to fill it."""
    root.mkdir(parents=True, exist_ok=True)
    rows = np.lib.format.open_memmap(root / "rows.npy", "w+", np.float32, (count, DIM))
    corpus, begun, first = Corpus(cache), time.perf_counter(), 0
    store = LocalStore(root / "index", MANIFEST, create=True)
    with store.writing(), tqdm(total=count, unit="passage", disable=None) as progress:
        for document, passages, vectors in corpus.documents(count):
            store.put(document, passages, vectors)
            rows[first : first + len(passages)] = vectors
            first += len(passages)
            progress.update(len(passages))
        put = time.perf_counter() - begun
    store.close()
    rows.flush()
    real = min(count, len(corpus.vectors))
    took = {"real": real, "put_s": round(put, 1), "fill_s": round(time.perf_counter() - begun, 1)}
    (root / "filled.json").write_text(json.dumps(took))


class Known:
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
    milliseconds = []
    for value in inputs:
        begun = time.perf_counter()
        do(value)
        milliseconds.append(1000 * (time.perf_counter() - begun))
    return {
        name: round(float(np.percentile(milliseconds, share)), 2)
        for name, share in (("p50", 50), ("p95", 95), ("max", 100))
    }


def exact(rows: Vectors, questions: Vectors, k: int) -> list[set[int]]:
    """Ids, from 1, of the `k` nearest neighbours by exact search."""
    index = faiss.IndexFlatIP(rows.shape[1])
    best = faiss.ResultHeap(len(questions), k, keep_max=True)
    for start in range(0, len(rows), _CHUNK):
        index.reset()
        index.add(np.ascontiguousarray(rows[start : start + _CHUNK]))
        scores, ids = index.search(questions, k)
        best.add_result(scores, ids + start + 1)
    best.finalize()
    return [set(row.tolist()) for row in best.I]


def change(store: LocalStore, corpus: Corpus) -> dict[str, dict[str, float]]:
    """Add and delete one document at a time, until both retrievers reflect the change."""
    some = islice(corpus.documents(10**9, seed=9), _CHANGES)
    items = [
        (*joined(f"new/{n}", [(f"{p.text} new{n}", "") for p in passages[:EACH]]), rows[:EACH])
        for n, (_, passages, rows) in enumerate(some)
    ]

    def shown(number: int) -> tuple[bool, bool]:
        document, _, rows = items[number]
        rankings = [store.dense(rows[0], _DEPTH), store.lexical(f"new{number}", _DEPTH)]
        dense, lexical = (
            {p.document_id for p in store.passages([i for i, _ in leg]).values()}
            for leg in rankings
        )
        return document.id in dense, document.id in lexical

    def add(number: int) -> None:
        with store.writing():
            store.put(*items[number])
        if shown(number) != (True, True):
            raise LookupError(f"{items[number][0].id} does not show")

    def delete(number: int) -> None:
        with store.writing():
            store.delete(items[number][0].id)
        if shown(number) != (False, False):
            raise LookupError(f"{items[number][0].id} shows")

    return {"add_ms": timed(add, range(_CHANGES)), "delete_ms": timed(delete, range(_CHANGES))}


def look(root: Path, cache: Path, count: int) -> dict[str, object]:
    """Runs in a process that did not fill the index, so that memory and opening time are those of a
    user."""
    begun = time.perf_counter()
    store = LocalStore(root / "index", MANIFEST)
    opened = time.perf_counter() - begun
    corpus = Corpus(cache)
    texts, questions = corpus.questions[:_QUESTIONS], corpus.question_vectors[:_QUESTIONS]
    retriever = HybridRetriever(store, Known(corpus.questions, corpus.question_vectors), _DEPTH)
    facts: dict[str, object] = {
        "passages": count,
        **json.loads((root / "filled.json").read_text()),
        "kind": store.stats().dense,
        "open_s": round(opened, 2),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "bytes": sizes(root / "index"),
    }
    before = memory()
    facts["dense_ms"] = timed(lambda q: store.dense(q, _DEPTH), list(questions))
    facts["lexical_ms"] = timed(lambda t: store.lexical(t, _DEPTH), texts)
    facts["retrieval_ms"] = timed(lambda t: retriever.retrieve([t], _SHOWN), texts)
    facts["resident_mib"] = {"opened": before, "searched": memory()}
    nearest = [{i for i, _ in store.dense(question, _SHOWN)} for question in questions]
    right = exact(np.load(root / "rows.npy", mmap_mode="r"), questions, _SHOWN)
    common = sum(len(a & b) for a, b in zip(nearest, right, strict=True))
    facts["recall@10"] = round(common / sum(map(len, right)), 4)
    facts |= change(store, corpus)
    return facts


def sizes(folder: Path) -> dict[str, int]:
    names = {"sqlite": "rag.sqlite*", "vectors": "vectors.faiss*", "lexical": "lexical/**/*"}
    files = {kind: folder.glob(pattern) for kind, pattern in (names | {"all": "**/*"}).items()}
    return {
        kind: sum(path.stat().st_size for path in paths if path.is_file())
        for kind, paths in files.items()
    }


def memory() -> dict[str, int]:
    """MiB: own memory, and pages of mapped files, which the system can reclaim."""
    status = Path("/proc/self/status").read_text()
    kib = {name: re.findall(rf"{key}:\s+(\d+)", status) for name, key in _MEMORY.items()}
    return {name: int(values[0]) // 1024 for name, values in kib.items()}


_MEMORY = {"own": "RssAnon", "mapped": "RssFile"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--corpus", type=Path, required=True, help="what eval.bench.corpus made")
    parser.add_argument(
        "--keep", type=Path, help="keep each index, in a folder named by its size in here"
    )
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    results = (
        {row["passages"]: row for row in json.loads(options.out.read_text())}
        if options.out and options.out.exists()
        else {}
    )
    with tempfile.TemporaryDirectory(prefix="rag-scale-") as temporary:
        for size in options.sizes:
            root = (options.keep or Path(temporary)) / str(size)
            if not (root / "filled.json").exists():
                fill(root, options.corpus, size)
            with multiprocessing.get_context("spawn").Pool(1) as process:
                results[size] = process.apply(look, (root, options.corpus, size))
            print(json.dumps(results[size]), flush=True)
            if options.out:
                options.out.write_text(
                    json.dumps([results[key] for key in sorted(results)], indent=1) + "\n"
                )


if __name__ == "__main__":
    main()
