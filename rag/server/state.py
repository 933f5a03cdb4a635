"""What the endpoints share: model and ingest threads, keys, jobs and metrics."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request

from rag import build, filters
from rag.answering.searcher import Query, check_question
from rag.engine import Engine
from rag.errors import AbsentError, NotFoundError, RagError
from rag.parsing.pool import ParseLimits, Pool
from rag.protocols import Embedder, Stats, Store
from rag.server import problems
from rag.server.api_keys import keys_of
from rag.server.audit import Audit
from rag.server.caller import Caller, PendingQuestion
from rag.server.ingest_worker import IngestThread
from rag.server.model_worker import ModelThread
from rag.server.prometheus import Metrics
from rag.server.schemas import Options
from rag.server.upload_queue_local import LocalUploadQueue
from rag.server.upload_queue_postgres import SharedUploadQueue
from rag.settings import Settings
from rag.types import Document

_log = logging.getLogger(__name__)
_MOST_UPLOADS = 1000
_CHECK_DEADLINES = 10
"""Time limit of a check or of embeddings, as a multiple of a question's."""
_GRACE = 2.0
"""Seconds after the deadline to finish the passage being read and compose the answer."""
T = TypeVar("T")
Run = Callable[[Callable[[], Any]], Any]
"""Runs work in the model thread and returns its result."""
Proceed = Callable[[], object]
"""Raises ServiceError if nobody waits for the result any more."""


def _upload_queue(settings: Settings) -> LocalUploadQueue | SharedUploadQueue:
    """The queue of uploads; those to a database are ingested by `rag worker`."""
    if settings.store != "local":
        return SharedUploadQueue(build.queue(settings), _MOST_UPLOADS)
    most_bytes = 8 * settings.max_upload_mb << 20
    return LocalUploadQueue(settings.index / "uploads.sqlite", _MOST_UPLOADS, most_bytes)


@dataclass(frozen=True, slots=True)
class Backend:
    """The parts that the service loads at startup."""

    engine: Engine
    embedder: Embedder


def open_backend(settings: Settings) -> Backend:
    """Open the index, creating it if needed, and load the models."""
    try:
        store = build.store(settings)  # report errors of the index before a model loads
        embedder = build.embedder(settings)
    except AbsentError:
        embedder = build.embedder(settings)
        store = build.store(settings, embedder, create=True)
    return Backend(build.assemble(settings, store, embedder, build.reader(settings)), embedder)


class Service:
    def __init__(
        self,
        settings: Settings,
        open_backend: Callable[[], Backend],
        on_failure: Callable[[BaseException], object],
    ) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.keys = keys_of(settings)
        self.audit = Audit(settings.index)
        self.jobs = _upload_queue(settings)
        self._open_backend = open_backend
        self._on_failure = on_failure
        self._embedder: Future[Embedder] = Future()
        self.models = ModelThread(self._open, settings.queue, self.metrics)
        sizes = settings.file_mb * 1_000_000, settings.file_seconds, settings.file_memory_mb
        self.readers = Pool(1, ParseLimits(*sizes, bool(settings.keep_furniture)))
        self._ingest = self._ingest_thread()
        self.metrics.watch(lambda: self.models.depth, self._stats)

    def _ingest_thread(self) -> IngestThread | None:
        if not isinstance(self.jobs, LocalUploadQueue):
            return None
        tokens, keep_pdf = self.settings.passage_tokens, self.settings.keep_pdf_mb << 20
        return IngestThread(
            *(self.jobs, self.models, self._parts, tokens, self.metrics, self.readers, keep_pdf),
            engine=lambda: self.engine,
        )

    def start(self) -> None:
        self.models.start()
        if self._ingest:
            self._ingest.start()

    def stop(self) -> None:
        """Stop checks, waiting questions, and reading uploads, which the next start resumes."""
        self.models.stop()
        self.readers.close()

    def close(self) -> None:
        """Stop, and close the index. May be called twice."""
        self.stop()
        if self._ingest:
            self._ingest.close()
        self.models.close()
        if self.models.opened.done() and not self.models.opened.exception():
            self.engine.store.close()
        self.jobs.close()

    def for_collection(self, settings: Settings) -> Service:
        """A collection's service, with the same models. Raises StoreError, ServiceError."""
        return _CollectionService(self, settings)

    def _open(self) -> Engine:
        try:
            backend = self._open_backend()
            warm(backend)
        except BaseException as error:
            if not isinstance(error, RagError):
                _log.exception("the index or the models cannot be opened")
            self._embedder.set_exception(error)
            self._on_failure(error)
            raise
        self._embedder.set_result(backend.embedder)
        return backend.engine

    def _parts(self) -> tuple[Store, Embedder]:
        return self.models.opened.result().store, self._embedder.result()

    def _stats(self) -> Stats | None:
        try:
            return self.engine.store.stats()
        except RagError:
            return None

    @property
    def engine(self) -> Engine:
        """Raises ServiceError while it is loading or if it cannot be loaded."""
        opened = self.models.opened
        if not opened.done():
            message, hint = "the models are still loading", "try again in a moment"
            raise problems.ServiceError(503, "loading", message, hint, 2)
        if error := opened.exception():
            hint = error.hint if isinstance(error, RagError) else "see the log"
            message = f"the index or the models cannot be opened: {error}"
            raise problems.ServiceError(503, "failed", message, hint)
        return opened.result()

    @property
    def embedder(self) -> Embedder:
        """Raises as `engine` does. Use it only in the model thread."""
        assert self.engine
        return self._embedder.result()

    def document(self, document_id: str) -> Document | None:
        """The document with this id. Ids never contain NUL, which PostgreSQL would reject."""
        return None if "\0" in document_id else self.engine.store.document(document_id)

    def existing(self, document_id: str) -> Document:
        """The document with this id. Raises NotFoundError."""
        document = self.document(document_id)
        if document is None:
            raise missing(document_id)
        return document

    def submit(
        self,
        questions: list[str],
        options: Options,
        caller: Caller,
        search: bool = False,
        preferred: tuple[str, ...] = (),
    ) -> list[PendingQuestion]:
        """Queue the questions. Raises InputError, ServiceError."""
        filter = filters.parse(options.filters) or None
        default = self.settings.deadline_ms
        deadline = time.monotonic() + min(options.deadline_ms or default, default) / 1000
        k = options.top_k or (10 if search else self.settings.top_k)
        form = "span" if search else getattr(options, "form", None) or ""
        texts = [check_question(question, self.settings.max_question) for question in questions]
        queries = [
            Query(text, k, filter, None, form, options.as_typed, preferred) for text in texts
        ]
        cost, is_own = 0 if search else k, options.deadline_ms is not None
        pending = [
            PendingQuestion(query, deadline, cost, search, is_own, self.engine, caller)
            for query in queries
        ]
        self.models.submit(pending)
        caller.questions += pending
        for question in pending:
            caller.on_disconnect(question.cancel)
        return pending

    def deadline(self, caller: Caller, seconds: float = 0.0) -> Proceed:
        """A function that raises ServiceError after `seconds`, a disconnection, or the stop."""
        until = time.monotonic() + (seconds or _CHECK_DEADLINES * self.settings.deadline_ms / 1000)

        def proceed() -> None:
            if caller.disconnected:
                raise problems.hung_up()
            if self.models.is_closing:
                raise problems.closing()
            if time.monotonic() > until:
                raise problems.late()

        return proceed

    def runner(self, caller: Caller, proceed: Proceed | None = None) -> Run:
        """A function that runs work in the model thread, between batches of questions, while
        `proceed` raises nothing; the default is `deadline(caller)`. Long work is given to it in
        pieces.
        """
        proceed = proceed or self.deadline(caller)

        def run(function: Callable[[], Any]) -> Any:
            def timely() -> Any:
                proceed()  # it may have waited in the queue
                return function()

            proceed()
            return self.models.call(timely, caller)

        return run


