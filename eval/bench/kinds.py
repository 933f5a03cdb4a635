"""Compares types of dense index on the vectors that `eval.bench.scale --keep` stored.

    python -m eval.bench.kinds ROOT CACHE --out FILE

For each type and number of probed lists: seconds to build, bytes when saved, milliseconds for the
200 nearest neighbours of one question, and recall@10 against exact search, before and after the
candidates are rescored with the stored vectors. `--saved` measures the existing index in ROOT
instead of building one.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from eval.bench.corpus import Corpus
from eval.bench.scale import exact, recall
from rag.protocols import Vectors

_DEPTH, _K = 200, 10
_PROBES = (8, 16, 32, 64, 128, 256)
Tried = Iterator[tuple[int, Any]]
"""(value of the parameter, the search parameters)."""


def ivf(lists: int, quantizer: str) -> Callable[[int], Any]:
    def make(dim: int) -> Any:
        kinds = {"sq8": faiss.ScalarQuantizer.QT_8bit, "fp16": faiss.ScalarQuantizer.QT_fp16}
        inner = faiss.METRIC_INNER_PRODUCT
        index = faiss.IndexIVFScalarQuantizer(
            faiss.IndexFlatIP(dim), dim, lists, kinds[quantizer], inner
        )
        index.cp.niter, index.cp.min_points_per_centroid, index.cp.max_points_per_centroid = (
            8,
            1,
            64,
        )
        return index

    return make


def hnsw(dim: int) -> Any:
    bits: Any = faiss.ScalarQuantizer.QT_8bit
    index: Any = faiss.IndexHNSWSQ(dim, bits, 32, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = 80
    return index


def kinds(lists: int) -> dict[str, Callable[[int], Any]]:
    made: dict[str, Callable[[int], Any]] = {"flat": faiss.IndexFlatIP}
    made |= {f"ivf-{n}-sq8": ivf(n, "sq8") for n in (lists // 2, lists, 2 * lists)}
    return made | {f"ivf-{lists}-fp16": ivf(lists, "fp16"), "hnsw-32-sq8": hnsw}


def parameters(index: Any) -> Tried:
    if isinstance(index, faiss.IndexIVF):
        for probes in _PROBES:
            yield probes, faiss.SearchParametersIVF(nprobe=min(probes, index.nlist))  # type: ignore[call-arg]
    elif isinstance(index, faiss.IndexHNSW):
        for depth in (200, 400):
            yield depth, faiss.SearchParametersHNSW(efSearch=depth)  # type: ignore[attr-defined]
    else:
        yield 0, None


def tried(
    name: str,
    index: Any,
    first: int,
    rows: Vectors,
    questions: Vectors,
    right: list[set[int]],
    built: float,
) -> Iterator[dict[str, object]]:
    """`first` is the id of the first row in `index`."""
    size = faiss.serialize_index(index).nbytes
    for value, given in parameters(index):
        begun = time.perf_counter()
        found = [
            index.search(question[None, :], _DEPTH, params=given)[1][0] + (1 - first)
            for question in questions
        ]
        took = 1000 * (time.perf_counter() - begun) / len(questions)
        scored = [
            _scored(ids, rows, question) for ids, question in zip(found, questions, strict=True)
        ]
        raw = recall([set(ids[:_K].tolist()) for ids in found], right)
        facts = {
            "kind": name,
            "looked": value,
            "build_s": round(built, 1),
            "mib": size >> 20,
            "ms": round(took, 2),
        }
        yield facts | {"recall@10 as proposed": raw, "recall@10": recall(scored, right)}


def _scored(ids: Any, rows: Vectors, question: Vectors) -> set[int]:
    kept = ids[ids > 0]
    order = np.argsort(-(rows[kept - 1] @ question))[:_K]
    return set(kept[order].tolist())


def build(make: Callable[[int], Any], rows: Vectors) -> tuple[Any, float]:
    begun = time.perf_counter()
    index = make(rows.shape[1])
    index.train(
        rows[np.random.default_rng(0).permutation(len(rows))[: 64 * getattr(index, "nlist", 1000)]]
    )
    index.add(rows)
    return index, time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("root", type=Path)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--saved", action="store_true")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    rows, questions = (
        np.load(asked.root / "rows.npy", mmap_mode="r"),
        Corpus(asked.cache).question_vectors,
    )
    right, results = exact(rows, questions, _K), list[dict[str, object]]()
    if asked.saved:
        index: Any = faiss.read_index(str(asked.root / "index" / "vectors.faiss"))
        results += tried(f"ivf-{index.nlist}-sq8", index, 1, rows, questions, right, 0.0)
    else:
        whole = np.ascontiguousarray(rows)
        lists = 2 ** round(np.log2(4 * np.sqrt(len(rows))))
        for name, make in kinds(lists).items():
            index, took = build(make, whole)
            results += tried(name, index, 0, whole, questions, right, took)
            print(json.dumps(results[-1]), flush=True)
    text = json.dumps(results, indent=1) + "\n"
    asked.out.write_text(text) if asked.out else print(text, end="")


if __name__ == "__main__":
    main()
