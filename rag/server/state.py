"""What the endpoints share: an index with its model and ingest threads, and access to it for one
client: answers, hits and checks of `rag.types`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import Depends, Request

from rag import build
from rag.claims.checker import Checker
from rag.claims.quotation_check import check_quotations
from rag.claims.results import CheckReport
from rag.engine import Engine
from rag.errors import AbsentError, NotFoundError, RagError
from rag.filters import parse
from rag.protocols import Embedder, Proceed, RunWork, Stats, Store
from rag.query import Query, check_question
from rag.render.links import page_of
from rag.server import problems
from rag.server.api_keys import keys_of
from rag.server.caller import Caller, PendingQuestion
from rag.server.ingest_worker import IngestThread
from rag.server.model_worker import ModelThread
from rag.server.owner_files import Audit, make_private
from rag.server.readers import AT_ONCE, Readers
from rag.server.schemas import Options
from rag.server.upload_queue import LocalUploadQueue, SharedUploadQueue
from rag.session import Answered, Conversation, EarlierTurn, Understood
from rag.settings import DEFAULT_COLLECTION, Settings
from rag.types import Answer, Document, Hit

_MOST_UPLOADS = 1000
_CHECK_DEADLINES = 10
"""Time limit of a check or of embeddings, as a multiple of a question's."""


def open_engine(settings: Settings) -> Engine:
    """Open the index, creating it if needed, and load the models."""
    try:
        store = build.store(settings)  # report errors of the index before a model loads
        embedder = build.embedder(settings)
    except AbsentError:
        embedder = build.embedder(settings)
        store = build.store(settings, embedder, create=True)
    return build.assemble(settings, store, embedder, build.reader(settings))


class Service:
    """An index of the service, with its upload queue and ingest thread."""

    def __init__(
        self, settings: Settings, models: ModelThread, engine: Future[Engine], readers: Readers
    ) -> None:
        """Raises StoreError if uploads cannot be stored."""
        self.settings, self.models, self._engine, self.readers = settings, models, engine, readers
        self._early: Store | None = None
        """The index, opened by a request while the models load."""
        self._opening = threading.Lock()
        self.jobs: LocalUploadQueue | SharedUploadQueue
        self._ingest: IngestThread | None = None
        if settings.store == "local":
            most_bytes = 8 * settings.max_upload_mb << 20
            self.jobs = queue = LocalUploadQueue(
                settings.index / "uploads.sqlite", _MOST_UPLOADS, most_bytes
            )
            tokens, keep_pdf = settings.passage_tokens, settings.keep_pdf_mb << 20
            self._ingest = IngestThread(queue, models, engine, readers, tokens, keep_pdf)
        else:  # `rag worker` ingests these uploads
            make_private(settings.index)  # for ratings, threads and the audit log
            self.jobs = SharedUploadQueue(build.queue(settings), _MOST_UPLOADS)

    def start(self) -> None:
        if self._ingest:
            self._ingest.start()

    def close(self) -> None:
        """Close the index. May be called twice."""
        if self._ingest:
            self._ingest.close()
        if self._engine.done() and not self._engine.exception():
            self.engine.store.close()
        if self._early:
            self._early.close()
        self.jobs.close()

    @property
    def engine(self) -> Engine:
        """Raises ServiceError while it is loading or if it cannot be loaded."""
        if not self._engine.done():
            raise problems.loading()
        if error := self._engine.exception():
            hint = error.hint if isinstance(error, RagError) else "see the log"
            message = f"the index or the models cannot be opened: {error}"
            raise problems.ServiceError(503, "failed", message, hint)
        return self._engine.result()

    @property
    def store(self) -> Store:
        """The index, which is there before the models are. Raises ServiceError if it is yet to be
        created, or cannot be opened.
        """
        opened = self._opened()
        if opened is None:
            raise problems.loading()
        return opened

    def _opened(self) -> Store | None:
        """The index; None if it is yet to be created. Raises ServiceError, StoreError."""
        if self._engine.done():
            return self.engine.store
        with self._opening:
            if self._early is None:
                with suppress(AbsentError):
                    self._early = build.store(self.settings, any_embedder=True)
            return self._early

    @property
    def embedder(self) -> Embedder:
        """Raises as `engine` does. Use it only in the model thread."""
        return self.engine.retriever.embedder

    def document(self, document_id: str) -> Document | None:
        """The document with this id. Ids never contain NUL, which PostgreSQL would reject."""
        opened = self._opened()
        return None if opened is None or "\0" in document_id else opened.document(document_id)

    def existing(self, document_id: str) -> Document:
        """The document with this id. Raises NotFoundError."""
        document = self.document(document_id)
        if document is None:
            raise missing_document(document_id)
        return document

    def submit(
        self,
        questions: Sequence[Understood],
        options: Options,
        caller: Caller,
        search: bool = False,
    ) -> list[PendingQuestion]:
        """Queue the questions. Raises InputError, ServiceError."""
        filter = parse(options.filters) or None
        k = options.top_k or (10 if search else self.settings.top_k)
        form = "span" if search else getattr(options, "form", None) or ""
        queries = [question.query(k, filter, form, options.as_typed) for question in questions]
        return self.submit_queries(queries, caller, options.deadline_ms, search)

    def submit_queries(
        self,
        queries: Sequence[Query],
        caller: Caller,
        deadline_ms: int | None = None,
        search: bool = False,
    ) -> list[PendingQuestion]:
        """Queue the queries; `deadline_ms` is the client's. Raises InputError, ServiceError."""
        default = self.settings.deadline_ms
        deadline = time.monotonic() + min(deadline_ms or default, default) / 1000
        is_own = deadline_ms is not None
        pending = []
        for query in queries:
            text = check_question(query.question, self.settings.max_question)
            cost = 0 if search else query.k or self.settings.top_k
            asked = replace(query, question=text)
            pending.append(
                PendingQuestion(asked, self.engine, deadline, cost, search, is_own, caller)
            )
        self.models.submit(pending)
        caller.add(pending)
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
                raise problems.missed_deadline()

        return proceed

    def runner(self, caller: Caller, proceed: Proceed | None = None) -> RunWork:
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


