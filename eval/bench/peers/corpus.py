"""The passages for every system: those that `rag ingest seeds` makes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from eval.bench.peers.system import Text
from rag.ingestion.chunking import TokenCounter, split
from rag.ingestion.pipeline import Split
from rag.parsing.files import find
from rag.parsing.load import Loaded
from rag.parsing.pool import ParseTask, one_by_one
from rag.settings import Settings

SEEDS = Path(__file__).parents[3] / "seeds"


def documents(count_tokens: TokenCounter) -> list[Split]:
    """The documents of `seeds/` with their passages."""
    read = [
        loaded
        for _, loaded in one_by_one(ParseTask(found) for found in find([SEEDS]))
        if isinstance(loaded, Loaded)
    ]
    limit = Settings().passage_tokens
    return [
        (document, split(document, count_tokens, limit))
        for loaded in read
        for document in loaded.documents
    ]


def texts(splits: Sequence[Split]) -> list[Text]:
    return [
        Text(f"{passage.document_id}#{passage.start}", passage.document_id, passage.in_context)
        for _, passages in splits
        for passage in passages
    ]