class _CollectionService(Service):
    """Service of a collection: its own index, upload queue and ingest thread."""

    def __init__(self, default: Service, settings: Settings) -> None:
        self.settings = settings
        self.metrics, self.keys = default.metrics, default.keys
        self.models, self.readers = default.models, default.readers
        self._embedder = Future()
        self._embedder.set_result(default.embedder)
        self._engine = build.collection_engine(settings, default.engine, self.embedder)
        try:
            self.jobs = _upload_queue(settings)
        except BaseException:
            self._engine.store.close()
            raise
        self._ingest = self._ingest_thread()

    def start(self) -> None:
        if self._ingest:
            self._ingest.start()

    def close(self) -> None:
        if self._ingest:
            self._ingest.close()
        self._engine.store.close()
        self.jobs.close()

    def _parts(self) -> tuple[Store, Embedder]:
        return self._engine.store, self.embedder

    @property
    def engine(self) -> Engine:
        return self._engine

    @property
    def embedder(self) -> Embedder:
        return self._embedder.result()


def wait(question: PendingQuestion, future: Future[T]) -> T:
    """Wait for a result until the question's deadline. Raises the result's error, or ServiceError.

    Waits slightly longer for an answer from the passages read so far.
    """
    try:
        try:
            return future.result(max(0.0, question.deadline - time.monotonic()))
        except FutureTimeout:
            return future.result(_GRACE if question.started.is_set() else 0.0)
    except FutureTimeout:
        question.cancel()
        raise problems.late() from None
    except CancelledError:
        raise problems.hung_up() from None


def missing(document_id: str) -> NotFoundError:
    message = f"no document {document_id[:200]} in the index"
    return NotFoundError(message, "list the documents with: GET /v1/documents")


def warm(backend: Backend) -> None:
    """Run the models once, since the first run is slow."""
    started = time.monotonic()
    backend.embedder.embed_queries(["warm"])
    _log.info("models are warm after %.1f s", time.monotonic() - started)


def service_of(request: Request) -> Service:
    """The service of the requested collection."""
    service: Service = getattr(request.state, "service", None) or request.app.state.service
    return service


async def _service(request: Request) -> Service:
    return service_of(request)


Shared = Annotated[Service, Depends(_service)]
"""The service as a parameter of endpoints. Its function is asynchronous because FastAPI runs others
in a thread, for which a request waits while the threads are busy.
"""


def base_url(settings: Settings, request: Request) -> str:
    """The service's address, with a final "/": RAG_PUBLIC_URL, or the request's Host header."""
    return f"{(settings.public_url or str(request.base_url)).rstrip('/')}/"


def caller_of(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller
