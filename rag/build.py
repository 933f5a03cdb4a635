"""The composition root: the only module that names concrete classes. Heavy libraries are imported
when a part is built.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rag.answering.confidence import Confidence
from rag.engine import Engine, Searcher
from rag.errors import AbsentError, InputError, OldError, install_line
from rag.models.registry import HEADS, calibration_path, embedder_path, shipped_reader
from rag.models.threads import available_cores, model_threads
from rag.protocols import Embedder, Reader, Retriever, Speller, Store
from rag.settings import DEFAULT_COLLECTION, SCHEMES, Settings

if TYPE_CHECKING:
    from rag.answering.forms import FormClassifier
    from rag.claims.checker import Checker
    from rag.claims.writer import Writer
    from rag.ingestion.file_cache import Stamps
    from rag.ingestion.ingest import Ingest
    from rag.ingestion.sync import Sync
    from rag.ingestion.uploads import Queue
    from rag.ingestion.web import WebIngest
    from rag.models.device import Arithmetic
    from rag.parsing.load import FoundFile
    from rag.parsing.pool import Loader, Pool
    from rag.store.collection_folders import Collections
    from rag.store.local.integrity import Finding
    from rag.store.local.reindex import Rebuilt
    from rag.store.local.snapshots import Snapshot
    from rag.store.migrate import Moved
    from rag.store.postgres.store import PostgresStore
    from rag.training.evaluate import Measured
    from rag.training.form_classifier import Trained as TrainedForms


def store(
    settings: Settings,
    embedder: Embedder | None = None,
    create: bool = False,
    any_embedder: bool = False,
) -> Store:
    """Open the index. Creating it needs the embedder; `any_embedder` opens an index that was made
    with another one.
    """
    expect = (
        {}
        if any_embedder
        else {"embedder": settings.embedder, "passage_tokens": str(settings.passage_tokens)}
    )
    if embedder is not None:
        expect["dim"] = str(embedder.dim)
    return _open(settings, expect, create)


def _open(settings: Settings, expect: Mapping[str, str], create: bool) -> Store:
    if settings.store != "local":
        return _postgres(settings, expect, create)
    from rag.store.local.store import LocalStore

    return LocalStore(settings.index, expect, create)


def collections(settings: Settings) -> Collections:
    """The collections beside the index of the settings."""
    if settings.store == "local":
        from rag.store.local.collections import LocalCollections

        return LocalCollections(settings.index)
    with _extra("postgres", "a PostgreSQL store"):
        from rag.store.postgres.collections import PostgresCollections
    return PostgresCollections(settings.store, settings.index)


def in_collection(settings: Settings) -> Settings:
    """The settings of the collection that they name. Raises NotFoundError, StoreError."""
    if settings.collection == DEFAULT_COLLECTION:
        return settings
    with closing(collections(settings)) as found:
        return found.inside(found.named(settings.collection), settings)


def snapshot(settings: Settings, target: Path) -> Snapshot:
    from rag.store.local import snapshots

    _only_local(settings, "rag snapshot", "use the database's tool: pg_dump")
    return snapshots.take(settings.index, target)


def restore(settings: Settings, source: Path, replace: bool, only_check: bool = False) -> Snapshot:
    """Replace the index with a snapshot and update its search indexes."""
    from rag.store.local import snapshots

    if only_check:
        return snapshots.check(source)
    _only_local(
        settings, "rag restore", "restore into a folder, then: rag migrate FOLDER postgresql://…"
    )
    restored = snapshots.restore(settings.index, source, replace, wait=5)
    store(settings, any_embedder=True).close()
    return restored


def examine(settings: Settings) -> list[Finding]:
    """Check the index. A database is checked by its server; only its copies are named."""
    from rag.store.local.integrity import Finding
    from rag.store.local.integrity import examine as look

    if settings.store == "local":
        return look(settings.index)
    from rag.store.duplicates import described

    with closing(_postgres(settings, {}, create=False)) as opened:
        return [Finding("copies", True, described(opened.duplicates()))]


def rebuild(
    settings: Settings, begun: Callable[[int, int], object], seen: Callable[[int], object]
) -> Rebuilt:
    """Rebuild the index with the current settings, including its search indexes."""
    from rag.store.local.reindex import Rebuild

    _only_local(settings, "rag rebuild", "create a new index in another database")
    store(settings, any_embedder=True).close()  # report errors of the index before a model loads
    made = Rebuild(
        settings.index, embedder(settings), settings.embedder, settings.passage_tokens
    ).run(begun, seen)
    store(settings).close()
    return made


def abandon_rebuild(settings: Settings) -> bool:
    from rag.store.local.reindex import abandon

    _only_local(settings, "rag rebuild", "create a new index in another database")
    return abandon(settings.index)


def pool(settings: Settings) -> Pool:
    """Processes that parse files, as a context manager that ends them."""
    from rag.parsing.pool import ParseLimits, Pool

    limits = ParseLimits(
        settings.file_mb * 1_000_000,
        settings.file_seconds,
        settings.file_memory_mb,
        bool(settings.keep_furniture),
    )
    return Pool(settings.workers or available_cores(), limits)


def files(settings: Settings, paths: Sequence[Path], name: str | None = None) -> list[FoundFile]:
    """Files under the paths, without the index's own. Raises as `find` does."""
    from rag.parsing.load import find

    kept_here = settings.store == "local" or (settings.index / "keys.json").exists()
    return list(find(list(paths), name, settings.index if kept_here else None))


