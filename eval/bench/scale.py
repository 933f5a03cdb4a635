"""How an index behaves as it grows:

    python -m eval.bench.scale --sizes 1000 10000 100000 --corpus CACHE --out FILE

Passages come from `eval.bench.corpus`: real ones as far as CACHE has them, then perturbed copies.

For each size, in a process that did not fill it: seconds to open; resident memory after the
searches, own and of mapped files; milliseconds (median, 95th percentile) of the dense, the lexical
and the hybrid retriever at a depth of 100, without the embedding of the question; recall@10 of the
dense retriever against exact search; milliseconds until both retrievers find an added document of
20 passages, or no longer find a deleted one; with --ask the times of whole answers, by stage. An
index in --keep is not filled again.
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
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from eval.bench.corpus import Corpus
from rag import build
from rag.protocols import Vectors
from rag.retrieval import HybridRetriever
from rag.settings import Settings
from rag.store.local.store import LocalStore
from rag.types import Document, Passage

DIM, EACH = 384, 20
_DEPTH, _SHOWN = 100, 10
_QUESTIONS, _CHANGES, _ASKED = 300, 20, 12
_CHUNK = 50_000
Item = tuple[Document, list[Passage], Vectors]


def document(name: str, texts: Sequence[str], rows: Vectors) -> Item:
    starts = np.cumsum([0, *(len(text) + 1 for text in texts)]).tolist()
    passages = [
        Passage(name, at, at + len(t), t, name, "") for at, t in zip(starts, texts, strict=False)
    ]
    return Document(name, "\n".join(texts), name, name, "0" * 64), passages, rows


def expected() -> dict[str, str]:
    """The manifest that the settings would create, so that `rag ask` can use the index."""
    settings = Settings.load()
    return {
        "embedder": settings.embedder,
        "dim": str(DIM),
        "passage_tokens": str(settings.passage_tokens),
    }


def fill(root: Path, cache: Path, count: int) -> None:
    """The index in `root`/index, all vectors in `root`/rows.npy in the order of the passage ids,
    and the time to fill it."""
    root.mkdir(parents=True, exist_ok=True)
    rows = np.lib.format.open_memmap(root / "rows.npy", "w+", np.float32, (count, DIM))
    made, begun, done = Corpus(cache), time.perf_counter(), 0
    store = LocalStore(root / "index", expected(), create=True)
    with store.writing():
        for number, (one, passages, vectors) in enumerate(made.documents(count)):
            store.put(one, passages, vectors)
            rows[done : done + len(passages)] = vectors
            done += len(passages)
            if number % 500 == 0:
                print(
                    f"{done} passages, {time.perf_counter() - begun:.0f} s",
                    file=sys.stderr,
                    flush=True,
                )
        put = time.perf_counter() - begun
    store.close()
    rows.flush()
    real = min(count, len(made.vectors))
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


def timed(do: Callable[[Any], object], asked: Sequence[Any]) -> dict[str, float]:
    taken = []
    for one in asked:
        begun = time.perf_counter()
        do(one)
        taken.append(1000 * (time.perf_counter() - begun))
    return {
        name: round(float(np.percentile(taken, share)), 2)
        for name, share in (("p50", 50), ("p95", 95), ("max", 100))
    }


def exact(rows: Vectors, questions: Vectors, k: int) -> list[set[int]]:
    """Ids, from 1, of the `k` nearest neighbours by exact search."""
    best = np.full((len(questions), k), -2.0, dtype=np.float32)
    ids = np.zeros((len(questions), k), dtype=np.int64)
    for start in range(0, len(rows), _CHUNK):
        scores = questions @ np.asarray(rows[start : start + _CHUNK]).T
        both = np.concatenate([best, scores], axis=1)
        numbers = np.concatenate(
            [ids, np.broadcast_to(np.arange(scores.shape[1]) + start + 1, scores.shape)], axis=1
        )
        order = np.argpartition(-both, k - 1, axis=1)[:, :k]
        best, ids = (
            np.take_along_axis(both, order, axis=1),
            np.take_along_axis(numbers, order, axis=1),
        )
    return [set(row.tolist()) for row in ids]


def recall(found: Sequence[set[int]], right: Sequence[set[int]]) -> float:
    return round(
        sum(len(a & b) for a, b in zip(found, right, strict=True)) / sum(map(len, right)), 4
    )


def change(store: LocalStore, made: Corpus) -> dict[str, dict[str, float]]:
    """Add and delete one document at a time, until both retrievers reflect the change."""
    some = islice(made.documents(10**9, seed=9), _CHANGES)
    items = [
        document(f"new/{n}", [f"{p.text} new{n}" for p in passages[:EACH]], rows[:EACH])
        for n, (_, passages, rows) in enumerate(some)
    ]

    def shown(number: int) -> tuple[bool, bool]:
        one, _, rows = items[number]
        found = [store.dense(rows[0], _DEPTH), store.lexical(f"new{number}", _DEPTH)]
        dense, lexical = (
            {p.document_id for p in store.passages([i for i, _ in leg]).values()} for leg in found
        )
        return one.id in dense, one.id in lexical

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


def look(root: Path, cache: Path, count: int, ask: bool) -> dict[str, object]:
    """Runs in a process that did not fill the index, so that memory and opening time are those of a
    user."""
    begun = time.perf_counter()
    store = LocalStore(root / "index", expected())
    opened = time.perf_counter() - begun
    made = Corpus(cache)
    texts, questions = made.questions[:_QUESTIONS], made.question_vectors[:_QUESTIONS]
    retriever = HybridRetriever(store, Known(made.questions, made.question_vectors), _DEPTH)
    state = {"kind": store.stats().dense, "open_s": round(opened, 2), "cores": os.cpu_count()}
    facts: dict[str, object] = {
        "passages": count,
        **json.loads((root / "filled.json").read_text()),
        **state,
    }
    facts |= {"load": round(os.getloadavg()[0], 1), "bytes": sizes(root / "index")}
    before = memory()
    facts["dense_ms"] = timed(lambda q: store.dense(q, _DEPTH), list(questions))
    facts["lexical_ms"] = timed(lambda t: store.lexical(t, _DEPTH), texts)
    facts["retrieval_ms"] = timed(lambda t: retriever.retrieve([t], _SHOWN), texts)
    facts["resident_mib"] = {"opened": before, "searched": memory()}
    found = [{i for i, _ in store.dense(question, _SHOWN)} for question in questions]
    facts["recall@10"] = recall(
        found, exact(np.load(root / "rows.npy", mmap_mode="r"), questions, _SHOWN)
    )
    facts |= change(store, made)
    if ask:
        facts["ask_ms"] = answers(store, texts[:_ASKED])
    return facts


def answers(store: LocalStore, questions: Sequence[str]) -> dict[str, object]:
    """Whole answers with the models of the settings, after one to warm up; medians by stage."""
    settings = Settings.load()
    engine = build.assemble(settings, store, build.embedder(settings), build.reader(settings))
    engine.ask(questions[0])
    given = list[dict[str, float]]()
    whole = timed(lambda q: given.append(dict(engine.ask(q).timings)), questions)
    stages = {
        name: round(1000 * float(np.median([one[name] for one in given])), 1) for name in given[0]
    }
    return {"n": len(questions), **whole, "stages": stages, "resident_mib": memory()}


def sizes(folder: Path) -> dict[str, int]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    names = {"sqlite": "rag.sqlite", "vectors": "vectors.faiss", "lexical": "lexical/"}
    found = {
        k: sum(f.stat().st_size for f in files if str(f.relative_to(folder)).startswith(v))
        for k, v in names.items()
    }
    return found | {"all": sum(path.stat().st_size for path in files)}


def memory() -> dict[str, int]:
    """MiB: own memory, and pages of mapped files, which the system can reclaim."""
    status = dict(
        line.split(":", 1)
        for line in Path("/proc/self/status").read_text().splitlines()
        if ":" in line
    )
    return {
        name: int(status[key].split()[0]) // 1024
        for name, key in (("own", "RssAnon"), ("mapped", "RssFile"))
    }


def measure(root: Path, cache: Path, count: int, ask: bool) -> dict[str, object]:
    if not (root / "filled.json").exists():
        fill(root, cache, count)
    given = f"Path({str(root)!r}), Path({str(cache)!r}), {count}, {ask}"
    code = (
        f"import json; from pathlib import Path; from eval.bench.scale import look; "
        f"print(json.dumps(look({given})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True
    )
    facts: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return facts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--corpus", type=Path, required=True, help="what eval.bench.corpus made")
    parser.add_argument(
        "--keep", type=Path, help="keep each index, in a folder named by its size in here"
    )
    parser.add_argument("--fill", action="store_true", help="only fill, into --keep")
    parser.add_argument("--ask", action="store_true", help="whole answers too")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    results = (
        {one["passages"]: one for one in json.loads(asked.out.read_text())}
        if asked.out and asked.out.exists()
        else {}
    )
    with tempfile.TemporaryDirectory(prefix="rag-scale-") as temporary:
        for size in asked.sizes:
            root = (asked.keep or Path(temporary)) / str(size)
            if asked.fill:
                fill(root, asked.corpus, size)
                continue
            results[size] = measure(root, asked.corpus, size, asked.ask)
            print(json.dumps(results[size]), flush=True)
            if asked.out:
                asked.out.write_text(
                    json.dumps([results[key] for key in sorted(results)], indent=1) + "\n"
                )


if __name__ == "__main__":
    main()
