"""Uploads as jobs. A job is stored durably before it is acknowledged, until its documents are in
the index.

A killed service therefore loses no accepted upload: it resumes the jobs it finds. Processing a file
twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rag.ingestion import uploads
from rag.ingestion.pipeline import UPLOADED
from rag.server.document_schemas import Job, WireFile

FOLDER = "uploads"
"""Prefix of the ids of uploaded documents."""
Upload = tuple[str, bytes]
"""(name, content)"""


@dataclass(frozen=True, slots=True)
class Remains:
    """What the queue holds of a deleted document: `waiting` files of its name, which will be
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
    return uploads.Upload(f"{FOLDER}/{name}", f"{UPLOADED}{FOLDER}/{name}", content)


class UploadQueue(Protocol):
    """Queue of uploads, as seen by the endpoints. Thread-safe."""

    def add(self, uploads: Sequence[Upload]) -> str:
        """Store a new job durably and return its id. Raises ServiceError if too much is waiting."""

    def get(self, job: str) -> Job | None: ...

    def wait(self, job: str, seconds: float) -> Job | None:
        """The job when it is done, or its state after `seconds`."""

    def last(self, most: int, state: str | None = None) -> list[Job]:
        """Jobs, newest first; `state` selects only those in that state. Raises ServiceError if they
        are not listed here.
        """

    def cancel(self, job: str) -> None:
        """Reject a job's waiting files as cancelled, perhaps including the one in progress. Raises
        ServiceError if they cannot be cancelled here.
        """

    def scrub(self, document_id: str) -> Remains:
        """Free what the queue no longer needs of a deleted document, and report the rest."""

    @property
    def waiting(self) -> int:
        """Number of files that are not ingested yet."""

    def close(self) -> None: ...


class WorkQueue(Protocol):
    """Queue of uploads, as seen by the service's ingest thread. Thread-safe."""

    def next(self) -> tuple[str, int, Upload] | None:
        """(job, number, file) of the oldest unprocessed file."""

    def finish(self, job: str, number: int, result: WireFile) -> None:
        """Record the file's outcome and drop its content."""

    def wait_for_any(self, seconds: float) -> None:
        """Wait until something changes, at most `seconds`."""

    def wake(self) -> None:
        """End all waiting."""
