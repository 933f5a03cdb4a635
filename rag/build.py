"""The only module that names concrete classes. Imports heavy ones when they are built."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from rag.answering.judge import Judge, Ranks
from rag.engine import Engine, FindFigures, Shelf
from rag.errors import (
    AbsentError,
    InputError,
    MismatchError,
    ModelError,
    RagError,
    needs_extra,
)
from rag.models.registry import (
    CASCADE_READS,
    EMBEDDER,
    calibration_path,
    embedder_path,
    first_reader,
    judge_path,
)
from rag.models.threads import available_cores, model_threads
from rag.protocols import Embedder, Filter, Reader, Store
from rag.retrieval import Retriever, check_askable
from rag.settings import DEFAULT_COLLECTION, Settings

if TYPE_CHECKING:
    from rag.answering.candidate import TableFindings
    from rag.answering.forms import FormClassifier, ShelfClassifier
    from rag.answering.receipts import AskedQuestion
    from rag.answering.shelf import ShelfQuestion
    from rag.answering.shelf_meaning import TopicClassifier
    from rag.answering.table_matcher import Matcher
    from rag.answering.table_records import RecordMatcher
    from rag.claims.chat_client import ChatServer
    from rag.claims.checker import Checker
    from rag.claims.writer import Writer
    from rag.desk.shelf import WholeShelf
    from rag.ingestion.deletion import Forget
    from rag.ingestion.file_cache import Stamps
    from rag.ingestion.ingest import Ingest
    from rag.ingestion.web import WebIngest
    from rag.models.device import Arithmetic
    from rag.parsing.files import FoundFile
    from rag.parsing.pool import Loader, Pool
    from rag.query import Query
    from rag.retrieval import RetrievalResult
    from rag.store.collections import Collections
    from rag.store.postgres.collection_queues import CollectionQueues
    from rag.store.postgres.queue import PostgresQueue
    from rag.store.postgres.store import PostgresStore
    from rag.types import Answer, Document


OnEmbedded = Callable[[int, int], object]
"""Called with the number of passages of a batch that are embedded, and that of the batch."""


def store(
    settings: Settings,
    embedder: Embedder | None = None,
    create: bool = False,
    any_embedder: bool = False,
) -> Store:
    """Open the index. Creating it needs the embedder; `any_embedder` opens one of another."""
    expect: dict[str, str] = {}
    if not any_embedder:
        expect = {"embedder": settings.embedder, "passage_tokens": str(settings.passage_tokens)}
    if embedder is not None:
        expect["dim"] = str(embedder.dim)
    try:
        return open_store(settings, expect, create)
    except MismatchError as mismatch:
        raise _unless_missing(settings.embedder, mismatch) from mismatch


def _unless_missing(embedder: str, mismatch: MismatchError) -> RagError:
    """The error; another one if the embedder does not exist, since a rebuild would not help."""
    try:
        embedder_path(embedder)
    except ModelError as missing:
        return ModelError(f"there is no embedder {embedder!r}: {mismatch.message}", missing.hint)
    return mismatch


def store_to_ask(settings: Settings, filter: Filter = ()) -> Store:
    """Open the index to ask it, before a model loads. Raises as `store` does, EmptyError if the
    index is empty, and InputError for a filter with a key that no document has.
    """
    opened = store(settings)
    check_askable(opened, filter)
    return opened


def open_store(settings: Settings, expect: Mapping[str, str], create: bool) -> Store:
    """Open the index with the values of `expect`, such as its embedder, or create it."""
    if settings.store != "local":
        return postgres(settings, expect, create)
    from rag.store.local.store import LocalStore

    return LocalStore(settings.index, expect, create)


def postgres(settings: Settings, expect: Mapping[str, str], create: bool) -> PostgresStore:
    with needs_extra("postgres", "a PostgreSQL store"):
        from rag.store.postgres.store import PostgresStore
    return PostgresStore(settings.store, expect, create)


def collections(settings: Settings) -> Collections:
    """The collections beside the index of the settings."""
    if settings.store == "local":
        from rag.store.local.collections import LocalCollections

        return LocalCollections(settings.index)
    with needs_extra("postgres", "a PostgreSQL store"):
        from rag.store.postgres.collections import PostgresCollections
    return PostgresCollections(settings.store, settings.index)


def in_collection(settings: Settings) -> Settings:
    """The settings of the collection that they name. Raises NotFoundError, StoreError."""
    if settings.collection == DEFAULT_COLLECTION:
        return settings
    with closing(collections(settings)) as registry:
        return registry.inside(registry.named(settings.collection), settings)


def pool(settings: Settings) -> Pool:
    """Processes that parse files, as a context manager that ends them."""
    from rag.parsing.pool import ParseLimits, Pool

    limits = ParseLimits(
        most_bytes=settings.file_mb * 1_000_000,
        seconds=settings.file_seconds,
        memory=settings.file_memory_mb,
        keep_furniture=bool(settings.keep_furniture),
    )
    return Pool(settings.workers or available_cores(), limits)


def files(
    settings: Settings,
    paths: Sequence[Path],
    name: str | None = None,
    allow_none: bool = False,
) -> list[FoundFile]:
    """Files under the paths, without the index's own. Raises as `find_some` does, or with
    `allow_none` as `find`.
    """
    from rag.parsing.files import find, find_some

    kept_here = settings.store == "local" or (settings.index / "keys.json").exists()
    index = settings.index if kept_here else None
    if allow_none:
        return list(find(list(paths), name, index))
    return find_some(list(paths), name, index)


def stamps(settings: Settings) -> Stamps:
    """Cache of file digests beside the index."""
    from rag.ingestion.file_cache import Stamps
    from rag.parsing.formats import identity

    parsers = identity(
        settings.file_mb,
        settings.file_seconds,
        settings.file_memory_mb,
        settings.keep_furniture,
    )
    return Stamps(settings.index, parsers)


def ingest(
    settings: Settings,
    loader: Loader,
    on_embedded: OnEmbedded = lambda *_: None,
    forget: Forget | None = None,
    create: bool = True,
) -> Ingest:
    """Ingests files. The model loads if there is something to embed or an index to `create`."""
    from rag.ingestion.ingest import Ingest

    opened, lazy = _to_write(settings, create, on_embedded)
    return Ingest(
        store=opened,
        embedder=lazy,
        passage_tokens=settings.passage_tokens,
        stamps=stamps(settings),
        loader=loader,
        keep_furniture=bool(settings.keep_furniture),
        forget=forget,
    )


def web(settings: Settings, reader: Pool, allow_private: bool) -> WebIngest:
    """Ingests web pages and creates the index if needed."""
    from rag.ingestion.web import WebIngest

    opened, lazy = _to_write(settings)
    return WebIngest(
        store=opened,
        embedder=lazy,
        passage_tokens=settings.passage_tokens,
        read=reader.load_data,
        most_bytes=settings.file_mb * 1_000_000,
        allow_private=allow_private,
    )


def _to_write(
    settings: Settings, create: bool = True, on_embedded: OnEmbedded = lambda *_: None
) -> tuple[Store, Embedder]:
    from rag.models.lazy_embedder import LazyEmbedder

    lazy = LazyEmbedder(lambda: embedder(settings), on_embedded)
    try:
        return store(settings), lazy
    except AbsentError:
        if not create:
            raise
        return store(settings, lazy, create=True), lazy


def reporting(embedder: Embedder, on_embedded: OnEmbedded) -> Embedder:
    """The embedder, which reports how far it is."""
    from rag.models.lazy_embedder import LazyEmbedder

    return LazyEmbedder(lambda: embedder, on_embedded)


def embedder(settings: Settings) -> Embedder:
    prepare(settings)
    from rag.models.embedders import MeanEmbedder, SentenceTransformerEmbedder, is_mean

    path, local = embedder_path(settings.embedder)
    if local and is_mean(Path(path)):
        return MeanEmbedder(settings.embedder, Path(path), _arithmetic(settings))
    return SentenceTransformerEmbedder(settings.embedder, arithmetic=_arithmetic(settings))


def reader(settings: Settings) -> Reader:
    prepare(settings)
    from rag.models.cascade import Cascade, LastReading
    from rag.models.reader import ExtractiveReader

    main_reader = ExtractiveReader(settings.reader, arithmetic=_arithmetic(settings))
    first_model = first_reader(settings.reader)
    if first_model is None:
        return main_reader
    small = ExtractiveReader(first_model, arithmetic=_arithmetic(settings))
    return Cascade(LastReading(small), main_reader, CASCADE_READS)


def stages(reader: Reader) -> tuple[Reader, Reader]:
    """The reader for many passages, and the one for the best of them; they may be the same."""
    from rag.models.cascade import Cascade

    return (reader.first, reader.reader) if isinstance(reader, Cascade) else (reader, reader)


def engine(settings: Settings, opened: Store | None = None) -> Engine:
    """Build the engine. Unless the index is `opened`, it is opened first, so that its errors come
    before a model loads.
    """
    opened = opened or store(settings)
    return assemble(settings, opened, embedder(settings), reader(settings))


def checker(settings: Settings, opened: Store | None = None) -> Checker:
    """Checks texts against the index, which may be `opened` already."""
    from rag.claims.checker import Checker

    return Checker(engine(settings, opened))


def writer(settings: Settings, engine: Engine) -> Writer:
    """Writes answers with a language model server. Raises InputError if RAG_WRITER is not set."""
    from rag.claims.checker import Checker
    from rag.claims.writer import Writer

    return Writer(chat_server(settings), Checker(engine))


def chat_server(settings: Settings) -> ChatServer:
    """The server that writes answers. Raises InputError if RAG_WRITER is not set."""
    from rag.claims.chat_client import ChatServer

    if not settings.writer:
        message = "no writer is set; written answers need an OpenAI-compatible server"
        raise InputError(message, "set RAG_WRITER=http://127.0.0.1:8080/v1, or ask without --write")
    return ChatServer(
        address=settings.writer,
        model=settings.writer_model,
        key=settings.writer_key,
        seconds=settings.writer_seconds,
    )


def retriever(settings: Settings, opened: Store | None = None) -> Retriever:
    """Retrieval only: `engine` without the reader."""
    opened = opened or store(settings)
    return _retriever(settings, opened, embedder(settings))


def _retriever(settings: Settings, store: Store, embedder: Embedder) -> Retriever:
    from rag.store.spelling import WordSpeller

    return Retriever(settings, store, embedder, WordSpeller(store))


def judge(settings: Settings) -> Ranks:
    """The judge of the reader's output, with the calibration of the settings."""
    calibration = calibration_path(settings.calibration, settings.reader)
    return Judge.load(judge_path(settings.reader), calibration)


