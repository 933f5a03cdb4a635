"""Texts that clients add under their own ids: parsed, embedded and committed before the
response.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath

from rag.errors import InputError
from rag.ingestion.chunking import split
from rag.ingestion.pipeline import UPLOADED, check_free, embed, put
from rag.parsing.load import load_some
from rag.server.caller import Caller
from rag.server.document_schemas import PutDocument
from rag.server.ingest_worker import ModelThreadEmbedder
from rag.server.state import Service
from rag.types import Document

_LONGEST_ID = 500
_TEXTS = (".md", ".markdown", ".html", ".htm", ".txt", ".rst")


def put_text(service: Service, document_id: str, body: PutDocument, caller: Caller) -> Document:
    """Returns the document as stored. Raises InputError for an invalid id or text, ConflictError
    for the id of an ingested file, BusyError, StoreError.
    """
    check_id(document_id)
    source = f"{UPLOADED}{document_id}"
    store = service.engine.store
    check_free(
        document_id, source, store.document(document_id)
    )  # before the work, and again with the lock
    (parsed,) = load_some(document_id, body.text.encode(), service.readers.load_data).documents[:1]
    document = replace(
        parsed,
        id=document_id,
        source=source,
        title=body.title or parsed.title,
        metadata={**parsed.metadata, **body.metadata},
    )
    lent = ModelThreadEmbedder(service.embedder, service.runner(caller))
    passages = split(document, lent.count_tokens, service.settings.passage_tokens)
    embedded = embed(lent, [(document, passages)])
    with store.writing():
        check_free(document_id, source, store.document(document_id))
        put(store, embedded)
    return document


def check_id(document_id: str) -> None:
    """Raises InputError unless the id is a relative path of printable characters with a text file's
    suffix.
    """
    parts = document_id.split("/")
    usable = (
        document_id.isprintable()
        and len(document_id) <= _LONGEST_ID
        and not {"", ".", ".."}.intersection(parts)
    )
    if not usable or PurePosixPath(document_id).suffix.lower() not in _TEXTS:
        message = f"{document_id[:100]!r} cannot be the id of a text"
        raise InputError(
            message,
            f"use a relative path of at most {_LONGEST_ID} characters that ends in "
            f"{', '.join(_TEXTS)}",
        )
