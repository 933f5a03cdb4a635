"""Taking a document out of a collection, with all that the service keeps of it."""

from __future__ import annotations

from rag import build
from rag.ingestion import deletion
from rag.ingestion.deletion import DeletionReceipt
from rag.server.feedback import forget
from rag.server.state import Service
from rag.server.upload_queue import Remains


def delete_document(service: Service, document_id: str) -> tuple[DeletionReceipt, Remains] | None:
    """Receipts of the index and of the queue of uploads; None if there is no such document. Raises
    StoreError, BusyError.
    """
    receipts = deletion.delete(service.engine.store, [document_id], build.stamps(service.settings))
    if not receipts:
        return None
    uploads = service.jobs.scrub(document_id)
    forget(service.settings.index, [document_id])  # what quotes it
    return receipts[0], uploads
