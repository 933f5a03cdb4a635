"""The library's face: an index that is asked, searched and filled from Python.

import rag

with rag.open("index") as index:
    index.ingest("contracts")
    answer = index.ask("When does the lease end?")
    print(answer.text, answer.citations[0].sentence)
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from rag import build
from rag.filters import parse
from rag.settings import Settings
from rag.types import Answer, Document, Hit

if TYPE_CHECKING:
    from rag.claims.check import Report as CheckReport
    from rag.engine import Engine
    from rag.ingestion.ingest import Report


class Index:
    """An index in a folder or a PostgreSQL database. Models are loaded at the first question, and
    once.

    Every method raises `rag.RagError`, whose `message` and `hint` are meant for people.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def engine(self) -> Engine:
        """What answers; for what this class does not offer."""
        return build.engine(self.settings)

    def ask(self, question: str, *, top_k: int | None = None, filter: Iterable[str] = ()) -> Answer:
        """The answer, quoted from the documents; its `text` is None if they do not say.

        `top_k`: how many passages are read, 8 by default. `filter`: conditions such as "type=pdf"
        or "year>=2024", which must all hold of a document.
        """
        return self.engine.ask(question, top_k, parse(list(filter)) or None)

    def search(self, question: str, k: int = 10, *, filter: Iterable[str] = ()) -> list[Hit]:
        """The `k` best passages, best first."""
        return self.engine.search(question, k, parse(list(filter)) or None)

    def check(self, text: str, *, filter: Iterable[str] = ()) -> CheckReport:
        """Which sentences of any text the documents support, contradict, or do not have.

        Raises InputError if the text claims nothing.
        """
        return build.checker_of(self.engine).check(text, parse(list(filter)) or None)

    def ingest(self, *paths: str | Path) -> Report:
        """Index files and folders; unchanged files are left alone. The report names what was
        skipped, and why.
        """
        files = build.files(self.settings, [Path(path) for path in paths], None)
        with build.pool(self.settings) as pool:
            ingest = build.ingest(self.settings, pool)
            ingest.run(files)
        return ingest.report

    def documents(self) -> list[Document]:
        """All documents, by id, without their texts."""
        return list(build.store(self.settings, any_embedder=True).documents())

    def document(self, document_id: str) -> Document | None:
        """A document with the text that the offsets of citations count in; None if there is none of
        this id.
        """
        return build.store(self.settings, any_embedder=True).document(document_id)

    def close(self) -> None:
        if "engine" in self.__dict__:
            self.engine.store.close()
            del self.__dict__["engine"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open(index: str | Path = "index", **settings: Any) -> Index:
    """The index in a folder, or at a PostgreSQL address; it is made when something is ingested.

    `settings` are those of `rag.Settings`, such as `reader="fast"`; those that are not given come
    from rag.toml and the environment. Raises InputError for a wrong one.
    """
    if isinstance(index, str) and index.startswith(("postgresql://", "postgres://")):
        return Index(Settings.load(store=index, **settings))
    return Index(Settings.load(index=Path(index), **settings))
