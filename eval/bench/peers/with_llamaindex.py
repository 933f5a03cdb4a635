"""LlamaIndex: its vector index over its Hugging Face embedding. It has no extractive reader, so it
only searches.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eval.bench.peers.system import BATCH, READ, Said, System, Text
from rag.errors import InputError
from rag.models.registry import embedder_path


class LlamaIndex(System):
    def imports(self) -> None:
        import llama_index.core
        import llama_index.core.schema
        from llama_index.embeddings.huggingface import HuggingFaceEmbedding

        self._core: Any = llama_index.core
        self._embedding: Any = HuggingFaceEmbedding

    def models(self, reader: bool) -> None:
        self._embedder = self._embedding(
            model_name=embedder_path("minilm")[0], device="cpu", embed_batch_size=BATCH
        )

    def ingest(self, texts: Sequence[Text], folder: Path) -> None:
        nodes = [self._core.schema.TextNode(id_=text.id, text=text.text) for text in texts]
        index = self._core.VectorStoreIndex(nodes, embed_model=self._embedder)
        index.storage_context.persist(str(folder))

    def open(self, folder: Path) -> None:
        context = self._core.StorageContext.from_defaults(persist_dir=str(folder))
        index = self._core.load_index_from_storage(context, embed_model=self._embedder)
        self._retriever = index.as_retriever(similarity_top_k=READ)

    def search(self, question: str) -> list[str]:
        return [found.node.node_id for found in self._retriever.retrieve(question)]

    def ask(self, question: str) -> Said:
        raise InputError(
            "llamaindex has no extractive reader", "leave it out of the phases alone and together"
        )


def create(_: str, __: int) -> System:
    return LlamaIndex()