class DefaultService(Service):
    """The default index, with what all collections share: models, keys, metrics and audit log."""

    def __init__(
        self,
        settings: Settings,
        open_engine: Callable[[], Engine],
        on_failure: Callable[[BaseException], object],
    ) -> None:
        """`open_engine` is called in the model thread, `on_failure` if it raises an error."""
        self.audit, self.keys = Audit(settings.index), keys_of(settings)
        models = ModelThread(open_engine, on_failure, settings.queue)
        readers = Readers(build.pool(replace(settings, workers=AT_ONCE)))
        super().__init__(settings, models, models.opened, readers)
        models.metrics.add_gauges(lambda: models.depth, self._stats)

    def start(self) -> None:
        self.models.start()
        super().start()

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
        super().close()

    def in_collection(self, settings: Settings) -> Service:
        """A collection's service, with the same models. Raises StoreError, ServiceError."""
        store = build.store(settings, self.embedder, create=True)
        engine: Future[Engine] = Future()
        engine.set_result(build.assemble(settings, store, self.embedder, self.engine.reader))
        try:
            return Service(settings, self.models, engine, self.readers)
        except BaseException:
            store.close()
            raise

    def _stats(self) -> Stats | None:
        try:
            return self.engine.store.stats()
        except RagError:
            return None


@dataclass(frozen=True)
class ServiceLibrary:
    """A service's index for one client; its questions are cancelled when it disconnects."""

    service: Service
    caller: Caller

    def submit(
        self, question: str, turns: Sequence[EarlierTurn], options: Options
    ) -> tuple[PendingQuestion, Understood]:
        """Queue a question, after `turns`. Raises InputError, StoreError, ServiceError."""
        understood = Conversation.of(turns).understand(question)
        (pending,) = self.service.submit([understood], options, self.caller)
        return pending, understood

    def ask(self, question: str, turns: Sequence[EarlierTurn], options: Options) -> Answered:
        """Raises as `submit` does."""
        pending, understood = self.submit(question, turns, options)
        return understood.answered(pending.wait(pending.answer))

    def answer(self, query: Query, deadline_ms: int | None = None) -> Answer:
        """Raises as `submit` does."""
        (pending,) = self.service.submit_queries([query], self.caller, deadline_ms)
        return pending.wait(pending.answer)

    def search(self, question: str, options: Options) -> list[Hit]:
        """The best passages, best first. Raises as `submit` does."""
        (pending,) = self.service.submit([Understood(question)], options, self.caller, search=True)
        return pending.wait(pending.found).hits

    def check(
        self,
        text: str,
        filters: Sequence[str],
        sources: Mapping[int, str] | None = None,
        seconds: float = 0.0,
        only_quotations: bool = False,
    ) -> CheckReport:
        """Check a text, or `only_quotations` of it, in the model thread, between questions of other
        clients, for at most `seconds`; 0 uses the default. Raises as `Checker.check`, and
        ServiceError.
        """
        proceed = self.service.deadline(self.caller, seconds)
        run = self.service.runner(self.caller, proceed)
        conditions, engine = parse(filters) or None, self.service.engine
        if only_quotations:
            return check_quotations(engine.store, text, conditions, sources, run, proceed)
        return Checker(engine).check(text, conditions, sources, run=run, proceed=proceed)


def missing_document(document_id: str) -> NotFoundError:
    message = f"no document {document_id[:200]} in the index"
    return NotFoundError(message, "list the documents with: GET /v1/documents")


async def _service(request: Request) -> Service:
    """The service of the requested collection. Asynchronous because FastAPI runs other functions in
    a thread, for which a request waits while the threads are busy.
    """
    service: Service = getattr(request.state, "service", None) or request.app.state.service
    return service


Shared = Annotated[Service, Depends(_service)]
"""The service as a parameter of endpoints."""


def page_for(request: Request, collection: str) -> str:
    """The page for links into the collection; `default` is the path's own. The service's address is
    RAG_PUBLIC_URL, or the request's Host header.
    """
    settings: Settings = request.app.state.service.settings
    base = f"{(settings.public_url or str(request.base_url)).rstrip('/')}/"
    path_collection = request.state.collection
    return page_of(base, path_collection if collection == DEFAULT_COLLECTION else collection)


def caller_of(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller
