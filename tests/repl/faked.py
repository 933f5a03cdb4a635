"""`python -m tests.repl.faked ARGUMENTS` runs `rag ARGUMENTS` with fake models."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from rag import build
from rag.cli.main import main
from rag.protocols import ReaderOutput
from rag.types import Hit
from tests.fakes import NameReader, fake_models


class SlowReader(NameReader):
    """Takes a minute for questions with the word "slowly"."""

    def read_many(self, questions: Sequence[tuple[str, Sequence[Hit]]]) -> list[ReaderOutput]:
        is_slow = any("slowly" in question.lower() for question, _ in questions)
        for _ in range(600 * is_slow):
            time.sleep(0.1)
        return super().read_many(questions)


if __name__ == "__main__":
    os.environ["RAG_EMBEDDER"] = "bag-of-words"
    fake_models()
    build.reader = lambda settings: SlowReader()
    main()
