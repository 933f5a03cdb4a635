"""Haystack: its sentence-transformers embedders, in-memory store, embedding retriever and
extractive reader, in its pipelines."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eval.bench.peers.system import BATCH, READ, Said, System, Text
from rag.models.registry import embedder_path, reader_path


class Haystack(System):
    def __init__(self) -> None:
        self._lock = threading.Lock()  # its components share tokenizers

    def imports(self) -> None:
        import haystack
        import torch
        from haystack.components.retrievers.in_memory import InMemoryEmbeddingRetriever
        from haystack.document_stores.in_memory import InMemoryDocumentStore
        from haystack_integrations.components.embedders import sentence_transformers
        from haystack_integrations.components.readers.transformers import (
            TransformersExtractiveReader,
        )

        self._haystack: Any = haystack
        self._torch: Any = torch
        self._embedders: Any = sentence_transformers
        self._retriever: Any = InMemoryEmbeddingRetriever
        self._store_class: Any = InMemoryDocumentStore
        self._reader_class: Any = TransformersExtractiveReader

    def models(self, reader: bool) -> None:
        options = {
            "model": embedder_path("minilm")[0],
            "progress_bar": False,
            "local_files_only": True,
        }
        if reader:
            self._embedder = self._embedders.SentenceTransformersTextEmbedder(**options)
            kwargs = {
                "dtype": self._torch.float32
            }  # the weights' own type would be fp16, slow on this processor
            self._reader = self._reader_class(model=reader_path("fast")[0], model_kwargs=kwargs)
            self._reader.warm_up()
        else:
            self._embedder = self._embedders.SentenceTransformersDocumentEmbedder(
                batch_size=BATCH, **options
            )
        self._embedder.warm_up()

    def ingest(self, texts: Sequence[Text], folder: Path) -> None:
        from haystack.components.writers import DocumentWriter

        store = self._store_class()
        pipeline = self._haystack.Pipeline()
        pipeline.add_component("embedder", self._embedder)
        pipeline.add_component("writer", DocumentWriter(store))
        pipeline.connect("embedder", "writer")
        pipeline.run(
            {
                "embedder": {
                    "documents": [
                        self._haystack.Document(id=text.id, content=text.text) for text in texts
                    ]
                }
            }
        )
        folder.mkdir()
        store.save_to_disk(str(folder / "store.json"))

    def open(self, folder: Path) -> None:
        store = self._store_class.load_from_disk(str(folder / "store.json"))
        self._search = self._haystack.Pipeline()
        self._search.add_component("embedder", self._embedder)
        self._search.add_component("retriever", self._retriever(store, top_k=READ))
        self._search.connect("embedder.embedding", "retriever.query_embedding")
        asks = self._haystack.Pipeline()
        asks.add_component("embedder", _again(self._embedder))
        asks.add_component("retriever", self._retriever(store, top_k=READ))
        asks.add_component("reader", self._reader)
        asks.connect("embedder.embedding", "retriever.query_embedding")
        asks.connect("retriever.documents", "reader.documents")
        self._asks = asks

    def search(self, question: str) -> list[str]:
        found = self._search.run({"embedder": {"text": question}})
        return [document.id for document in found["retriever"]["documents"]]

    def ask(self, question: str) -> Said:
        with self._lock:
            done = self._asks.run({"embedder": {"text": question}, "reader": {"query": question}})
        answers = done["reader"]["answers"]
        given = next((answer.data for answer in answers if answer.data is not None), None)
        return Said(answers[0].data if answers else None, given)


def _again(embedder: Any) -> Any:
    """A component can be in one pipeline only; this one uses the same model in another."""
    made = type(embedder).from_dict(embedder.to_dict())
    made.warm_up()
    return made


def create(_: str, __: int) -> System:
    return Haystack()