def assemble(
    settings: Settings,
    store: Store,
    embedder: Embedder,
    reader: Reader,
    chosen_judge: Ranks | None = None,
) -> Engine:
    """Build an engine from existing parts; without `chosen_judge` with that of the settings."""
    retriever, classifier = _retriever(settings, store, embedder), forms(settings)
    whole_shelf = shelf(settings)
    small_reader, _ = stages(reader)
    tables = figures(embedder)
    quick = None
    if small_reader is not reader and chosen_judge is None:
        small_judge = judge(replace(settings, reader=small_reader.name, calibration="default"))
        quick = Engine(settings, retriever, small_reader, small_judge, classifier, figures=tables)
    return Engine(
        settings,
        retriever,
        reader,
        chosen_judge or judge(settings),
        classifier,
        quick,
        whole_shelf,
        tables,
    )


def small_engine(settings: Settings, store: Store, embedder: Embedder) -> Engine:
    """The engine with the reader that chooses passages for the configured one, or that one if it
    reads them all. It loads in a fraction of the time.
    """
    first_model = first_reader(settings.reader)
    if first_model is not None:
        settings = replace(settings, reader=first_model, calibration="default")
    return assemble(settings, store, embedder, reader(settings))


def figures(embedder: Embedder) -> FindFigures:
    """Proposes figures of tables, with models that the first question which needs them loads;
    nothing with another embedder than the default, with which they were measured.
    """

    @cache
    def matcher() -> Matcher:
        from rag.answering.table_matcher import Matcher

        return Matcher.shipped(embedder.embed_passages)

    @cache
    def record_matcher() -> RecordMatcher:
        from rag.answering.table_records import RecordMatcher

        return RecordMatcher.shipped(matcher())

    def find(
        question: str,
        documents: Sequence[Document],
        odds: Mapping[str, float],
        store: Store | None,
    ) -> TableFindings:
        """`store` has the documents beside these, if they may be read."""
        from rag.answering.candidate import TableFindings

        blocks = (block for document in documents for block in document.blocks)
        if embedder.name != EMBEDDER or all(block.kind != "table" for block in blocks):
            return TableFindings()

        from rag.answering.table_figures import calibrated, figure_findings
        from rag.answering.table_questions import table_question
        from rag.answering.table_records import record_candidates

        asked = table_question(question)
        found = TableFindings()
        if asked:
            found = calibrated(figure_findings(asked, documents, matcher()), odds)
        cells = record_candidates(question, documents, store, record_matcher(), odds)
        return replace(found, candidates=(*found.candidates, *cells))

    return find


