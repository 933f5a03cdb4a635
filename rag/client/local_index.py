"""Python API: open an index, ask, search and ingest.

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
from rag.answering.searcher import Query
from rag.filters import parse
from rag.settings import Settings
from rag.types import Answer, Document, Hit

if TYPE_CHECKING:
    from rag.claims.results import CheckReport
    from rag.engine import Engine
    from rag.ingestion.ingest import IngestReport


class Index:
    """An index in a folder or a PostgreSQL database. Models are loaded once, at the first question.

    Every method may raise `rag.RagError`, whose `message` and `hint` are written for users.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def engine(self) -> Engine:
        """The underlying engine, for features that this class does not expose."""
        return build.engine(self.settings)

    def ask(
        self,
        question: str,
        *,
        top_k: int | None = None,
        filter: Iterable[str] = (),
        form: str = "",
        as_typed: bool = False,
    ) -> Answer:
        """Answer a question with quotes from the documents; `text` is None if they do not.

        `top_k` is the number of passages to read (default 8). `filter` holds conditions such as
        "type=pdf" or "year>=2024"; documents must meet all of them. `form` is one of
        `rag.answering.forms.FORMS`, or "" to choose it from the question. `as_typed` turns spelling
        correction off.
        """
        where = parse(list(filter)) or None
        query = Query(question, top_k, where, form=form, as_typed=as_typed)
        return self.engine.ask_many([query])[0]

    def search(self, question: str, k: int = 10, *, filter: Iterable[str] = ()) -> list[Hit]:
        """The `k` passages that best match the question, best first."""
        return self.engine.search(question, k, parse(list(filter)) or None)

    def check(self, text: str, *, filter: Iterable[str] = ()) -> CheckReport:
        """Check each sentence of a text: supported, contradicted, or not in the documents.

        Raises InputError if the text contains no claims.
        """
        return build.checker_of(self.engine).check(text, parse(list(filter)) or None)

    def ingest(self, *paths: str | Path) -> IngestReport:
        """Add files and folders; unchanged files are skipped. The report lists the files that could
        not be read, with reasons.
        """
        files = build.files(self.settings, [Path(path) for path in paths], None)
        with build.pool(self.settings) as pool:
            ingest = build.ingest(self.settings, pool)
            ingest.run(files)
        return ingest.report

    def documents(self) -> list[Document]:
        """All documents in order of id, without their texts."""
        return list(build.store(self.settings, any_embedder=True).documents())

    def document(self, document_id: str) -> Document | None:
        """The document with its text, to which citation offsets refer; None for an unknown id."""
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
    """Open an index: a folder or a PostgreSQL address. It is created by the first ingest.

    `settings` are fields of `rag.Settings`, such as `reader="fast"`; the others come from rag.toml
    and the environment. Raises InputError for an invalid one.
    """
    if isinstance(index, str) and index.startswith(("postgresql://", "postgres://")):
        return Index(Settings.load(store=index, **settings))
    return Index(Settings.load(index=Path(index), **settings))
