"""Parses files in processes with limits, so that a malicious or broken file stops no others."""

import json
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import IO, Any, Self, cast

from rag import child_process
from rag.errors import BusyError
from rag.parsing.base import OnScan, ParseError, ignore_scan, on_scan
from rag.parsing.files import MOST_BYTES, FoundFile
from rag.parsing.load import Loaded, load
from rag.parsing.worker import MOST_SCANS, SCAN_SECONDS, loaded_from, too_much_memory

_CANCELLED = "was cancelled"
_FILES_AHEAD = 3
"""Number of files per process to read ahead."""
_LEAST_SECONDS = 10
_BYTES_A_SECOND = 20_000
"""Time for the smallest file, and how many bytes of a file give it another second."""
_LOOK = 0.2
"""Seconds between two looks at whether a file is still wanted."""
_PATIENCE = 4
"""Ratio of wall-clock to CPU time limit, since a file may wait for a disk or for its turn."""


@dataclass(frozen=True, slots=True)
class ParseLimits:
    """Limits for one file: size in bytes, CPU time in seconds, memory in megabytes. A small file
    has less time, and a page whose text is recognised adds `SCAN_SECONDS`.

    `keep_furniture` keeps navigation, running heads and the like.
    """

    most_bytes: int = MOST_BYTES
    seconds: int = 120
    memory: int = 2048
    keep_furniture: bool = False

    def seconds_of(self, size: int) -> int:
        """CPU time for a file of so many bytes: a few hundred have no right to two minutes."""
        return min(self.seconds, _LEAST_SECONDS + size // _BYTES_A_SECOND)


@dataclass(frozen=True, slots=True)
class ParseTask:
    """A file to read, known digests by source, and who follows its scans, from another thread."""

    found: FoundFile
    known_digests: Mapping[str, str] = field(default_factory=dict)
    on_scan: OnScan = field(default=ignore_scan, compare=False)


IsWanted = Callable[[], bool]
"""Whether a file is still to be read; called often, from another thread."""


def always() -> bool:
    """An `IsWanted` for files that nobody cancels."""
    return True


ParseOutcome = tuple[ParseTask, Loaded | ParseError]
Loader = Callable[[Iterable[ParseTask]], Iterator[ParseOutcome]]
"""Reads files: `one_by_one`, or a `Pool`."""


def one_by_one(jobs: Iterable[ParseTask]) -> Iterator[ParseOutcome]:
    """Read files in this process, without limits on time and memory; for a few trusted files."""
    for job in jobs:
        follower = on_scan.set(job.on_scan)
        result: Loaded | ParseError
        try:
            result = load(job.found, job.known_digests)
        except ParseError as error:
            result = error
        finally:
            on_scan.reset(follower)
        yield job, result


class Pool:
    """`workers` processes, started on demand. A context manager; one run at a time."""

    def __init__(self, workers: int = 1, limits: ParseLimits | None = None) -> None:
        self._limits = limits or ParseLimits()
        self._count = workers
        self._threads = ThreadPoolExecutor(self._count, "rag-load")
        self._thread_state = threading.local()
        self._workers: list[_Worker] = []
        self._lock = threading.Lock()
        self.is_closed = False

    def __call__(self, jobs: Iterable[ParseTask]) -> Iterator[ParseOutcome]:
        """Results of the jobs in order; a few files are read ahead."""
        waiting: deque[tuple[ParseTask, Future[Loaded | ParseError]]] = deque()
        try:
            for job in jobs:
                future = self._threads.submit(self._load, job)
                waiting.append((job, future))
                if len(waiting) >= _FILES_AHEAD * self._count:
                    first_job, first_future = waiting.popleft()
                    yield first_job, first_future.result()
            while waiting:
                first_job, first_future = waiting.popleft()
                yield first_job, first_future.result()
        finally:
            for _, future in waiting:
                future.cancel()

    def load_data(self, name: str, data: bytes, is_wanted: IsWanted = always) -> Loaded:
        """`rag.parsing.load.load_data` in a separate process, which ends when the file is no longer
        wanted. Raises ParseError; other errors once the pool is closed.
        """
        request = {"id": name, "size": len(data)}
        return self._threads.submit(self._ask, request, data, is_wanted=is_wanted).result()

    def _load(self, job: ParseTask) -> Loaded | ParseError:
        """Read a file in the process of this thread."""
        found = job.found
        request = {
            "path": str(found.path),
            "id": found.document_id,
            "known": dict(job.known_digests),
        }
        try:
            return self._ask(request, on_scan=job.on_scan)
        except ParseError as error:
            return error

    def _ask(
        self,
        request: dict[str, Any],
        data: bytes = b"",
        on_scan: OnScan = ignore_scan,
        is_wanted: IsWanted = always,
    ) -> Loaded:
        """What a process says about a file. Raises ParseError with the reason if it cannot."""
        if not is_wanted():  # it was cancelled while it waited
            raise ParseError(_CANCELLED, transient=True)
        size = len(data) or _size_of(request.get("path", ""))
        limits = asdict(self._limits)
        limits["seconds"] = self._limits.seconds_of(size)
        return self._worker().ask({**request, **limits}, data, on_scan, is_wanted)

    def _worker(self) -> "_Worker":
        """The process of this thread. Raises BusyError once the pool is closed."""
        worker: _Worker | None = getattr(self._thread_state, "worker", None)
        if worker is not None and not worker.ended:
            return worker
        with self._lock:
            if self.is_closed:
                raise BusyError("files are not read any more", "try again in a moment")
            worker = _Worker(self._limits)
            self._thread_state.worker = worker
            running = [other_worker for other_worker in self._workers if not other_worker.ended]
            self._workers = [*running, worker]
            return worker

    def close(self) -> None:
        """End the processes at once, whatever they read. May be called twice."""
        with self._lock:
            self.is_closed = True
        for worker in self._workers:
            worker.kill()
        self._threads.shutdown(cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _size_of(path: str) -> int:
    """Bytes of a file; 0 if it cannot be read, as the process will say."""
    try:
        return os.stat(path).st_size
    except (OSError, ValueError):
        return 0


class _Worker:
    """A process that reads one file after another."""

    def __init__(self, limits: ParseLimits) -> None:
        memory = limits.memory
        self._process = child_process.start("rag.parsing.worker", str(memory), memory=memory)
        self._limits = limits
        self._late = False
        self._cancelled = False
        self.ended = False

    def ask(
        self, request: dict[str, Any], data: bytes, on_scan: OnScan, is_wanted: IsWanted
    ) -> Loaded:
        """Read one file. Raises ParseError, also if the process died."""
        self._seconds = request["seconds"]
        answer: dict[str, Any] | None = None
        answered = threading.Event()
        watch = threading.Thread(
            target=self._watch,
            args=(answered, is_wanted),
            daemon=True,
        )
        watch.start()
        with suppress(OSError, ValueError):
            pipe = cast(IO[bytes], self._process.stdin)
            pipe.write(json.dumps(request).encode() + b"\n" + data)
            pipe.flush()
            answer = self._answer(on_scan)
        answered.set()
        if answer is None:
            raise ParseError(self._cause_of_death(), transient=self._late or self._cancelled)
        if answer.pop("last"):
            self.kill()
        return loaded_from(answer)

    def _answer(self, on_scan: OnScan) -> dict[str, Any] | None:
        """The process's answer, after calls of `on_scan`; None if it died."""
        most_seconds = self._seconds + MOST_SCANS * SCAN_SECONDS
        answers = cast(IO[bytes], self._process.stdout)
        for line in iter(answers.readline, b""):
            if not line.endswith(b"\n"):  # it died in the middle of one
                return None
            answer: dict[str, Any] = json.loads(line)
            if "scan" not in answer:
                return answer
            page, pages, has_text = map(int, answer["scan"])
            if has_text:
                self._seconds = min(most_seconds, self._seconds + SCAN_SECONDS)
            on_scan(page, pages, bool(has_text))
        return None

    def _watch(self, answered: threading.Event, is_wanted: IsWanted) -> None:
        """Kill the process if it has not answered in time, or its file is no longer wanted."""
        started = time.monotonic()
        while not answered.wait(_LOOK):
            self._late = time.monotonic() > started + _PATIENCE * self._seconds
            self._cancelled = not self._late and not is_wanted()
            if self._late or self._cancelled:
                self._process.kill()
                return

    def _cause_of_death(self) -> str:
        """Why the process ended, as the reason that the file cannot be read."""
        self.kill()
        code = self._process.returncode
        if self._cancelled:
            return _CANCELLED
        if self._late or code == -signal.SIGXCPU:
            return f"takes more than {self._seconds} seconds to read"
        # libraries that fail to allocate; the system's own limit
        if code in (-signal.SIGABRT, -signal.SIGKILL):
            return too_much_memory(self._limits.memory)
        cause = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return f"crashed the parser ({cause})"

    def kill(self) -> None:
        """End the process and free its pipes."""
        self.ended = True
        with suppress(OSError):
            cast(IO[bytes], self._process.stdin).close()
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        cast(IO[bytes], self._process.stdout).close()