def shelf(settings: Settings) -> Shelf | None:
    """What answers questions over the whole shelf; None without the default classifier of forms."""
    from rag.answering.forms import ShelfClassifier
    from rag.answering.shelf_meaning import TopicClassifier

    if settings.forms == "off" or settings.embedder != EMBEDDER:
        return None
    return _LazyShelf(ShelfClassifier.load(), TopicClassifier.load())


class _LazyShelf:
    """`WholeShelf`, imported for the first question that is likely to be over the whole shelf."""

    def __init__(self, classifier: ShelfClassifier, topics: TopicClassifier) -> None:
        self._classifier = classifier
        self._topics = topics

    @cached_property
    def _shelf(self) -> WholeShelf:
        from rag.desk.shelf import WholeShelf

        return WholeShelf(self._classifier, self._topics)

    def plan(self, engine: Engine, query: Query, result: RetrievalResult) -> ShelfQuestion | None:
        """As `WholeShelf.plan`."""
        is_likely = self._classifier.is_likely(result.question, result.vector)
        if not is_likely and not self._topics.topic(result.question, result.vector):
            return None
        return self._shelf.plan(engine, query, result)

    def answer(
        self, engine: Engine, asked: AskedQuestion, question: ShelfQuestion
    ) -> Answer | None:
        """As `WholeShelf.answer`."""
        return self._shelf.answer(engine, asked, question)


