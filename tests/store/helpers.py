"""Stores to test and the processes beside them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, Self, cast

import numpy as np
import pytest

from rag.chunking.split import split
from rag.ingest import embed_and_put
from rag.protocols import Store, Vectors
from rag.store.local import LocalStore
from rag.types import Document, Passage
from tests.fakes import BagOfWordsEmbedder, document

ROOT = Path(__file__).parents[2]
EMBEDDER = BagOfWordsEmbedder()
EXPECT = {"embedder": EMBEDDER.name, "dim": str(EMBEDDER.dim), "passage_tokens": "12"}
Factory = Callable[[Path], Store]
"""Opens the store that belongs to a folder, or makes it."""


def local(folder: Path, wait: float = 0.2, create: bool = True) -> LocalStore:
    return LocalStore(folder, EXPECT, create, wait)


def put(store: Store, id: str, text: str, **metadata: str) -> list[Passage]:
    """Split, embed and put, as ingest does."""
    made = document(text, id, id, **metadata)
    passages = split(made, EMBEDDER.count_tokens, int(EXPECT["passage_tokens"]))
    embed_and_put(store, EMBEDDER, [(made, passages)])
    return passages


def put_vectors(store: Store, id: str, texts: Sequence[str], vectors: Vectors, **metadata: str) -> None:
    """A document of a passage per vector."""
    starts = np.cumsum([0, *(len(text) + 1 for text in texts)]).tolist()
    passages = [Passage(id, at, at + len(text), text, id, "") for at, text in zip(starts, texts, strict=False)]
    store.put(document("\n".join(texts), id, id, **metadata), passages, vectors)


def unit(count: int, seed: int = 0) -> Vectors:
    rows = np.random.default_rng(seed).standard_normal((count, EMBEDDER.dim), dtype=np.float32)
    return cast(Vectors, rows / np.linalg.norm(rows, axis=1, keepdims=True))


def by_dense(store: Store, question: str, k: int = 1000) -> list[str]:
    """Ids of documents, one for each passage found, best first."""
    return _documents(store, store.dense(EMBEDDER.embed_queries([question])[0], k))


def by_lexical(store: Store, question: str, k: int = 1000) -> list[str]:
    return _documents(store, store.lexical(question, k))


def _documents(store: Store, found: list[tuple[int, float]]) -> list[str]:
    passages = store.passages([passage_id for passage_id, _ in found])
    assert len(passages) == len(found), "a search found a passage that is not there"
    return [passages[passage_id].document_id for passage_id, _ in found]


def both(store: Store, question: str) -> list[set[str]]:
    """What each leg finds at any depth."""
    return [set(by_dense(store, question)), set(by_lexical(store, question))]


def stored(store: Store) -> dict[str, Document]:
    documents = [store.document(d.id) for d in store.documents()]
    return {d.id: d for d in documents if d}


class Worker:
    """A store in another process: see worker.py."""

    def __init__(self, folder: Path, *prefix: str) -> None:
        command = [*prefix, sys.executable, "-m", "tests.store.worker", str(folder)]
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


def read_only(folder: Path) -> list[str]:
    """The start of a command that sees `folder` mounted for reading only, as root too; skips where that is not possible."""
    mount = f'mount --bind "{folder}" "{folder}" && mount -o remount,ro,bind "{folder}"'
    return _unshared(f'{mount} && exec "$@"')


def _unshared(script: str) -> list[str]:
    command = ["unshare", "-m", "sh", "-c", script, "sh"]
    if not shutil.which("unshare") or subprocess.run([*command, "true"], capture_output=True).returncode:
        pytest.skip("this system does not let a test mount")
    return command


def small_disk(folder: Path, kilobytes: int) -> list[str]:
    """The start of a command for which `folder` is a disk of that size; what stands in `folder` is copied onto it."""
    steps = [
        f'cp -a "{folder}" "{folder}.copy"',
        f'mount -t tmpfs -o size={kilobytes}k tmpfs "{folder}"',
        f'cp -a "{folder}.copy/." "{folder}"',
    ]
    return _unshared(" && ".join([*steps, 'exec "$@"']))
