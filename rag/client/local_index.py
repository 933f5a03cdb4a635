"""Python API: open an index, ask, search and ingest.

import rag

with rag.open("index") as index:
    index.sync("contracts")
    answer = index.ask("When does the lease end?")
    print(answer.text, answer.citations[0].sentence, answer.to_dict())
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from rag import build
from rag.errors import NotFoundError
from rag.filters import parse
from rag.query import Query
from rag.session import Conversation
from rag.settings import Settings, place_settings
from rag.types import Answer, Document, Hit

if TYPE_CHECKING:
    from rag.claims.results import CheckReport
    from rag.desk.bundle import Bundle
    from rag.desk.grid import Grid
    from rag.desk.grid_run import OnCellsDone
    from rag.engine import Engine
    from rag.ingestion.deletion import DeletionReceipt
    from rag.ingestion.ingest import IngestReport
    from rag.ingestion.sync import Changes

P = ParamSpec("P")
T = TypeVar("T")


class Index(AbstractContextManager["Index"]):
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
        filters: Iterable[str] = (),
        form: str = "",
        as_typed: bool = False,
    ) -> Answer:
        """Answer a question with quotes from the documents; `text` is None if they do not.

        `top_k` is the number of passages to read (default 8). `filters` holds conditions such as
        "type=pdf" or "year>=2024"; documents must meet all of them. `form` is one of
        `rag.answering.forms.FORMS`, or "" to choose it from the question. `as_typed` turns spelling
        correction off.
        """
        query = Query(question, top_k, parse(filters), form=form, as_typed=as_typed)
        return self.engine.ask_many([query])[0]

    def search(self, question: str, top_k: int = 10, *, filters: Iterable[str] = ()) -> list[Hit]:
        """The `top_k` passages that best match the question, best first."""
        return self.engine.search(question, top_k, parse(filters))

    def check(self, text: str, *, filters: Iterable[str] = ()) -> CheckReport:
        """Check each sentence of a text: supported, contradicted, or not in the documents; and
        each of its quotations, word for word.

        Raises InputError if the text contains no claims and no quotations.
        """
        from rag.claims.checker import Checker

        return Checker(self.engine).check(text, parse(filters))

    def grid(
        self, spec: str | Path | Mapping[str, Any], on_progress: OnCellsDone = lambda *_: None
    ) -> Grid:
        """Ask the same questions of every document: `spec` is a grid file, or its values. Answers
        are kept in the index; only new and changed documents are asked again. `on_progress` is
        called with the number of cells that are done, and that of all cells to ask.
        """
        from rag.desk import grid, grid_file, grid_run

        if isinstance(spec, (str, Path)):
            values = grid_file.load(Path(spec))
        else:
            values = grid_file.definition(spec, "the grid")
        store = self.engine.store
        grid.rows_of(values, store.documents())
        grid.save(store, values)
        grid_run.run(self.engine, values.name, on_progress=on_progress)
        return grid.load(store, values.name)

    def certify(
        self,
        question: str,
        path: str | Path,
        *,
        top_k: int | None = None,
        filters: Iterable[str] = (),
    ) -> Answer:
        """As `ask`; if nothing is found, also write a certificate that says what was searched, to
        `path`, which ends in .json or .html.
        """
        from rag.desk import certificate

        certificate.check_path(Path(path))
        query = Query(question, top_k, parse(filters))
        answer, record = certificate.ask(self.engine, query)
        if record:
            certificate.write(record, Path(path))
        return answer

    def export(
        self, source: Answer | str, path: str | Path, *, key: str | Path | None = None
    ) -> Bundle:
        """Write an answer, or the grid of this name, into a ZIP file that can be checked without
        rag. `key` is a private key of SSH that signs it. Raises InputError, also if the documents
        have changed since.
        """
        from rag.desk import bundle, grid

        store, signer = build.store(self.settings, any_embedder=True), Path(key) if key else None
        if isinstance(source, str):
            contents = bundle.of_grid(grid.load(store, source))
        else:
            contents = bundle.of_answer(source.to_dict())
        return bundle.write(store, contents, Path(path), signer)

    def ingest(self, *paths: str | Path) -> IngestReport:
        """Add files and folders; unchanged files are skipped. The report lists the files that could
        not be read, with reasons.
        """
        files = build.files(self.settings, [Path(path) for path in paths])
        with build.pool(self.settings) as pool:
            ingest = build.ingest(self.settings, pool, forget=self._forget)
            ingest.run(files)
        return ingest.report

    def sync(self, folder: str | Path, *, allow_mass_delete: bool = False) -> Changes:
        """Make the index match a folder: add, update, rename and remove documents. Raises
        NotFoundError for a missing folder, InputError if so many files are missing that it may not
        be mounted, unless `allow_mass_delete`.
        """
        from rag.ingestion.sync import Sync

        root = Path(folder).resolve()
        if not root.is_dir():
            raise NotFoundError(f"no such folder: {folder}", "check the path")
        with build.pool(self.settings) as pool:
            sync = Sync(build.ingest(self.settings, pool, forget=self._forget))
            files = build.files(self.settings, [root], sync.name_of(root), allow_none=True)
            return sync.run(root, files, allow_mass_delete)

    def delete(self, *documents: str | Path) -> list[DeletionReceipt]:
        """Delete documents by id or path; if one is unknown, none is deleted and NotFoundError is
        raised. The receipts prove the deletion, part by part.
        """
        from rag.ingestion.deletion import delete
        from rag.ingestion.find_document import find_document

        store = build.store(self.settings, any_embedder=True)
        stored = store.documents()
        ids = list(dict.fromkeys(find_document(stored, str(name)).id for name in documents))
        for document in filter(None, map(store.document, ids)):
            self._forget(document)
        return delete(store, ids, build.stamps(self.settings))

    def _forget(self, document: Document) -> Mapping[str, int]:
        """Delete the ratings and answers that quote a document, before it is deleted."""
        from rag.server.user_data import forget_quotes

        return forget_quotes(self.settings.index, document)

    def conversation(self) -> Talk:
        """A conversation, in which a question may say "it" or "and where?"."""
        return Talk(self)

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

    def __exit__(self, *_: object) -> None:
        self.close()


class Talk:
    """A conversation with an index; each question may refer to the answers before."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._conversation = Conversation()

    def ask(
        self, question: str, *, top_k: int | None = None, filters: Iterable[str] = ()
    ) -> Answer:
        """As `Index.ask`; `Answer.question` is the completed question."""
        understood = self._conversation.understand(question)
        return self._conversation.ask(self._index.engine, understood, top_k, parse(filters))


