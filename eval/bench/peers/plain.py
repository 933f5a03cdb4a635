"""The three libraries of such a service, combined carefully but without a framework.

Passages are encoded in batches of 32, which sentence-transformers sorts by length; the question is
read with all passages in one forward pass; spans are scored as in transformers' question-answering
example: start + end, against the null at token 0.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from eval.bench.peers.system import BATCH, READ, Said, System, Text, read_texts
from rag.models.registry import embedder_path, reader_path

_MAX_ANSWER_TOKENS = 30
_BEST = 20


class Plain(System):
    def __init__(self) -> None:
        self._texts: list[Text] = []
        self._lock = threading.Lock()  # fast tokenizers must not be shared

    def imports(self) -> None:
        import faiss
        import sentence_transformers
        import torch
        import transformers

        self._faiss: Any = faiss
        self._torch: Any = torch
        self._transformers: Any = transformers
        self._sentences: Any = sentence_transformers

    def models(self, reader: bool) -> None:
        self._embedder = self._sentences.SentenceTransformer(
            embedder_path("minilm")[0], device="cpu", local_files_only=True
        )
        if reader:
            path = reader_path("fast")[0]
            self._tokenizer = self._transformers.AutoTokenizer.from_pretrained(
                path, local_files_only=True
            )
            load = self._transformers.AutoModelForQuestionAnswering.from_pretrained
            self._reader = load(path, local_files_only=True, dtype=self._torch.float32).eval()

    def ingest(self, texts: Sequence[Text], folder: Path) -> None:
        vectors = self._encode([text.text for text in texts])
        index = self._faiss.IndexFlatIP(vectors.shape[1])
        index.add(vectors)
        folder.mkdir()
        self._faiss.write_index(index, str(folder / "vectors.faiss"))
        (folder / "texts.json").write_text(json.dumps([asdict(text) for text in texts]))

    def open(self, folder: Path) -> None:
        self._index = self._faiss.read_index(str(folder / "vectors.faiss"))
        self._texts = read_texts(folder / "texts.json")

    def search(self, question: str) -> list[str]:
        return [text.id for text in self._find(question)]

    def ask(self, question: str) -> Said:
        with self._lock:
            found = self._find(question)
            score, answer = self._read(question, [text.text for text in found])
        return Said(answer if score > 0 else None, answer)

    def _encode(self, texts: Sequence[str]) -> Any:
        return self._embedder.encode(
            list(texts), batch_size=BATCH, normalize_embeddings=True, show_progress_bar=False
        )

    def _find(self, question: str) -> list[Text]:
        _, rows = self._index.search(self._encode([question]), READ)
        return [self._texts[row] for row in rows[0] if row >= 0]

    def _read(self, question: str, texts: list[str]) -> tuple[float, str]:
        """(score above the null, words) of the best span of all passages."""
        encoded = self._tokenizer(
            [question] * len(texts),
            texts,
            truncation="only_second",
            max_length=384,
            padding=True,
            return_offsets_mapping=True,
            return_tensors="pt",
        )
        offsets = encoded.pop("offset_mapping").numpy()
        with self._torch.inference_mode():
            output = self._reader(**encoded)
        starts, ends = output.start_logits.numpy(), output.end_logits.numpy()
        best = [
            (
                *_best_span(
                    starts[row], ends[row], [one == 1 for one in encoded.sequence_ids(row)]
                ),
                row,
            )
            for row in range(len(texts))
        ]
        score, first, last, row = max(best)
        return score, texts[row][offsets[row, first, 0] : offsets[row, last, 1]].strip()


def _best_span(start: Any, end: Any, inside: list[bool]) -> tuple[float, int, int]:
    """(score above the null, first token, last token)."""
    outside = np.where(inside, 0, -np.inf)
    firsts = np.argsort(-(start + outside))[:_BEST]
    lasts = np.argsort(-(end + outside))[:_BEST]
    pairs = [
        (float(start[a] + end[b] - start[0] - end[0]), int(a), int(b))
        for a in firsts
        for b in lasts
        if inside[a] and inside[b] and 0 <= b - a < _MAX_ANSWER_TOKENS
    ]
    return max(pairs, default=(-np.inf, 0, 0))


def create(_: str, __: int) -> System:
    return Plain()
