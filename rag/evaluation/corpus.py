"""Opens the index to evaluate: an existing one, or one made from a folder or a gold set."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from tqdm import tqdm

from rag.engine import Engine
from rag.errors import InputError
from rag.evaluation.gold import Gold
from rag.ingestion.ingest import Ingest
from rag.ingestion.pipeline import index as index_documents
from rag.parsing.files import find_some
from rag.protocols import Embedder, Store
from rag.retrieval import Retriever
from rag.settings import Settings
from rag.types import Document


@contextmanager
def opened(
    build: ModuleType, settings: Settings, gold: Gold, corpus: Path | None, index: Path | None
) -> Iterator[Engine | Retriever]:
    """An engine, or a retriever for retrieval-only questions; `build` is `rag.build`.

    It uses an index of `corpus` (a folder or file) or of the gold set's documents, which is
    temporary unless `index` is given; without either, the index of the settings. Raises InputError
    for a `corpus` in addition to the set's own documents.
    """
    if gold.documents and corpus:
        message = f"the gold set {gold.name} contains its own documents"
        raise InputError(message, "leave out --corpus")

    with tempfile.TemporaryDirectory(prefix="rag-eval-") as folder:
        if index is None and (corpus or gold.documents):
            settings = replace(settings, index=Path(folder), store="local")

        is_new = not (settings.index / "rag.sqlite").exists()
        if corpus:
            _fill_from(corpus, build, settings)
        elif gold.documents and is_new:
            embedder = build.embedder(settings)
            with closing(build.store(settings, embedder, create=True)) as store:
                fill(gold.documents, store, embedder, settings.passage_tokens)

        opened = build.retriever(settings) if gold.retrieval_only else build.engine(settings)
        with closing(opened.store):
            yield opened


def _fill_from(corpus: Path, build: ModuleType, settings: Settings) -> None:
    """Ingest the files of the corpus."""
    files = find_some([corpus])
    embedder = build.embedder(settings)
    with closing(build.store(settings, embedder, create=True)) as store:
        ingest = Ingest(store, embedder, settings.passage_tokens)
        with tqdm(total=len(files), unit="file", disable=None, leave=False) as progress:
            ingest.run(files, lambda _: progress.update())


def fill(documents: Sequence[Document], store: Store, embedder: Embedder, tokens: int) -> None:
    """Index the documents, as `rag ingest` does with files."""
    progress = tqdm(documents, unit="document", disable=None, leave=False)
    index_documents(progress, store, embedder, tokens)
