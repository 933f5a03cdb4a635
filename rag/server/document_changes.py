"""Changes of single documents: a client's text under its own id, and complete deletion."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import PurePosixPath

from rag import build
from rag.errors import InputError
from rag.ingestion import deletion
from rag.ingestion.chunking import split
from rag.ingestion.pipeline import UPLOADED, check_free, embed, put
from rag.parsing.load import load_some
from rag.server.caller import Caller
from rag.server.feedback import forget_quotes
from rag.server.ingest_worker import ModelThreadEmbedder
from rag.server.schemas import Deleted, PutDocument
from rag.server.state import Service
from rag.types import Document

_LONGEST_ID = 500
_TEXTS = (".md", ".markdown", ".html", ".htm", ".txt", ".rst")


def put_text(service: Service, document_id: str, body: PutDocument, caller: Caller) -> Document:
    """Returns the document as stored. Raises InputError for an invalid id or text, ConflictError
    for the id of an ingested file, BusyError, StoreError.
    """
    _check_id(document_id)
    source = f"{UPLOADED}{document_id}"
    store = service.engine.store
    # before the work, and again with the lock
    check_free(document_id, source, store.document(document_id))
    (parsed,) = load_some(document_id, body.text.encode(), service.readers.load_data).documents[:1]
    title, metadata = body.title or parsed.title, {**parsed.metadata, **body.metadata}
    document = replace(parsed, id=document_id, source=source, title=title, metadata=metadata)
    lent = ModelThreadEmbedder(service.embedder, service.runner(caller))
    passages = split(document, lent.count_tokens, service.settings.passage_tokens)
    embedded = embed(lent, [(document, passages)])
    with store.writing():
        check_free(document_id, source, store.document(document_id))
        put(store, embedded)
    return document


def _check_id(document_id: str) -> None:
    """Raises InputError unless the id is a printable relative path with a text file's suffix."""
    is_path = document_id.isprintable() and not {"", ".", ".."} & set(document_id.split("/"))
    suffix = PurePosixPath(document_id).suffix.lower()
    if not is_path or len(document_id) > _LONGEST_ID or suffix not in _TEXTS:
        ends = f"characters that ends in {', '.join(_TEXTS)}"
        hint = f"use a relative path of at most {_LONGEST_ID} {ends}"
        raise InputError(f"{document_id[:100]!r} cannot be the id of a text", hint)


def delete_everywhere(service: Service, document_id: str) -> Deleted | None:
    """Delete a document from the index, the upload queue, and the ratings and answers of threads
    that named it or repeated its text; None for an unknown document. Raises StoreError, BusyError.
    """
    store = service.engine.store
    document = store.document(document_id)
    with store.erasing():
        receipts = deletion.delete(store, [document_id], build.stamps(service.settings))
        if not receipts:
            return None
        uploads = service.jobs.scrub(document_id)
        quotes = forget_quotes(service.settings.index, document) if document else {}
    shown = asdict(receipts[0]) | {"uploads": asdict(uploads)} | quotes
    complete, generation = receipts[0].complete and uploads.clean, receipts[0].generation
    return Deleted(
        id=document_id, deleted=True, generation=generation, complete=complete, receipt=shown
    )
