"""Stores for tests, and processes that use them. Light: every such process imports it."""

from __future__ import annotations

import json
import subprocess
import sys
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self, cast

import numpy as np

from rag.ingestion.chunking import split_document
from rag.protocols import Store, Vectors
from rag.store.local.store import LocalStore
from rag.types import Document, Passage
from tests.fakes import BagOfWordsEmbedder, document

if TYPE_CHECKING:
    import pytest

    from tests.postgres import Cluster

ROOT = Path(__file__).parents[2]
EMBEDDER = BagOfWordsEmbedder()
EXPECT = {"embedder": EMBEDDER.name, "dim": str(EMBEDDER.dim), "passage_tokens": "12"}
Factory = Callable[..., Store]
"""Opens or creates the store for a folder; options as those of `local`."""


def local(
    folder: Path, wait: float = 0.2, create: bool = True, expect: dict[str, str] = EXPECT
) -> LocalStore:
    return LocalStore(folder, expect, create, wait)


def opening(request: pytest.FixtureRequest, kind: str) -> Factory:
    """The factory of "local" or "postgres"."""
    return postgres(request.getfixturevalue("cluster")) if kind == "postgres" else local


def postgres(cluster: Cluster, **options: Any) -> Factory:
    """A store per folder: a schema in one database."""

    def make_store(folder: Path, wait: float = 30, create: bool = True, **expect: Any) -> Store:
        from rag.store.postgres.store import PostgresStore

        values = expect.get("expect", EXPECT)
        return PostgresStore(schema_dsn(cluster, folder), values, create, wait, **options)

    return make_store


def schema_dsn(cluster: Cluster, folder: Path) -> str:
    name = f"s{zlib.crc32(str(folder).encode())}"
    cluster.execute(f"CREATE SCHEMA IF NOT EXISTS {name}")
    return f"{cluster.dsn()}?options=-csearch_path%3D{name},public"


def put_text(store: Store, id: str, text: str, root: str = "", **metadata: str) -> list[Passage]:
    """Split, embed and store, like ingest of the file with this name below `root`."""
    whole_document = replace(document(text, id, id, **metadata), source=f"{root}/{id}")
    passages = split_document(whole_document, EMBEDDER.count_tokens, int(EXPECT["passage_tokens"]))
    store.put(whole_document, passages, EMBEDDER.embed_passages([p.in_context for p in passages]))
    return passages


def put_vectors(
    store: Store,
    id: str,
    texts: Sequence[str],
    vectors: Vectors,
    pages: tuple[int, ...] = (),
    **metadata: str,
) -> None:
    """A document with one passage per vector."""
    starts = accumulate((len(text) + 1 for text in texts), initial=0)
    passages = [
        Passage(id, start, start + len(text), text, id, ())
        for start, text in zip(starts, texts, strict=False)
    ]
    joined = document("\n".join(texts), id, id, **metadata)
    store.put(replace(joined, pages=pages), passages, vectors)


def unit(count: int, seed: int = 0) -> Vectors:
    rows = np.random.default_rng(seed).standard_normal((count, EMBEDDER.dim), dtype=np.float32)
    return cast(Vectors, rows / np.linalg.norm(rows, axis=1, keepdims=True))


def by_dense(store: Store, question: str, k: int = 1000) -> list[str]:
    """Document ids, one per passage found, best first."""
    return _documents(store, store.dense(EMBEDDER.embed_queries([question])[0], k))


def by_lexical(store: Store, question: str, k: int = 1000) -> list[str]:
    return _documents(store, store.lexical(question, k))


def _documents(store: Store, hits: list[tuple[int, float]]) -> list[str]:
    return [passage.document_id for passage in passages_of(store, hits)]


def passages_of(store: Store, hits: list[tuple[int, float]]) -> list[Passage]:
    """What a search found, best first. Raises KeyError for a passage that is not there."""
    passages = store.passages([passage_id for passage_id, _ in hits])
    return [passages[passage_id] for passage_id, _ in hits]


def both(store: Store, question: str) -> list[set[str]]:
    """All results of each retriever."""
    return [set(by_dense(store, question)), set(by_lexical(store, question))]


def stored_documents(store: Store) -> dict[str, Document]:
    documents = [store.document(d.id) for d in store.documents()]
    return {d.id: d for d in documents if d}


class Worker:
    """A store in another process; see worker.py."""

    def __init__(self, folder: Path, *prefix: str) -> None:
        command = [*prefix, sys.executable, "-m", "tests.store.local.worker", str(folder)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True
        )
        self.opened = self.answer()

    def ask(self, do: str, *arguments: str) -> Any:
        self.tell(do, *arguments)
        return self.answer()

    def tell(self, do: str, *arguments: str) -> None:
        pipe = cast(IO[str], self.process.stdin)
        pipe.write(json.dumps([do, *arguments]) + "\n")
        pipe.flush()

    def answer(self) -> Any:
        return json.loads(cast(IO[str], self.process.stdout).readline())

    def end(self) -> str:
        """End the process. Returns its log."""
        return self.process.communicate()[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()
