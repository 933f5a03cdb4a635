"""The interface between the MCP tools and an index, however it was opened."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import Protocol

from rag.claims.results import CheckReport
from rag.desk.grid import Grid
from rag.desk.grid_file import GridSpec
from rag.server.answer_service import Answered
from rag.server.conversation import Exchanged
from rag.server.schemas import Options
from rag.types import Document, Hit

_PAGE = 1000
_LOOKED_AT = 20_000
"""Maximum number of documents whose ids are compared for a suggestion."""


class IndexAccess(Protocol):
    """Raises the errors of `rag.errors`."""

    def ask(
        self, question: str, turns: Sequence[Exchanged] = (), options: Options | None = None
    ) -> Answered: ...

    def search(self, question: str, options: Options | None = None) -> list[Hit]: ...

    def check(self, text: str, filters: Sequence[str]) -> CheckReport:
        """The text's sentences with their verdicts."""

    def document(self, document_id: str) -> Document | None: ...

    def documents(self, after: str, limit: int) -> list[Document]:
        """Documents in order of id, without their text: up to `most` ids after `after`."""

    def count(self) -> int: ...

    def link(self, document_id: str, start: int, end: int) -> str:
        """URL that opens the document at the place."""

    def grid(self, name: str) -> Grid:
        """A grid with the cells that were asked so far."""

    def run_grid(self, spec: GridSpec) -> str:
        """Keep a grid and ask its cells in the background. Returns the job's id."""

    def ingest(self, name: str, text: str) -> tuple[str, list[str], str]:
        """Returns (outcome, document ids, detail)."""

    def delete(self, document_id: str) -> bool:
        """Delete a document. Returns False if the id is unknown."""


def every_document(library: IndexAccess, after: str = "") -> Iterator[Document]:
    """All documents in order of id, without their text."""
    while page := library.documents(after, _PAGE):
        yield from page
        after = page[-1].id


def near_ids(library: IndexAccess, document_id: str) -> list[str]:
    """Up to three suggestions: ids that end with `wanted`, documents of this title, or similar
    ids.
    """
    ids: list[str] = []
    likely: list[str] = []
    for document in every_document(library):
        ids.append(document.id)
        if (
            document.id.casefold().endswith(document_id.casefold())
            or document.title.casefold() == document_id.casefold()
        ):
            likely.append(document.id)
        if len(ids) >= _LOOKED_AT:
            break
    return [
        *likely,
        *difflib.get_close_matches(
            document_id, [candidate for candidate in ids if candidate not in likely], 3
        ),
    ][:3]
