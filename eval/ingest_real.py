"""Ingest folders of real files and report what became of them: counts, skips with reasons, rate, memory over time.

    python -m eval.ingest_real OUT.md FOLDER...

Vectors are hashed bags of words, so that what is measured is finding, reading, splitting and storing; `rag ingest` itself spends
most of its time in the embedder. Memory is the resident set of the ingesting process, and of its readers together, each second.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from rag.ingest import Ingest, Report
from rag.loading.files import find
from rag.loading.pool import Limits, Pool
from rag.protocols import Vectors
from rag.store.local import LocalStore

_WORD = re.compile(r"\w+|[^\w\s]")
_DIM = 32
_SHOWN = 25
_BARS = " ▁▂▃▄▅▆▇█"


class HashedWords:
    """Each word counts in one of a few places."""

    name, dim = "hashed-words", _DIM

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return self.embed_passages(texts)

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        rows = np.zeros((len(texts), _DIM), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in _WORD.findall(text)[:200]:
                row[zlib.crc32(word.encode()) % _DIM] += 1
        vectors: Vectors = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
        return vectors

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(_WORD.findall(text)) for text in texts]


class Memory(threading.Thread):
    """Megabytes of this process and of its children, each second until `stop`."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.own: list[int] = []
        self.readers: list[int] = []
        self._done = threading.Event()

    def run(self) -> None:
        while not self._done.wait(1.0):
            self.own.append(_resident(os.getpid()))
            children = Path(f"/proc/{os.getpid()}/task").glob("*/children")
            pids = {int(pid) for path in children for pid in path.read_text().split()}
            self.readers.append(sum(map(_resident, pids)))

    def stop(self) -> None:
        self._done.set()
        self.join()


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20
    except (OSError, IndexError):
        return 0


def main(out: Path, folders: list[Path]) -> None:
    files = list(find(folders))
    size = sum(found.path.stat().st_size for found in files)
    memory, begun = Memory(), time.perf_counter()
    memory.start()
    with tempfile.TemporaryDirectory() as made, Pool(limits=Limits()) as pool:
        store = LocalStore(Path(made), {"embedder": "hashed-words", "dim": str(_DIM), "passage_tokens": "160"}, create=True)
        report = Ingest(store, HashedWords(), 160, loader=pool).run(files, _progress(len(files)))
        kinds = Counter(document.metadata.get("type", "") for document in store.documents())
    memory.stop()
    seconds = time.perf_counter() - begun
    out.write_text(_text(folders, len(files), size, report, kinds, memory, seconds))


def _progress(total: int) -> Callable[[], None]:
    done = iter(range(1, total + 1))

    def seen() -> None:
        if (number := next(done)) % 500 == 0:
            print(f"{number} of {total}", file=sys.stderr)

    return seen


def _text(folders: list[Path], files: int, size: int, report: Report, kinds: Counter[str], memory: Memory, seconds: float) -> str:
    reasons = Counter(re.sub(r"^/\S+: ", "", reason) for _, reason in report.skipped)
    documents = len(report.added) + len(report.updated)
    lines = [
        f"Folders: {', '.join(map(str, folders))}.",
        "",
        f"{files:,} files, {size / 1e6:,.0f} MB: {documents:,} documents, {report.passages:,} passages,"
        f" {len(report.skipped):,} skipped, {seconds:,.0f} s: {files / seconds:,.0f} files/s, {size / 1e6 / seconds:.1f} MB/s.",
        "",
        "Documents by kind: " + ", ".join(f"{kind} {count:,}" for kind, count in kinds.most_common()) + ".",
        "",
        "| skipped | reason |",
        "|---|---|",
        *(f"| {count:,} | {reason} |" for reason, count in reasons.most_common(_SHOWN)),
        "",
        "Resident memory over the run, MB:",
        "",
        f"    ingesting process  {_plot(memory.own)}",
        f"    readers together   {_plot(memory.readers)}",
        "",
    ]
    return "\n".join(lines)


def _plot(values: list[int], width: int = 60) -> str:
    """A line of bars from 0, each the most of its stretch of time."""
    if not values:
        return "(too short)"
    stretches = [values[len(values) * n // width : len(values) * (n + 1) // width] for n in range(width)]
    most = max(values)
    bars = "".join(_BARS[-(-max(stretch) * (len(_BARS) - 1) // max(most, 1))] for stretch in stretches if stretch)
    return f"{bars}  most {most:,}, at the end {values[-1]:,}"


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(argument) for argument in sys.argv[2:]])