def _coroutine(
    method: Callable[Concatenate[Index, P], T],
) -> Callable[Concatenate[AsyncIndex, P], Coroutine[Any, Any, T]]:
    """The method of `Index` as a coroutine."""

    @functools.wraps(method)
    async def in_thread(self: AsyncIndex, /, *arguments: P.args, **options: P.kwargs) -> T:
        call = functools.partial(method, self._index, *arguments, **options)
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    return in_thread


class AsyncIndex(AbstractAsyncContextManager["AsyncIndex"]):
    """The methods of `Index` as coroutines. They run one after another in one thread of their own,
    since an index answers one question at a time; the event loop stays free.
    """

    def __init__(self, index: Index) -> None:
        self._index = index
        self._thread = ThreadPoolExecutor(1, "rag-index")

    ask = _coroutine(Index.ask)
    search = _coroutine(Index.search)
    check = _coroutine(Index.check)
    grid = _coroutine(Index.grid)
    certify = _coroutine(Index.certify)
    export = _coroutine(Index.export)
    ingest = _coroutine(Index.ingest)
    sync = _coroutine(Index.sync)
    delete = _coroutine(Index.delete)
    documents = _coroutine(Index.documents)
    document = _coroutine(Index.document)
    _close = _coroutine(Index.close)

    async def close(self) -> None:
        await self._close()
        self._thread.shutdown()

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def open_async(index: str | Path = "index", **settings: Any) -> AsyncIndex:
    """`open` for programs with an event loop."""
    return AsyncIndex(open(index, **settings))


def open(index: str | Path = "index", **settings: Any) -> Index:
    """Open an index: a folder or a PostgreSQL address. It is created by the first ingest.

    `settings` are fields of `rag.Settings`, such as `reader="fast"`; the others come from rag.toml
    and the environment. Raises InputError for an invalid one.
    """
    return Index(Settings.load(**place_settings(index), **settings))
