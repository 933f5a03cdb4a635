"""Embedders: this package's BERT if it supports the model, else sentence-transformers.

sentence-transformers is imported when one of its models loads, since that takes seconds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from rag.models.device import ON_CPU, Arithmetic
from rag.models.registry import embedder_path, loading
from rag.protocols import Vectors

_HINT = "set RAG_EMBEDDER to another model"


class SentenceTransformerEmbedder:
    """A sentence-transformers model with its own prompts for queries and documents. Returns float32
    rows of unit length. Threads take turns, since using the tokenizer changes it.
    """

    def __init__(self, setting: str, arithmetic: Arithmetic = ON_CPU) -> None:
        """`setting` as in `Settings.embedder`; pooling is always fp32.

        Raises ModelError if the model cannot be loaded.
        """
        from sentence_transformers import SentenceTransformer

        path, is_local = embedder_path(setting)
        with loading(f"embedder {setting}", _HINT):
            self._model = SentenceTransformer(
                path,
                local_files_only=is_local,
                trust_remote_code=False,
                device=arithmetic.device,
                model_kwargs={"use_safetensors": True},
            )
        if arithmetic.bf16:
            self._model.bfloat16()
            self._model[0].register_forward_hook(_widened)

        self.name = setting
        self.dim = int(self._model.get_embedding_dimension() or 0)
        self._turn = Lock()

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return self._embedded(self._model.encode_query, texts)

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        return self._embedded(self._model.encode_document, texts)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        if not texts:
            return []
        with self._turn:
            encoded = self._model.tokenizer(list(texts), add_special_tokens=False, verbose=False)
        return [len(ids) for ids in encoded["input_ids"]]

    def _embedded(self, encode: Callable[..., Any], texts: Sequence[str]) -> Vectors:
        with self._turn:
            rows = encode(
                list(texts),
                batch_size=32,
                show_progress_bar=False,
            )
        vectors = np.asarray(rows, dtype=np.float32)
        return unit(vectors.reshape(-1, self.dim))


def unit(rows: Vectors) -> Vectors:
    """The rows, shape (n, dim), divided by their lengths; rows of zeros stay."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    divisors = np.maximum(lengths, 1e-12)
    scaled: Vectors = np.divide(rows, divisors, dtype=np.float32)
    return scaled


def _widened(_: object, __: object, output: dict[str, Any]) -> dict[str, Any]:
    embeddings = output["token_embeddings"].float()
    return output | {"token_embeddings": embeddings}


_BATCH_TOKENS = 1024
_REMEMBERED = 64
"""Number of questions whose vectors are remembered: a grid asks them of every document."""
_MODULES = ["Transformer", "Pooling", "Normalize"]


class MeanEmbedder:
    """Mean pooling over a BERT for which `is_mean` holds. Returns float32 rows of unit length."""

    def __init__(self, setting: str, folder: Path, arithmetic: Arithmetic = ON_CPU) -> None:
        """`setting` is the embedder's name; the mean is always fp32.

        Raises ModelError if the model cannot be loaded.
        """
        from rag.models.bert import Bert

        with loading(f"embedder {setting}", _HINT):
            self._bert = Bert(folder, arithmetic)
        self._most = _most_tokens(folder)
        self.name = setting
        self.dim = int(self._bert.config["hidden_size"])
        self._remembered: dict[str, Vectors] = {}

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        remembered = dict(self._remembered)
        new_texts = [text for text in dict.fromkeys(texts) if text not in remembered]
        if new_texts:
            vectors = self.embed_passages(new_texts)
            for text, vector in zip(new_texts, vectors, strict=True):
                remembered[text] = vector
            latest_items = list(remembered.items())[-_REMEMBERED:]
            self._remembered = dict(latest_items)

        rows = [remembered[text] for text in texts]
        vectors = np.array(rows, dtype=np.float32)
        return vectors.reshape(len(rows), self.dim)

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        means = []
        for batch in _batches(self._ids(texts)):
            types = [[0] * len(ids) for ids in batch]
            for states in self._bert.states(batch, types):
                mean = states.float().mean(0)
                means.append(mean.cpu().numpy())
        rows = np.array(means, dtype=np.float32)
        return unit(rows.reshape(-1, self.dim))

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        """The tokens of each text, at most as many as the model takes."""
        most_tokens = self._most
        ids_of_texts = []
        for encoding in self._bert.tokenizer.encode_batch(list(texts)):
            ids = encoding.ids
            if len(ids) > most_tokens:
                end_token = ids[-1]  # the token that ends every text
                ids = [*ids[: most_tokens - 1], end_token]
            ids_of_texts.append(ids)
        return ids_of_texts

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        encoded = self._bert.tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [len(encoding) for encoding in encoded]


def _batches(ids: Sequence[list[int]]) -> Iterator[list[list[int]]]:
    """The texts' tokens in order, in batches within the token budget, of at least one text."""
    batch: list[list[int]] = []
    tokens = 0
    for text in ids:
        is_full = tokens + len(text) > _BATCH_TOKENS
        if batch and is_full:
            yield batch
            batch = []
            tokens = 0
        batch.append(text)
        tokens += len(text)
    if batch:
        yield batch


def is_mean(folder: Path) -> bool:
    """Whether the folder contains a BERT with mean pooling, normalised vectors and no prompts, in
    the old or new format of sentence-transformers.
    """
    from rag.models.bert import is_bert

    try:
        modules = _json(folder / "modules.json")
        kinds = [str(module["type"]).rpartition(".")[2] for module in modules]
        pooling = _json(folder / "1_Pooling" / "config.json")
        modes = _pooling_modes(pooling)
        prompts = _json(folder / "config_sentence_transformers.json").get("prompts") or {}
        lowered = _json(folder / "sentence_bert_config.json").get("do_lower_case")
        has_prompts = any(prompts.values())
        limit = _most_tokens(folder)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False

    is_plain = not has_prompts and not lowered and limit > 0
    is_mean = kinds == _MODULES and modes == ["pooling_mode_mean_tokens"]
    return is_plain and is_mean and is_bert(folder)


def _pooling_modes(pooling: dict[str, Any]) -> list[str]:
    """The names of the modes that are on, as in the old format."""
    modes = []
    for name, is_on in pooling.items():
        if name.startswith("pooling_mode_") and is_on:
            modes.append(name)
    return modes or [f"pooling_mode_{pooling.get('pooling_mode')}_tokens"]


def _most_tokens(folder: Path) -> int:
    """Maximum number of tokens of a text; 0 if the model has too few positions for it."""
    most_tokens = _json(folder / "sentence_bert_config.json").get("max_seq_length")
    if most_tokens is None:
        most_tokens = _json(folder / "tokenizer_config.json")["model_max_length"]

    most_tokens = int(most_tokens)
    positions = _json(folder / "config.json")["max_position_embeddings"]
    return most_tokens if most_tokens <= positions else 0


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
