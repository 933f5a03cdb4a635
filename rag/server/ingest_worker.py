"""The ingest thread: takes uploads from the queue on disk and adds their documents to the index.

Parsing and splitting happen here. Embedding runs in small batches in the model thread, so that
questions are still answered. The index is locked only while embedded passages are written, so that
deletions are not held up.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import Any, TypeVar

import numpy as np

from rag.desk import grid_run
from rag.engine import Engine
from rag.errors import BusyError, EmptyError, InputError, NotFoundError, RagError, StoreError
from rag.ingestion.pipeline import check_free
from rag.ingestion.uploads import GRID, deaths_counted, prepare, put_prepared
from rag.parsing.load import Loaded
from rag.protocols import Embedder, Store, Vectors
from rag.server.caller import Caller
from rag.server.model_worker import ModelThread
from rag.server.readers import AT_ONCE, Readers
from rag.server.schemas import FileSchema
from rag.server.upload_queue import LocalUploadQueue, NamedContent, QueuedFile, file_of, outcome_of

_log = logging.getLogger(__name__)
_PIECE, _PIECE_CHARACTERS = 16, 20_000
"""Texts, and their characters, embedded between two batches of questions, about 50 ms."""
_CELLS = 8
"""Cells of a grid that are read between two batches of questions."""
_PAUSE = 1.0
"""Seconds before an upload is retried."""
T = TypeVar("T")
_LONGEST_FOLDER = 400
_LONGEST_NAME = 200


class Cancelled(Exception):
    """The file in progress was cancelled, or the service closes."""


class ModelThreadEmbedder:
    """An embedder whose `run` computes small pieces in the model thread, between questions."""

    def __init__(self, embedder: Embedder, run: Callable[[Callable[[], Any]], Any]) -> None:
        self._embedder = embedder
        self._run = run
        self.name = embedder.name
        self.dim = embedder.dim

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return self._in_pieces(self._embedder.embed_queries, texts)

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        return self._in_pieces(self._embedder.embed_passages, texts)

    def _in_pieces(
        self, embed: Callable[[Sequence[str]], Vectors], texts: Sequence[str]
    ) -> Vectors:
        rows = [self._run(partial(embed, piece)) for piece in _pieces(texts)]
        return np.concatenate(rows) if rows else np.zeros((0, self.dim), dtype=np.float32)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        count = self._embedder.count_tokens
        return [n for piece in _pieces(texts) for n in self._run(partial(count, piece))]


def _pieces(texts: Sequence[str]) -> Iterator[list[str]]:
    """The texts in pieces of bounded number and length; a longer text is a piece of its own."""
    piece: list[str] = []
    length = 0
    for text in texts:
        if piece and (len(piece) == _PIECE or length + len(text) > _PIECE_CHARACTERS):
            yield piece
            piece, length = [], 0
        piece.append(text)
        length += len(text)
    if piece:
        yield piece


@dataclass(eq=False)
class IngestThread:
    """Two threads, so that the files of one key do not hold up another's. They wait until the
    `engine` is open. Several collections share the `readers`. Uploaded PDFs of at most `keep_pdf`
    bytes are kept.
    """

    queue: LocalUploadQueue
    models: ModelThread
    engine: Future[Engine]
    readers: Readers
    passage_tokens: int
    keep_pdf: int

    def __post_init__(self) -> None:
        self._grid: tuple[str, Iterator[tuple[int, int, int]]] = ("", iter(()))
        """The job of the grid that is asked, and its further batches."""
        self._closing = threading.Event()
        self._trouble = ""
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, name="ingest") for _ in range(AT_ONCE)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop; unfinished files stay on disk. Quick once the pool and the models are closed."""
        self._closing.set()
        self.queue.wake()
        for thread in self._threads:
            if thread.ident:  # it was started
                thread.join()

    def _run(self) -> None:
        try:
            engine = self.engine.result()
        except BaseException:
            return  # the model thread reports the reason
        while not self._closing.is_set():
            try:
                self._process_next(engine.store, engine.retriever.embedder)
            except Exception as error:  # no error may stop later uploads
                self._pause_after(error)

    def _process_next(self, store: Store, embedder: Embedder) -> None:
        """Process the next file. Raises errors that are not its fault; it is then retried."""
        with self.queue.next(5.0) as entry:
            if entry is None:
                return
            job, number, name = entry.job, entry.number, entry.upload[0]
            if name.startswith(GRID):
                result = self._ask_grid_cells(job, name.removeprefix(GRID))
            else:
                with deaths_counted(partial(self.queue.count_death, job, number)):
                    result = self._process_file(entry, store, embedder)
            if result is None:  # the grid has more cells; files that came meanwhile go first
                return
            self._retry_until_done(lambda: self.queue.finish(job, number, result))
            self.models.metrics.files.labels(result.outcome).inc()
            self._trouble = ""

    def _ask_grid_cells(self, job: str, name: str) -> FileSchema | None:
        """Ask the next cells of a grid. Returns None until all are asked."""
        if self._grid[0] != job:
            self._grid = job, grid_run.in_batches(self.engine.result(), name, _CELLS)
        batches = self._grid[1]
        try:
            unfinished = self.models.call(lambda: next(batches, None))
        except (InputError, NotFoundError, EmptyError) as error:
            return FileSchema(name=name, outcome="rejected", detail=error.message)
        except BaseException:
            self._grid = "", iter(())  # the next turn begins with what is stored
            raise
        return None if unfinished else FileSchema(name=name, outcome="answered")

    def _retry_until_done(self, change: Callable[[], T]) -> T:
        """Retry a change until it succeeds or the service stops, so nothing is embedded twice."""
        while True:
            try:
                return change()
            except (BusyError, StoreError) as error:
                if self._closing.is_set():
                    raise
                self._pause_after(error)

    def _pause_after(self, error: Exception) -> None:
        """Pause, and log once why uploads wait."""
        with self._lock:
            is_new, self._trouble = str(error) != self._trouble, str(error)
        if is_new and not self._closing.is_set():
            trace = not isinstance(error, RagError)
            _log.warning("uploads wait and will be retried: %s", error, exc_info=trace)
        self._closing.wait(_PAUSE)

    def _process_file(
        self, entry: QueuedFile, store: Store, embedder: Embedder
    ) -> FileSchema | None:
        """Process one file and return its outcome, None if it was cancelled. Raises an error if the
        failure is not the file's fault, also if the pool was closed while it was read.

        The file is parsed in a separate process, so a malicious one costs only its own upload.
        """
        upload = entry.upload
        caller = Caller(entry.key_id)
        if entry.key_id:
            caller.charge = partial(self.models.charge, entry.key_id)

        def is_wanted() -> bool:
            try:
                return self.queue.is_open(entry.job, entry.number)
            except StoreError:  # nobody can have cancelled it
                return True

        def run(function: Callable[[], T]) -> T:
            if not is_wanted():
                raise Cancelled
            return self.models.call(function, caller)

        def load(name: str, data: bytes) -> Loaded:
            with caller.charged():
                return self.readers.load_data(name, data, entry.key_id, is_wanted)

        lent = ModelThreadEmbedder(embedder, run)
        try:
            prepared = prepare(store, lent, self.passage_tokens, file_of(upload), load)
            if not is_wanted():
                return None
            done = self._retry_until_done(lambda: put_prepared(store, prepared, self.keep_pdf))
            return outcome_of(upload[0], done)
        except Cancelled:
            return None
        except InputError as error:
            if self.readers.is_closed:
                raise
            detail = error.message
        except (RagError, OSError):
            raise
        except Exception:
            if self.readers.is_closed:
                raise
            _log.exception("an upload could not be read")
            detail = "it could not be read"
        return FileSchema(name=upload[0], outcome="rejected", detail=detail)


