"""Deletes a document and everything that the service stores about it."""

from __future__ import annotations

from rag import build
from rag.ingestion import deletion
from rag.ingestion.deletion import DeletionReceipt
from rag.server.feedback import forget
from rag.server.state import Service
from rag.server.upload_queue import Remains


def delete_everywhere(
    service: Service, document_id: str
) -> tuple[DeletionReceipt, Remains, int] | None:
    """Receipts of the index and the upload queue, and the number of ratings that named the document
    or repeated its text, which are deleted; None for an unknown document. Raises StoreError,
    BusyError.
    """
    store = service.engine.store
    document = store.document(document_id)
    receipts = deletion.delete(store, [document_id], build.stamps(service.settings))
    if not receipts:
        return None
    uploads = service.jobs.scrub(document_id)
    ratings = forget(service.settings.index, document_id, document.text if document else "")
    return receipts[0], uploads, ratings
