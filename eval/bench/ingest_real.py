"""Ingests folders of real files and reports counts, skipped files with reasons, rate, and memory
over time.

    python -m eval.bench.ingest_real OUT.md FOLDER... [--index FOLDER] [--megabytes N] [--plot
    OUT.svg] [--dim N]

Vectors are hashed bags of words, so that only finding, parsing, splitting and storing are measured;
`rag ingest` itself spends most of its time in the embedder. Memory is the resident set of the
ingesting process, and of its parser processes together, each second. With `--index` the index is
kept, and an interrupted run continues. With `--megabytes` the folders' texts are copied with
changed words to a temporary folder, up to that size.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from eval.bench.copying import copy_with_other_words
from eval.bench.memory import Memory, bars
from rag.ingestion.file_cache import Stamps
from rag.ingestion.ingest import Ingest, IngestReport
from rag.models.embedders import unit
from rag.models.threads import available_cores
from rag.parsing.files import FoundFile, find
from rag.parsing.pool import ParseLimits, Pool
from rag.protocols import Vectors
from rag.store.local.store import LocalStore

_WORD = re.compile(r"\w+|[^\w\s]")
_DIM = 32
_SHOWN = 25


class HashedWords:
    """Each word counts in one of a few dimensions."""

    name = "hashed-words"

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return self.embed_passages(texts)

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        rows = np.zeros((len(texts), self.dim), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in _WORD.findall(text)[:200]:
                row[zlib.crc32(word.encode()) % self.dim] += 1
        return unit(rows)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(_WORD.findall(text)) for text in texts]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("out", type=Path)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--index", type=Path, help="keep the index here")
    parser.add_argument(
        "--megabytes", type=float, default=0, help="add copies until all is this large"
    )
    parser.add_argument("--plot", type=Path, help="memory over time, SVG")
    parser.add_argument("--dim", type=int, default=_DIM)
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as made:
        files, copies = list(find(asked.folders)), list[FoundFile]()
        if asked.megabytes:
            folder = Path(made, "copies")
            copy_with_other_words(
                [found.path for found in files], folder, round(1e6 * asked.megabytes)
            )
            copies = list(find([folder]))
        text, memory = _measure(
            asked.folders, files, copies, asked.index or Path(made, "index"), asked.dim
        )
    asked.out.write_text(text)
    if asked.plot:
        asked.plot.write_text(memory.svg())


def _measure(
    folders: Sequence[Path],
    files: Sequence[FoundFile],
    copies: Sequence[FoundFile],
    index: Path,
    dim: int,
) -> tuple[str, Memory]:
    size = sum(found.path.stat().st_size for found in [*files, *copies])
    memory, begun = Memory(), time.perf_counter()
    memory.start()
    expect = {"embedder": HashedWords.name, "dim": str(dim), "passage_tokens": "160"}
    with Pool(available_cores(), ParseLimits()) as pool:
        store = LocalStore(index, expect, create=True)
        ingest = Ingest(store, HashedWords(dim), 160, Stamps(index), pool)
        report = ingest.run(
            [*files, *copies], _progress(len(files), len(files) + len(copies), memory)
        )
        kinds = Counter(document.metadata.get("type", "") for document in store.documents())
        store.close()
    memory.stop()
    text = _text(
        folders, len(files) + len(copies), size, report, kinds, memory, time.perf_counter() - begun
    )
    return text + (
        f"{len(copies):,} of the files were copies with other words.\n" if copies else ""
    ), memory


def _progress(real: int, total: int, memory: Memory) -> Callable[[], None]:
    done = iter(range(1, total + 1))

    def seen() -> None:
        if (number := next(done)) % 500 == 0:
            print(f"{number} of {total}", file=sys.stderr, flush=True)
        if number == total:
            memory.mark("last file read")
        elif number == real:
            memory.mark("copies from here on")

    return seen


def _text(
    folders: Sequence[Path],
    files: int,
    size: int,
    report: IngestReport,
    kinds: Counter[str],
    memory: Memory,
    seconds: float,
) -> str:
    reasons = Counter(re.sub(r"^/\S+: ", "", reason) for _, reason in report.skipped)
    documents = len(report.added) + len(report.updated) + len(report.unchanged)
    lines = [
        f"Folders: {', '.join(map(str, folders))}.",
        "",
        f"{files:,} files, {size / 1e6:,.0f} MB: {documents:,} documents, {report.passages:,} "
        f"passages,"
        f" {len(report.skipped):,} skipped, {seconds:,.0f} s: {files / seconds:,.0f} files/s, "
        f"{size / 1e6 / seconds:.1f} MB/s.",
        "",
        "Documents by kind: "
        + ", ".join(f"{kind} {count:,}" for kind, count in kinds.most_common())
        + ".",
        "",
        "| skipped | reason |",
        "|---|---|",
        *(f"| {count:,} | {reason} |" for reason, count in reasons.most_common(_SHOWN)),
        "",
        "Resident memory over the run, MB:",
        "",
        f"    ingesting process  {bars(memory.own)}",
        f"    readers together   {bars(memory.readers)}",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
