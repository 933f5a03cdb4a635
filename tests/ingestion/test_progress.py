import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from rag.ingestion.progress import IngestProgress
from rag.parsing.base import ParseError
from rag.parsing.files import FoundFile
from rag.parsing.pool import ParseOutcome, ParseTask


@pytest.fixture
def files(tmp_path: Path) -> list[FoundFile]:
    """Two texts, of which the second is three times as long, and a picture."""
    for name, size in (("a.txt", 100_000), ("b.txt", 300_000), ("scan.png", 10)):
        (tmp_path / name).write_bytes(b"x" * size)
    return [FoundFile(path, path.name) for path in sorted(tmp_path.iterdir())]


def test_the_estimate_counts_bytes_and_embedded_passages(
    files: list[FoundFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    followed = IngestProgress(files[:2])
    load = followed.loader(lambda tasks: ((task, ParseError("none")) for task in tasks))
    results = load(iter([ParseTask(file) for file in files[:2]]))
    next(results)
    clock[0] = 20.0
    followed.on_embedded(0, 0)  # the model took 20 s to load
    clock[0] = 25.0
    followed.on_embedded(64, 128)
    assert followed.describe().startswith("1 of 2 files read, 64 passages embedded")
    assert ", embedding" not in followed.describe()
    assert followed.seconds_left() == pytest.approx(35)  # an eighth took 5 s
    followed.on_embedded(128, 128)
    followed.on_progress(files[0])
    next(results)
    assert followed.share == pytest.approx(0.25)


def test_unchanged_files_do_not_count_as_work(files: list[FoundFile]) -> None:
    followed = IngestProgress(files[:2])
    followed.on_progress(files[1])
    read(followed, files[:1], lambda task: None)
    followed.on_embedded(10, 10)
    assert followed.share == 1


def test_the_file_and_the_stage_are_named(files: list[FoundFile]) -> None:
    followed = IngestProgress(files)
    descriptions = [followed.describe()]
    read(followed, files, lambda task: descriptions.append(followed.describe()))
    assert descriptions == [
        "0 of 3 files read, looking for changes",
        "0 of 3 files read, reading a.txt",
        "1 of 3 files read, reading b.txt",
        "2 of 3 files read, recognising the text of scan.png",
    ]


def read(
    followed: IngestProgress, files: Iterable[FoundFile], read_file: Callable[[ParseTask], None]
) -> None:
    """Read the files: `read_file` is called for each, and none has documents."""

    def load(tasks: Iterable[ParseTask]) -> Iterator[ParseOutcome]:
        for task in tasks:
            read_file(task)
            yield task, ParseError("none")

    list(followed.loader(load)(map(ParseTask, files)))


def scanned(folder: Path, name: str) -> FoundFile:
    (folder / name).write_bytes(b"x")
    return FoundFile(folder / name, name)


def test_recognised_pages_give_an_estimate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    followed = IngestProgress([scanned(tmp_path, "scan.pdf")])
    descriptions = []

    def scan(task: ParseTask) -> None:
        for page in range(1, 13):
            task.on_scan(page, 12, False)
            descriptions.append(followed.describe())
            clock[0] += 5

    read(followed, [scanned(tmp_path, "scan.pdf")], scan)
    assert descriptions[0] == "0 of 1 files read, recognising the text of scan.pdf, page 1 of 12"
    assert descriptions[2] == f"{descriptions[0].replace('page 1', 'page 3')}, about 50 s left"
    assert descriptions[10] == f"{descriptions[0].replace('page 1', 'page 11')}, about 10 s left"


def test_files_that_are_not_read_yet_have_as_many_scans_as_those_before(tmp_path: Path) -> None:
    files = [scanned(tmp_path, f"{number}.pdf") for number in range(4)]
    files += [scanned(tmp_path, "letters.zip"), scanned(tmp_path, "a.png")]
    followed = IngestProgress(files)
    pages = {".pdf": [(1, 2), (2, 2)], ".zip": [(5, 9), (6, 9), (1, 1)], ".png": [(1, 1)]}
    shares = []

    def scan(task: ParseTask) -> None:
        for page, count in pages[task.found.path.suffix]:
            task.on_scan(page, count, False)
            shares.append(round(followed.share, 3))

    read(followed, files, scan)
    # Two pages of each PDF and one of the picture; of the archive's first file five, but two of it
    # and one of its second file once that begins.
    parts = [(n, 9) for n in range(1, 9)] + [(9, 14), (10, 12), (11, 12)]
    assert shares == [0, *(round(finished / expected, 3) for finished, expected in parts)]
    assert followed.share == pytest.approx(1, abs=1e-3)
