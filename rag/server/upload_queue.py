"""What both upload queues of the service share: an upload's document id, and what is left of one
that was deleted.

`upload_queue_local` queues on the server's disk, `upload_queue_postgres` in the shared database. A
job is stored durably before it is acknowledged, until its documents are in the index. A killed
service therefore loses no accepted upload: it resumes the jobs it finds. Processing a file twice
changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from rag.ingestion import uploads
from rag.ingestion.pipeline import UPLOADED

FOLDER = "uploads"
"""Prefix of the ids of uploaded documents."""
Upload = tuple[str, bytes]
"""(name, content)"""


@dataclass(frozen=True, slots=True)
class Remains:
    """Remains of a deleted document in the queue: `waiting` files of its name, which will be
    ingested again, and bytes in the write-ahead log, which may contain any upload's text.
    """

    waiting: int = 0
    log_bytes: int = 0

    @property
    def clean(self) -> bool:
        return not (self.waiting or self.log_bytes)


def file_of(upload: Upload) -> uploads.Upload:
    """The upload with a name under `uploads/`, which distinguishes it from ingested files."""
    name, content = upload
    if name.startswith(uploads.GRID):
        return uploads.Upload(name, name, content)
    return uploads.Upload(f"{FOLDER}/{name}", f"{UPLOADED}{FOLDER}/{name}", content)