def check_names(store: Store, uploads: Sequence[NamedContent]) -> None:
    """Raises ConflictError if a name is an ingested file's. An archive's members come later."""
    for file in map(file_of, uploads):
        check_free(file.name, file.source, store.document(file.name))


def safe_name(name: str) -> str:
    """Last part of a client's file name, for ids, never as a path. Raises InputError."""
    file_name = PurePosixPath(name.replace("\\", "/")).name.strip()
    if (
        not file_name
        or file_name in (".", "..")
        or len(file_name) > _LONGEST_NAME
        or not file_name.isprintable()
    ):
        message = f"invalid file name {name[:80]!r}"
        raise InputError(message, f"send one of at most {_LONGEST_NAME} printable characters")
    return file_name


def safe_folder(folder: str) -> str:
    """A client's relative path as a prefix of ids: with a final slash, or "". Raises InputError."""
    if not folder:
        return ""
    parts = folder.replace("\\", "/").strip("/").split("/")
    usable = len(folder) <= _LONGEST_FOLDER and folder.isprintable()
    if not usable or {"", ".", ".."}.intersection(part.strip() for part in parts):
        hint = f"send a relative path of at most {_LONGEST_FOLDER} printable characters"
        raise InputError(f"invalid folder {folder[:80]!r}", hint)
    return "".join(f"{part.strip()}/" for part in parts)
