"""`rag mcp`: an index opened in this process, for one agent over stdio."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import replace

from rag import build
from rag.background import BackgroundIndex
from rag.claims.checker import Checker
from rag.claims.results import CheckReport
from rag.desk import grid_run
from rag.engine import Engine
from rag.errors import AbsentError, RagError
from rag.filters import parse
from rag.ingestion import uploads
from rag.protocols import Store
from rag.query import Query
from rag.render.links import page_link, page_of, resource_link
from rag.server.ingest_worker import safe_name
from rag.server.mcp.index_access import IndexAccess
from rag.server.mcp.server import make_server
from rag.server.schemas import Options
from rag.server.upload_queue import file_of
from rag.server.user_data import forget_quotes
from rag.session import Answered, Conversation, EarlierTurn
from rag.settings import DEFAULT_COLLECTION, Settings
from rag.types import Answer, Document, Hit

_log = logging.getLogger(__name__)
_CELLS = 8
"""Cells of a grid that are read while a question of the agent waits."""


class LocalLibrary(IndexAccess):
    """The index of this process. Models load in the background, and the first question waits for
    them. Questions run one at a time, since threads must not share tokenizers. `page` is as in
    `page_link`, for links to the page of a `rag serve`, or "".
    """

    def __init__(
        self, settings: Settings, page: str = "", like: LocalLibrary | None = None
    ) -> None:
        """`like` is another index of this process, whose models are used."""
        self._settings = settings
        models: BackgroundIndex | None = like._index if like else None
        self._index: BackgroundIndex = BackgroundIndex(settings, models, forget_quotes)
        self._page = page
        self._one: threading.Lock = like._one if like else threading.Lock()
        self._collections: dict[str, LocalLibrary] = {}
        self._index.start()

    def in_collection(self, name: str) -> LocalLibrary:
        """The library of a collection; "" is this one. Raises NotFoundError, InputError."""
        if name in ("", DEFAULT_COLLECTION):
            return self
        settings = build.in_collection(replace(self._settings, collection=name))
        if name not in self._collections:
            page = self._page and page_of(self._page.partition("#")[0], name)
            self._collections[name] = LocalLibrary(settings, page, self)
        return self._collections[name]

    @property
    def store(self) -> Store:
        return self._index.store()

    @property
    def engine(self) -> Engine:
        return self._index.engine()

    def answer(self, query: Query) -> Answer:
        with self._one:
            (answer,) = self._index.engine().ask_many([query])
        return answer

    def ask(self, question: str, turns: Sequence[EarlierTurn], options: Options) -> Answered:
        with self._one:
            engine = self._index.engine()
            understood = Conversation.of(turns).understand(question)
            form = getattr(options, "form", None) or ""
            query = understood.query(options.top_k, parse(options.filters), form)
            (answer,) = engine.ask_many([query])
        return understood.answered(answer)

    def search(self, question: str, options: Options) -> list[Hit]:
        with self._one:
            filter = parse(options.filters)
            return self._index.engine().search(question, options.top_k or 10, filter)

    def check(self, text: str, filters: Sequence[str]) -> CheckReport:
        with self._one:
            return Checker(self._index.engine()).check(text, parse(filters))

    def link(self, document_id: str, start: int, end: int) -> str:
        if self._page:
            return page_link(self._page, document_id, start, end)
        return resource_link(document_id, start, end)

    def address(self, document: Document) -> str:
        return document.source

    def start_grid(self, name: str) -> str:
        threading.Thread(target=self._ask_grid_cells, args=(name,), daemon=True).start()
        return f"grid {name}"

    def _ask_grid_cells(self, name: str) -> None:
        """Ask a grid's cells between the questions of the agent."""
        try:
            batches = grid_run.in_batches(self._index.engine(), name, _CELLS)
            while True:
                with self._one:
                    if next(batches, None) is None:
                        return
        except RagError as error:
            _log.warning("grid %s stopped: %s", name, error.message)

    def ingest(self, name: str, text: str) -> tuple[str, list[str], str]:
        upload = file_of((safe_name(name), text.encode()))
        with self._one, build.pool(self._settings) as pool:
            embedder, _ = self._index.models()
            try:
                self.store  # noqa: B018  # opens the index
            except AbsentError:  # nothing has been ingested yet
                build.store(self._settings, embedder, create=True).close()
            outcome = uploads.put_upload(
                self.store, embedder, self._settings.passage_tokens, upload, pool.load_data
            )
        return outcome.outcome, list(outcome.documents), outcome.detail

    def delete(self, document_id: str) -> bool:
        return "\0" not in document_id and self._index.delete(document_id) is not None


def run(settings: Settings, writes: bool, page: str) -> None:
    """Serve over stdin and stdout until the client closes them."""
    library = LocalLibrary(settings, page)
    make_server(lambda _, name, __: library.in_collection(name), writes).run("stdio")
