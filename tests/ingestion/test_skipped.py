"""Unreadable files are reported again without being read, until they or the parser change."""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from rag.errors import InputError
from rag.ingestion.file_cache import Stamps
from rag.ingestion.ingest import Ingest, IngestReport
from rag.ingestion.sync import Changes, Sync
from rag.parsing.base import ParseError
from rag.parsing.files import find
from rag.parsing.formats import identity
from rag.parsing.pool import ParseOutcome, ParseTask, one_by_one
from rag.store.local.store import LocalStore
from tests.fakes import BagOfWordsEmbedder
from tests.parsing.archives import zipped
from tests.store.helpers import local

BINARY = "is binary, not text"


class Reading:
    """Reads files one by one and records them."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def __call__(self, jobs: Iterable[ParseTask]) -> Iterator[ParseOutcome]:
        return one_by_one(self._noted(jobs))

    def _noted(self, jobs: Iterable[ParseTask]) -> Iterator[ParseTask]:
        for job in jobs:
            self.read.append(job.found.path.name)
            yield job


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalStore:
    monkeypatch.setattr("rag.ingestion.file_cache._RACY_NS", 0)  # files of a test are always recent
    return local(tmp_path / "index")


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "a.txt").write_text("Sardines swim.")
    (folder / "bad.txt").write_bytes(b"abc\0def")
    (folder / "packed.zip").write_bytes(zipped({"good.txt": "Tuna swims.", "worse.txt": "\0\0"}))
    return folder


def sync(store: LocalStore, docs: Path, reader: str = "1") -> tuple[Changes, list[str]]:
    stamps, reading = Stamps(store.folder, reader), Reading()
    run = Sync(Ingest(store, BagOfWordsEmbedder(), 12, stamps, reading))
    return run.run(docs, find([docs])), reading.read


def ingest(
    store: LocalStore, path: Path, reader: str = "1", reading: Reading | None = None
) -> tuple[IngestReport, list[str]]:
    stamps, reading = Stamps(store.folder, reader), reading or Reading()
    run = Ingest(store, BagOfWordsEmbedder(), 12, stamps, reading)
    return run.run(find([path])), reading.read


def skipped(docs: Path) -> list[tuple[str, str]]:
    return [(f"{docs}/bad.txt", BINARY), (f"{docs}/packed.zip//worse.txt", BINARY)]


Run = Callable[[LocalStore, Path], tuple[Changes | IngestReport, list[str]]]


@pytest.mark.parametrize("run", [sync, ingest])
def test_unreadable_files_are_read_once(store: LocalStore, docs: Path, run: Run) -> None:
    report, read = run(store, docs)
    assert read == ["a.txt", "bad.txt", "packed.zip"]
    assert report.skipped == skipped(docs)
    second_report, read = run(store, docs)
    assert read == []
    assert sorted(second_report.skipped) == skipped(docs)
    assert second_report.unchanged == ["docs/a.txt", "docs/packed.zip/good.txt"]
    previewed = Sync(Ingest(store, BagOfWordsEmbedder(), 12, Stamps(store.folder, "1"))).preview(
        docs, find([docs])
    )
    assert (previewed.added, sorted(previewed.skipped)) == ([], skipped(docs))


def test_a_repaired_file_is_read(store: LocalStore, docs: Path) -> None:
    sync(store, docs)
    (docs / "bad.txt").write_text("Cod swims.")
    changes, read = sync(store, docs)
    assert (changes.added, read) == (["docs/bad.txt"], ["bad.txt"])
    assert changes.skipped == skipped(docs)[1:]
    (docs / "bad.txt").write_bytes(b"abc\0def")
    assert sync(store, docs)[1] == ["bad.txt"]
    (docs / "packed.zip").write_bytes(zipped({"good.txt": "Tuna swims."}))
    assert sync(store, docs)[0].skipped == skipped(docs)[:1]


def test_another_parser_version_reads_it_again(store: LocalStore, docs: Path) -> None:
    sync(store, docs)
    assert sync(store, docs, "2")[1] == ["bad.txt"]
    assert sync(store, docs, "2")[1] == []
    assert identity(1, 2, 3) == identity(1, 2, 3) != identity(1, 2, 4)


def test_temporary_failures_are_retried(store: LocalStore, docs: Path) -> None:
    class Disk(Reading):
        def __call__(self, jobs: Iterable[ParseTask]) -> Iterator[ParseOutcome]:
            for job in self._noted(jobs):
                yield job, ParseError("cannot be read: Input/output error", transient=True)

    disk = Disk()
    for _ in range(2):
        with pytest.raises(InputError, match="Input/output error"):
            ingest(store, docs / "a.txt", reading=disk)
    assert disk.read == ["a.txt", "a.txt"]


def test_a_file_that_changed_as_it_was_read_is_read_again(store: LocalStore, docs: Path) -> None:
    class Late(Reading):
        def __call__(self, jobs: Iterable[ParseTask]) -> Iterator[ParseOutcome]:
            for job, loaded in super().__call__(jobs):
                os.utime(job.found.path, (1, 1))
                yield job, loaded

    ingest(store, docs, reading=Late())
    assert ingest(store, docs)[1] == ["bad.txt"]


def test_deleted_files_are_forgotten(store: LocalStore, docs: Path) -> None:
    stamps = store.folder / "stamps.json"
    sync(store, docs)
    assert "bad.txt" in stamps.read_text()
    (docs / "bad.txt").unlink()
    sync(store, docs)
    assert "bad.txt" not in stamps.read_text()


def test_a_folder_of_only_unreadable_files_may_be_unmounted(store: LocalStore, docs: Path) -> None:
    (docs / "b.txt").write_text("Cod swims.")
    sync(store, docs)
    for name in ("a.txt", "b.txt", "packed.zip"):
        (docs / name).unlink()
    with pytest.raises(InputError, match="3 of the 3 documents"):
        sync(store, docs)
    assert len(store.documents()) == 3
