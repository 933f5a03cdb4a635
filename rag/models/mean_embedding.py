"""Text to unit vectors by the mean of a BERT's states: what sentence-transformers does with most of
its models, without its import, which takes seconds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rag.errors import ModelError
from rag.models.bert import Bert, is_bert
from rag.protocols import Vectors

_BATCH_TOKENS = 4096
_MODULES = ["Transformer", "Pooling", "Normalize"]


class MeanEmbedder:
    """A folder in sentence-transformers' layout for which `is_mean` holds. float32 rows of unit
    length.
    """

    def __init__(self, setting: str, folder: Path, bf16: bool = False) -> None:
        """`setting` is the embedder's name; `bf16` halves the work where the processor has it, the
        mean stays fp32.

        Raises ModelError if it cannot be loaded.
        """
        try:
            self._bert = Bert(folder, bf16)
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(
                f"embedder {setting} cannot be loaded: {error}", "set RAG_EMBEDDER to another model"
            ) from error
        self._most = _most_tokens(folder)
        self.name = setting
        self.dim = int(self._bert.config["hidden_size"])

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return self.embed_passages(texts)

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        encoded = self._bert.tokenizer.encode_batch(list(texts))
        ids = [
            found.ids
            if len(found.ids) <= self._most
            else [*found.ids[: self._most - 1], found.ids[-1]]
            for found in encoded
        ]
        rows = np.zeros((len(ids), self.dim), dtype=np.float32)
        for batch in _batches(ids):
            states = self._bert.states(
                [ids[row] for row in batch], [[0] * len(ids[row]) for row in batch]
            )
            for row, found in zip(batch, states, strict=True):
                rows[row] = found.float().mean(0).numpy()
        unit: Vectors = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        return unit

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [
            len(found.ids)
            for found in self._bert.tokenizer.encode_batch(list(texts), add_special_tokens=False)
        ]


def _batches(ids: Sequence[Sequence[int]]) -> list[list[int]]:
    """Rows in order, each batch within the token budget; one text is always a batch."""
    batches: list[list[int]] = []
    used = _BATCH_TOKENS
    for row, text in enumerate(ids):
        if used + len(text) > _BATCH_TOKENS:
            batches.append([])
            used = 0
        batches[-1].append(row)
        used += len(text)
    return batches


def is_mean(folder: Path) -> bool:
    """Whether the folder holds a BERT whose unit vectors are the mean of its states, and which
    wants no prompts: as sentence-transformers once wrote it, or writes it now."""
    try:
        modules = [
            str(module["type"]).rsplit(".", 1)[-1] for module in _json(folder / "modules.json")
        ]
        pooling = _json(folder / "1_Pooling" / "config.json")
        prompts = _json(folder / "config_sentence_transformers.json").get("prompts") or {}
        lowered = _json(folder / "sentence_bert_config.json").get("do_lower_case")
        most = _most_tokens(folder)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    modes = [name for name, on in pooling.items() if name.startswith("pooling_mode_") and on]
    mean = modes == ["pooling_mode_mean_tokens"] or (
        not modes and pooling.get("pooling_mode") == "mean"
    )
    return (
        modules == _MODULES
        and mean
        and not any(prompts.values())
        and not lowered
        and most > 0
        and is_bert(folder)
    )


def _most_tokens(folder: Path) -> int:
    """Of a text; 0 where that is more than the model has positions for."""
    limit = _json(folder / "sentence_bert_config.json").get("max_seq_length")
    most = int(
        _json(folder / "tokenizer_config.json")["model_max_length"] if limit is None else limit
    )
    return most if most <= _json(folder / "config.json")["max_position_embeddings"] else 0


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
