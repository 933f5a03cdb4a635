"""An index whose models load in the background, for the prompt and for an agent.

Heavy libraries are imported on use, so that a prompt appears at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

from rag.errors import RagError, StoreError
from rag.settings import Settings
from rag.types import Document

if TYPE_CHECKING:
    from rag.engine import Engine
    from rag.ingestion.deletion import DeletionReceipt
    from rag.ingestion.ingest import IngestReport
    from rag.ingestion.progress import IngestProgress
    from rag.protocols import Embedder, Reader, Store

T = TypeVar("T")


class Background(Future[T]):
    """A value that `make` computes in a daemon thread, once it is started."""

    def __init__(self, make: Callable[[], T]) -> None:
        super().__init__()
        self._make = make
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._starting = threading.Lock()

    def start(self) -> Self:
        with self._starting:
            if self._thread.ident is None:
                self.set_running_or_notify_cancel()
                self._thread.start()
        return self

    def _run(self) -> None:
        try:
            self.set_result(self._make())
        except BaseException as error:
            self.set_exception(error)


class BackgroundIndex:
    """One index and its models, for one user."""

    def __init__(
        self,
        settings: Settings,
        like: BackgroundIndex | None = None,
        forget: Callable[[Path, Document], object] = lambda folder, document: None,
    ) -> None:
        """`like` is another index, whose models are used. `forget` deletes what quotes
        a document, such as ratings, from the index's folder before the document is deleted.
        """
        self.settings = settings
        self._forget = forget
        self._store: Store | None = None
        self._engine: Engine | None = None
        self._opening = threading.Lock()
        self._models: Background[tuple[Embedder, Reader]]
        self._models = like._models if like else Background(self._load)
        self._listed: tuple[int, list[Document]] = (-1, [])

    def start(self, on_ready: Callable[[], object] = lambda: None) -> None:
        """Start loading; `on_ready` is called from another thread when that has ended or failed."""
        self._models.add_done_callback(lambda _: on_ready())
        self._models.start()

    @property
    def loading(self) -> bool:
        return self._models.running()

    @property
    def known(self) -> int:
        """Number of documents when last checked; -1 if not checked yet or if there is no index."""
        return len(self._listed[1]) if self._listed[0] >= 0 else -1

    def _load(self) -> tuple[Embedder, Reader]:
        from rag import build

        with suppress(RagError):
            self.documents()
        embedder, reader = build.embedder(self.settings), build.reader(self.settings)
        # a question reports it, and until then /ingest can create the index
        with suppress(RagError):
            engine = build.assemble(self.settings, self.store(), embedder, reader)
            engine.ask("What is this?")  # loads everything that a first question needs
        return embedder, reader

    def store(self) -> Store:
        """The index, opened on first use. Raises StoreError if it does not exist yet."""
        from rag import build

        with self._opening:
            if self._store is None:
                self._store = build.store(self.settings)
            return self._store

    def engine(self) -> Engine:
        """Wait for the models. Raises StoreError first if there is no index."""
        from rag import build

        store = self.store()
        if self._engine is None:
            self._engine = build.assemble(self.settings, store, *self.models())
        return self._engine

    def models(self) -> tuple[Embedder, Reader]:
        """Wait for the models."""
        return self._models.start().result()

    def ingest(self, path: Path, progress: IngestProgress) -> IngestReport:
        """Ingest `path`, creating the index if needed; `progress` follows it."""
        from rag import build
        from rag.ingestion.ingest import Ingest

        files = build.files(self.settings, [path])
        progress.begin(files)
        embedder, _ = self.models()
        with self._opening:
            if self._store is None:
                self._store = build.store(self.settings, embedder, create=True)
        tokens, keeps_furniture = self.settings.passage_tokens, bool(self.settings.keep_furniture)
        model, stamps = build.reporting(embedder, progress.on_embedded), build.stamps(self.settings)
        with build.pool(self.settings) as pool:
            ingest = Ingest(
                self._store, model, tokens, stamps, progress.loader(pool), keeps_furniture
            )
            return ingest.run(files, progress.on_progress)

    def delete(self, document_id: str) -> DeletionReceipt | None:
        """Delete a document. Returns the receipt, or None if the document was unknown."""
        from rag import build
        from rag.ingestion.deletion import delete

        document = self.store().document(document_id)
        if document:
            self._forget(self.settings.index, document)
        receipts = delete(self.store(), [document_id], build.stamps(self.settings))
        return receipts[0] if receipts else None

    def documents(self) -> list[Document]:
        """Current documents without their text; [] if there is no index."""
        try:
            store = self.store()
            generation = store.stats().generation
            if generation != self._listed[0]:
                self._listed = generation, store.documents()
            return self._listed[1]
        except StoreError:
            return []
