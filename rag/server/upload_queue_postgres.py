"""Uploads to one of several servers: queued in the shared database and ingested by `rag worker`."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence

from rag.ingestion import uploads as jobs
from rag.server import problems
from rag.server.schemas import Job, WireFile
from rag.server.upload_queue import FOLDER, Remains, Upload, file_of

_LOOK = 0.2
_STAMP = "%Y%m%dT%H%M%SZ"


class SharedUploadQueue:
    """A queue of uploads in a database, which workers process. Methods as in LocalUploadQueue."""

    def __init__(self, queue: jobs.Queue, most_waiting: int) -> None:
        self._queue = queue
        self._most_waiting = most_waiting

    def add(self, uploads: Sequence[Upload]) -> str:
        waiting = self.waiting
        if waiting and waiting + len(uploads) > self._most_waiting:
            raise problems.overloaded(5)
        job = f"{time.strftime(_STAMP, time.gmtime())}-{uuid.uuid4().hex}"
        self._queue.enqueue([file_of(upload) for upload in uploads], job)
        return job

    def get(self, job: str) -> Job | None:
        # PostgreSQL text cannot contain NUL
        rows = [] if "\0" in job else self._queue.results(job)
        if not rows:
            return None
        files = [
            WireFile(
                name=name.removeprefix(f"{FOLDER}/"),
                outcome=result.outcome,
                document_ids=list(result.documents),
                detail=result.detail,
            )
            for name, result in rows
            if result
        ]
        state = "done" if len(files) == len(rows) else "running" if files else "queued"
        created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.strptime(job.partition("-")[0], _STAMP))
        return Job(id=job, state=state, created=created, files=files, total=len(rows))

    def wait(self, job: str, seconds: float) -> Job | None:
        until = time.monotonic() + seconds
        while (current := self.get(job)) and current.state != "done" and time.monotonic() < until:
            time.sleep(_LOOK)
        return current

    @property
    def waiting(self) -> int:
        state = self._queue.state()
        return state.count("waiting") + state.count("working")

    def asking(self, name: str) -> str:
        waiting = (entry for entry in self._queue.state().jobs if entry.state != "failed")
        return next((entry.batch for entry in waiting if entry.name == name), "")

    def last(self, limit: int, state: str | None = None) -> list[Job]:
        message = "uploads to a database are not listed here"
        raise problems.ServiceError(404, "http", message, "see: rag worker --status")

    def cancel(self, job: str) -> None:
        message = "uploads to a database cannot be cancelled here"
        raise problems.ServiceError(404, "http", message, "see: rag worker --forget")

    def scrub(self, document_id: str) -> Remains:
        """Waiting uploads are in the database, which cleans up itself."""
        return Remains()

    def close(self) -> None:
        self._queue.close()
