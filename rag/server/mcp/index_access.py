"""An index as the MCP tools use it, however it was opened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from itertools import islice
from typing import Protocol

from rag.claims.results import CheckReport
from rag.engine import Engine
from rag.protocols import Store
from rag.query import Query
from rag.server.schemas import Options
from rag.session import Answered, EarlierTurn
from rag.types import Answer, Document, Hit

_PAGE = 1000
_LOOKED_AT = 20_000
"""Maximum number of documents whose ids are compared for a suggestion."""


class IndexAccess(Protocol):
    """Raises the errors of `rag.errors`."""

    @property
    def store(self) -> Store: ...

    @property
    def engine(self) -> Engine: ...

    def answer(self, query: Query) -> Answer:
        """Ask the engine where and when it may be asked."""

    def ask(self, question: str, turns: Sequence[EarlierTurn], options: Options) -> Answered: ...

    def search(self, question: str, options: Options) -> list[Hit]: ...

    def check(self, text: str, filters: Sequence[str]) -> CheckReport:
        """The text's sentences with their verdicts."""

    def link(self, document_id: str, start: int, end: int) -> str:
        """URL that opens the document at the place."""

    def address(self, document: Document) -> str:
        """Where the document comes from, as the agent may know it."""

    def start_grid(self, name: str) -> str:
        """Ask a kept grid's cells in the background. Returns the job's id."""

    def ingest(self, name: str, text: str) -> tuple[str, list[str], str]:
        """Returns (outcome, document ids, detail)."""

    def delete(self, document_id: str) -> bool:
        """Delete a document. Returns False if the id is unknown."""

    def document(self, document_id: str) -> Document | None:
        return None if "\0" in document_id else self.store.document(document_id)

    def documents(self, after: str = "") -> Iterator[Document]:
        """The documents after the id `after`, in order of id, without their text."""
        while "\0" not in after and (page := self.store.documents(after, _PAGE)):
            yield from page
            after = page[-1].id

    def near_ids(self, document_id: str) -> list[str]:
        """Up to three ids: those that end with this one, of this title, or similar."""
        wording = document_id.casefold()
        ids = []
        similar_ids = []
        for document in islice(self.documents(), _LOOKED_AT):
            ids.append(document.id)
            is_end = document.id.casefold().endswith(wording)
            is_title = document.title.casefold() == wording
            if is_end or is_title:
                similar_ids.append(document.id)

        similar_ids += get_close_matches(document_id, ids, 3)
        return list(dict.fromkeys(similar_ids))[:3]