def forms(settings: Settings) -> FormClassifier | None:
    """Classifier of forms; None if off. The shipped one works with the default embedder only."""
    from rag.answering.forms import SHIPPED, FormClassifier

    if settings.forms == "off" or (settings.forms == "default" and settings.embedder != EMBEDDER):
        return None
    path = SHIPPED if settings.forms == "default" else Path(settings.forms)
    return FormClassifier.load(path)


def prepare(settings: Settings) -> None:
    """Set the thread count, once per process; keep libraries from asking the hub for updates."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    if "torch" not in sys.modules:
        _import_to_stay("torch")
    import torch

    torch.set_num_threads(model_threads(settings.threads, os.environ))


def _import_to_stay(library: str) -> None:
    """Import a large library without looking for garbage in it, now or later."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        importlib.import_module(library)
        gc.freeze()
    finally:
        if was_on:
            gc.enable()


def _arithmetic(settings: Settings) -> Arithmetic:
    from rag.models.device import arithmetic

    return arithmetic(settings.device, settings.precision)


def queue(settings: Settings) -> PostgresQueue:
    """Upload queue of the index. Raises InputError for a local index."""
    with _queues(settings):
        from rag.store.postgres.queue import PostgresQueue
    return PostgresQueue(settings.store)


def worker_queues(settings: Settings, others: bool) -> CollectionQueues:
    """Upload queues of the index and, with `others`, its collections. InputError if it is local."""
    with _queues(settings):
        from rag.store.postgres.collection_queues import CollectionQueues
    return CollectionQueues(settings, others)


def _queues(settings: Settings) -> AbstractContextManager[None]:
    if settings.store == "local":
        hint = "set RAG_STORE=postgresql://USER:PASSWORD@HOST/DATABASE, or run: rag ingest PATH"
        raise InputError(f"{settings.place} is a local index; queues need PostgreSQL", hint)
    return needs_extra("postgres", "a queue")