def stamps(settings: Settings) -> Stamps:
    """Cache of file digests beside the index."""
    from rag.ingestion.file_cache import Stamps
    from rag.parsing.version import identity

    limits = (settings.file_mb, settings.file_seconds, settings.file_memory_mb)
    return Stamps(settings.index, identity(*limits, settings.keep_furniture))


def ingest(settings: Settings, loader: Loader) -> Ingest:
    """Ingests files and creates the index if needed. The model loads as for `sync`."""
    from rag.ingestion.ingest import Ingest

    opened, lazy = _to_write(settings)
    whole = bool(settings.keep_furniture)
    return Ingest(opened, lazy, settings.passage_tokens, stamps(settings), loader, whole)


def web(settings: Settings, reader: Pool, allow_private: bool) -> WebIngest:
    """Ingests web pages and creates the index if needed."""
    from rag.ingestion.web import WebIngest

    opened, lazy = _to_write(settings)
    most_bytes = settings.file_mb * 1_000_000
    return WebIngest(
        opened, lazy, settings.passage_tokens, reader.load_data, most_bytes, allow_private
    )


def sync(settings: Settings, loader: Loader, create: bool = True) -> Sync:
    """Makes an index match a folder. The model loads only if there is something to embed or an
    index to create.
    """
    from rag.ingestion.sync import Sync

    opened, lazy = _to_write(settings, create)
    whole = bool(settings.keep_furniture)
    return Sync(opened, lazy, settings.passage_tokens, stamps(settings), loader, whole)


def _to_write(settings: Settings, create: bool = True) -> tuple[Store, Embedder]:
    from rag.models.embedders import LazyEmbedder

    lazy = LazyEmbedder(lambda: embedder(settings))
    try:
        return store(settings), lazy
    except (AbsentError, OldError):
        if not create:
            raise
        return store(settings, lazy, create=True), lazy


def embedder(settings: Settings) -> Embedder:
    _prepare(settings)
    from rag.models.embedders import MeanEmbedder, SentenceTransformerEmbedder, is_mean

    path, local = embedder_path(settings.embedder)
    if local and is_mean(Path(path)):
        return MeanEmbedder(settings.embedder, Path(path), _arithmetic(settings))
    return SentenceTransformerEmbedder(settings.embedder, arithmetic=_arithmetic(settings))


