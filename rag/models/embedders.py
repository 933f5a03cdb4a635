"""Text to unit vectors, through sentence-transformers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sentence_transformers import SentenceTransformer

from rag.errors import ModelError
from rag.models.packing import without_padding
from rag.models.registry import embedder_path
from rag.protocols import Vectors


class SentenceTransformerEmbedder:
    """A sentence-transformers model with its own prompts for queries and documents. float32 rows of
    unit length.
    """

    def __init__(self, setting: str, batch: int = 32, bf16: bool = False) -> None:
        """`setting` as in `Settings.embedder`; `bf16` halves the work where the processor has it,
        pooling stays fp32.

        Raises ModelError if it cannot be loaded.
        """
        path, local = embedder_path(setting)
        try:
            self._model = SentenceTransformer(
                path,
                device="cpu",
                local_files_only=local,
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True},
            )
        except (OSError, ValueError, KeyError) as error:
            reason = str(error).splitlines()[0]
            raise ModelError(
                f"embedder {setting} cannot be loaded: {reason}",
                "set RAG_EMBEDDER to another model",
            ) from error
        if hasattr(self._model[0], "auto_model"):  # not static embeddings
            without_padding(self._model[0].auto_model)
        if bf16:
            self._model.bfloat16()
            self._model[0].register_forward_hook(_widened)
        self.name = setting
        self.dim = int(self._model.get_embedding_dimension() or 0)
        self._batch = batch

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return self._unit(
            self._model.encode_query(list(texts), batch_size=self._batch, show_progress_bar=False)
        )

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        return self._unit(
            self._model.encode_document(
                list(texts), batch_size=self._batch, show_progress_bar=False
            )
        )

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        encoded = (
            self._model.tokenizer(list(texts), add_special_tokens=False, verbose=False)
            if texts
            else {"input_ids": []}
        )
        return [len(ids) for ids in encoded["input_ids"]]

    def _unit(self, rows: object) -> Vectors:
        vectors = np.asarray(rows, dtype=np.float32).reshape(-1, self.dim)
        unit: Vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return unit


def _widened(_: object, __: object, output: dict[str, Any]) -> dict[str, Any]:
    return output | {"token_embeddings": output["token_embeddings"].float()}
