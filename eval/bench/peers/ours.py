"""This project, through its composition root, as all its interfaces use it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from eval.bench.peers.corpus import documents
from eval.bench.peers.system import READ, Said, System, Text

if TYPE_CHECKING:
    from rag.engine import Engine
    from rag.protocols import Embedder, Reader
    from rag.server.model_worker import ModelThread
    from rag.types import Answer


class Ours(System):
    def __init__(self, precision: str, threads: int) -> None:
        from rag.settings import Settings

        self._settings = replace(Settings(), reader="fast", precision=precision, threads=threads)
        self._embedder: Embedder | None = None
        self._reader: Reader | None = None
        self._engine: Engine | None = None
        self._thread: ModelThread | None = None

    def imports(self) -> None:
        """The imports of `rag ask` before it loads a model."""
        import torch

        import rag.build
        import rag.models.reader
        import rag.store.local.store  # noqa: F401

        torch.set_num_threads(self._settings.threads)

    def models(self, reader: bool) -> None:
        from rag import build

        self._embedder = build.embedder(self._settings)
        self._reader = build.reader(self._settings) if reader else None

    def prepare(self) -> None:
        assert self._embedder
        self._documents = documents(self._embedder.count_tokens)

    def ingest(self, texts: Sequence[Text], folder: Path) -> None:
        """Stored in SQLite, FAISS and Tantivy, each document in a transaction; the passages are
        those of `texts`."""
        from rag import build
        from rag.ingestion.pipeline import BATCH_PASSAGES, Split, embed, put

        assert self._embedder
        store = build.store(replace(self._settings, index=folder), self._embedder, create=True)
        pending: list[Split] = []
        with store.writing():
            for one in self._documents:
                pending.append(one)
                if sum(len(passages) for _, passages in pending) >= BATCH_PASSAGES:
                    put(store, embed(self._embedder, pending))
                    pending = []
            put(store, embed(self._embedder, pending))
        store.close()

    def open(self, folder: Path) -> None:
        from rag import build

        assert self._embedder
        assert self._reader
        settings = replace(self._settings, index=folder)
        self._engine = build.assemble(settings, build.store(settings), self._embedder, self._reader)

    def search(self, question: str) -> list[str]:
        assert self._engine
        return [
            f"{hit.passage.document_id}#{hit.passage.start}"
            for hit in self._engine.search(question, READ)
        ]

    def ask(self, question: str) -> Said:
        assert self._engine
        if self._thread is None:
            return _said(self._engine.ask(question, READ))
        return _said(self._submit(question).result())

    def serve(self) -> None:
        """The model thread of the HTTP service, which batches questions of all connections."""
        from rag.server.model_worker import ModelThread
        from rag.server.prometheus import Metrics

        engine, settings = self._engine, self._settings
        assert engine
        if self._thread:
            return
        self._thread = ModelThread(lambda: engine, settings.queue, Metrics())
        self._thread.start()

    def close(self) -> None:
        if self._thread:
            self._thread.close()

    def _submit(self, question: str) -> Future[Answer]:
        from rag.answering.searcher import Query
        from rag.server.pending_question import PendingQuestion

        assert self._thread
        work = PendingQuestion(Query(question, READ), time.monotonic() + 600, READ)
        self._thread.submit([work])
        return work.answer


def _said(answer: Answer) -> Said:
    from rag.evaluation.error_analysis import best_candidate

    likeliest = best_candidate(answer)
    return Said(answer.text, likeliest.text if likeliest else None)


def create(option: str, threads: int) -> System:
    return Ours(option, threads)