def reader(settings: Settings) -> Reader:
    _prepare(settings)
    from rag.models.reader import ExtractiveReader
    from rag.models.two_readers import TwoReaders

    found = ExtractiveReader(settings.reader, arithmetic=_arithmetic(settings))
    if found.has_heads or shipped_reader(settings.reader) is None:
        return found
    return TwoReaders(found, ExtractiveReader(HEADS, arithmetic=_arithmetic(settings)))


def engine(settings: Settings) -> Engine:
    """Build the engine. The index is opened first, so that its errors come before a model loads."""
    opened = store(settings)
    return assemble(settings, opened, embedder(settings), reader(settings))


def checker(settings: Settings) -> Checker:
    """Checks texts against the index."""
    return checker_of(engine(settings))


def checker_of(engine: Engine) -> Checker:
    """Checks texts with an engine that is already open."""
    from rag.claims.checker import Checker

    return Checker(engine)


def writer(settings: Settings, engine: Engine) -> Writer:
    """Writes answers with a language model server. Raises InputError if RAG_WRITER is not set."""
    from rag.claims.chat import ChatServer
    from rag.claims.checker import Checker
    from rag.claims.writer import Writer

    if not settings.writer:
        message = "no writer is set; written answers need an OpenAI-compatible server"
        raise InputError(message, "set RAG_WRITER=http://127.0.0.1:8080/v1, or ask without --write")
    server = ChatServer(
        settings.writer, settings.writer_model, settings.writer_key, settings.writer_seconds
    )
    return Writer(server, Checker(engine))


def searcher(settings: Settings) -> Searcher:
    """Retrieval only: `engine` without the reader."""
    opened, made = store(settings), embedder(settings)
    return Searcher(settings, opened, _retriever(settings, opened, made), _speller(opened, made))


def assemble(settings: Settings, store: Store, embedder: Embedder, reader: Reader) -> Engine:
    """Build an engine from parts that already exist."""
    return Engine(
        settings,
        store,
        _retriever(settings, store, embedder),
        reader,
        Confidence.load(calibration_path(settings.calibration, settings.reader)),
        _speller(store, embedder),
        forms(settings, embedder),
        embedder,
    )


def forms(settings: Settings, embedder: Embedder) -> FormClassifier | None:
    """Classifier for the form of an answer, or None if it is off. The shipped one works with the
    default embedder only.
    """
    from rag.answering.forms import SHIPPED, FormClassifier

    if settings.forms == "off" or (settings.forms == "default" and settings.embedder != "minilm"):
        return None
    return FormClassifier.load(
        embedder, SHIPPED if settings.forms == "default" else Path(settings.forms)
    )


def engine_beside(settings: Settings, default: Engine, embedder: Embedder) -> Engine:
    """Engine for another index, created if needed, with models that are already loaded."""
    return assemble(settings, store(settings, embedder, create=True), embedder, default.reader)


def trainer(
    settings: Settings,
) -> Callable[[Path, Path | None, Path, str | None, Path | None], Mapping[str, Measured]]:
    """Returns a function of (data, corpus, out, init, recipe file) that fine-tunes a reader on a
    user's data, writes it to `out`, and returns its scores before and after.
    """
    _prepare(settings)
    from rag.training.recipe import OwnRecipe, SetsRecipe, load_recipe
    from rag.training.train_reader import fine_tune, train

    def run(
        data: Path, corpus: Path | None, out: Path, init: str | None, recipe_file: Path | None
    ) -> Mapping[str, Measured]:
        given = {"init": init} if init else {}
        if data.is_dir():
            train(load_recipe(SetsRecipe, recipe_file).model_copy(update=given), data, out)
            return {}
        own = load_recipe(OwnRecipe, recipe_file).model_copy(update=given)
        before, after = fine_tune(
            own, data, corpus, out, lambda name: reader(replace(settings, reader=name))
        )
        return {"before": before, "after": after} if before else {"after": after}

    return run


