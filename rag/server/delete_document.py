"""Deletes a document and everything that the service stores about it."""

from __future__ import annotations

from rag import build
from rag.ingestion import deletion
from rag.ingestion.deletion import DeletionReceipt
from rag.server.feedback import forget_quotes
from rag.server.state import Service
from rag.server.upload_queue import Remains


def delete_everywhere(
    service: Service, document_id: str
) -> tuple[DeletionReceipt, Remains, dict[str, int]] | None:
    """Receipts of the index and the upload queue, and how many `ratings` and answers of `threads`
    named the document or repeated its text, which are deleted; None for an unknown document. Raises
    StoreError, BusyError.
    """
    store = service.engine.store
    document = store.document(document_id)
    with store.erasing():
        receipts = deletion.delete(store, [document_id], build.stamps(service.settings))
        if not receipts:
            return None
        uploads = service.jobs.scrub(document_id)
        quotes = forget_quotes(service.settings.index, document) if document else {}
    return receipts[0], uploads, quotes
