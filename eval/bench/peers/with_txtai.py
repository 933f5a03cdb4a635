"""txtai: its embeddings database, and its extractive question pipeline.

"each" gives every passage to the Questions pipeline and takes the most frequent answer, in a tie
the one whose passage was ranked first: the pipeline returns no scores. "joined" is its RAG
pipeline, which joins the passages into one text, truncated to the model's length.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eval.bench.peers.system import BATCH, READ, Said, System, Text
from rag.models.registry import embedder_path, reader_path


class Txtai(System):
    def __init__(self, way: str) -> None:
        self._joined = way == "joined"
        self._lock = threading.Lock()  # its database belongs to one thread at a time

    def imports(self) -> None:
        import torch
        import txtai
        import txtai.pipeline

        self._torch: Any = torch
        self._txtai: Any = txtai

    def models(self, reader: bool) -> None:
        self._embeddings = self._txtai.Embeddings(
            path=embedder_path("minilm")[0], content=True, encodebatch=BATCH, gpu=False
        )
        if reader:
            path = reader_path("fast")[0]
            self._questions = self._txtai.pipeline.Questions(
                path, gpu=False, dtype=self._torch.float32
            )

    def ingest(self, texts: Sequence[Text], folder: Path) -> None:
        self._embeddings.index((text.id, text.text, None) for text in texts)
        self._embeddings.save(str(folder))

    def open(self, folder: Path) -> None:
        self._embeddings.load(str(folder))
        self._rag = self._txtai.pipeline.RAG(
            self._embeddings, self._questions, context=READ, output="flatten"
        )

    def search(self, question: str) -> list[str]:
        return [found["id"] for found in self._embeddings.search(question, READ)]

    def ask(self, question: str) -> Said:
        with self._lock:
            answer = self._rag_answer(question) if self._joined else self._agreed_answer(question)
        return Said(answer, answer)

    def _rag_answer(self, question: str) -> str | None:
        try:
            answers: list[str | None] = self._rag([question])
        except TypeError:  # the model's best span is the null span, which is not in the text
            return None
        return answers[0] or None

    def _agreed_answer(self, question: str) -> str | None:
        answers = [
            self._read(question, found["text"]) for found in self._embeddings.search(question, READ)
        ]
        counted = Counter(answer for answer in answers if answer)
        return counted.most_common(1)[0][0] if counted else None

    def _read(self, question: str, text: str) -> str | None:
        try:
            answers: list[str | None] = self._questions([question], [text])
        except TypeError:  # as above
            return None
        return answers[0]


def create(option: str, _: int) -> System:
    return Txtai(option)