def embedder_trainer(settings: Settings) -> Callable[[Path, Path, str | None, Path | None], None]:
    """Returns a function of (folder of sets, out, init, recipe file) that writes an embedder to
    `out`.
    """
    _prepare(settings)
    from rag.training.recipe import EmbedderRecipe, load_recipe
    from rag.training.train_embedder import tune

    def run(data: Path, out: Path, init: str | None, recipe_file: Path | None) -> None:
        tune(
            load_recipe(EmbedderRecipe, recipe_file).model_copy(
                update={"init": init} if init else {}
            ),
            data,
            out,
        )

    return run


def form_trainer(settings: Settings) -> Callable[[Path, Path | None, Path], TrainedForms]:
    """Returns a function of (labelled questions, folder of public sets, out) that writes a form
    classifier to the file `out` and returns its accuracy.
    """
    from rag.training.form_classifier import public, read_labelled, train

    def run(data: Path, sets: Path | None, out: Path) -> TrainedForms:
        labelled = read_labelled(data) + (public(sets) if sets else [])
        return train(labelled, embedder(settings), out)

    return run


def _retriever(settings: Settings, store: Store, embedder: Embedder) -> Retriever:
    from rag.retrieval import HybridRetriever

    return HybridRetriever(store, embedder, settings.first_stage_k, settings.alpha)


def _speller(store: Store, embedder: Embedder) -> Speller:
    from rag.store.spelling import WordSpeller

    return WordSpeller(store, embedder.count_tokens)


def _prepare(settings: Settings) -> None:
    """Set the thread count, once per process, and stop libraries from looking for updates on the
    hub.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    import torch

    torch.set_num_threads(model_threads(settings.threads, os.environ))


def _arithmetic(settings: Settings) -> Arithmetic:
    from rag.models.device import arithmetic

    return arithmetic(settings.device, settings.precision)


def _postgres(settings: Settings, expect: Mapping[str, str], create: bool) -> PostgresStore:
    with _extra("postgres", "a PostgreSQL store"):
        from rag.store.postgres.store import PostgresStore
    return PostgresStore(settings.store, expect, create)


@contextmanager
def _extra(name: str, what: str) -> Iterator[None]:
    """Turn a missing library into an InputError that names the extra."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise InputError(
            f"{what} needs {error.name}, which is not installed", f"run: {install_line(name)}"
        ) from error


def migration(
    source: str, target: str, collection: str = DEFAULT_COLLECTION
) -> tuple[int, Callable[[Callable[[], object]], Moved]]:
    """Returns the number of documents and a function that copies them from the index `source` to
    the index `target`; each is a folder or a PostgreSQL address.

    Of a `collection`, from that of the one to that of the other, which is created if it is absent.
    """
    from rag.store.migrate import migrate

    old = _open(in_collection(_settings_at(source, collection)), {}, create=False)
    stats = old.stats()
    expect = {
        "embedder": stats.embedder,
        "dim": str(stats.dim),
        "passage_tokens": str(stats.passage_tokens),
    }
    into = _settings_at(target, collection)
    if collection != DEFAULT_COLLECTION:
        with closing(collections(into)) as there:
            if there.get(collection) is None:
                there.create(collection)
    new = _open(in_collection(into), expect, create=True)
    return stats.documents, lambda seen: migrate(old, new, seen)


def _settings_at(place: str, collection: str) -> Settings:
    given = {"store": place} if place.startswith(SCHEMES) else {"index": Path(place)}
    return Settings.load(**given, collection=collection)


def queue(settings: Settings) -> Queue:
    """Upload queue of the index. Raises InputError for a local index."""
    if settings.store == "local":
        hint = (
            "set RAG_STORE=postgresql://USER:PASSWORD@HOST/DATABASE, or leave the queue out: "
            "rag ingest PATH"
        )
        raise InputError(f"{settings.place} is a local index; queues need PostgreSQL", hint)
    with _extra("postgres", "a queue"):
        from rag.store.postgres.queue import PostgresQueue
    return PostgresQueue(settings.store)


def _only_local(settings: Settings, command: str, instead: str) -> None:
    """Raise InputError if the index is in a database, which has its own tools."""
    if settings.store != "local":
        raise InputError(
            f"{command} works with local indexes only, not with {settings.place}", instead
        )
