import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rag.parsing.base import ParseError
from rag.parsing.files import FoundFile
from rag.parsing.load import Loaded, load
from rag.parsing.pool import ParseLimits, ParseTask, Pool, one_by_one
from tests.parsing.archives import zipped
from tests.parsing.pdfs import column, pdf

SMALL = ParseLimits(most_bytes=5_000_000, seconds=1, memory=1000)


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool(2, SMALL) as pool:
        yield pool


def jobs(*paths: Path) -> list[ParseTask]:
    return [ParseTask(FoundFile(path, path.name)) for path in paths]


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def reason(pool: Pool, path: Path) -> str:
    ((_, result),) = pool(jobs(path))
    assert isinstance(result, ParseError)
    return str(result)


def test_it_reads_what_one_process_reads_in_order(pool: Pool, tmp_path: Path) -> None:
    files = [write(tmp_path / f"{n}.md", f"# Title {n}\n\nText {n}.".encode()) for n in range(20)]
    files.append(write(tmp_path / "a.pdf", pdf([column(["Sardines swim."], 50)] * 2)))
    files.append(write(tmp_path / "b.txt", b"\0"))
    files.append(write(tmp_path / "c.zip", zipped({"x.txt": "One.", "y.bin": b"\0"})))
    by_pool, by_one = list(pool(jobs(*files))), list(one_by_one(jobs(*files)))
    assert [job for job, _ in by_pool] == jobs(*files)
    for (_, ours), (_, theirs) in zip(by_pool, by_one, strict=True):
        if isinstance(ours, ParseError):
            assert str(ours) == str(theirs)
        else:
            assert ours == theirs


def test_known_documents_are_not_sent_again(pool: Pool, tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", b"Sardines.")
    digest = load(FoundFile(path, "a")).documents[0].sha256
    ((_, result),) = pool([ParseTask(FoundFile(path, "a"), {str(path): digest})])
    assert isinstance(result, Loaded)
    assert (result.documents, result.same) == ([], [str(path)])


def test_a_slow_file_is_abandoned_and_the_rest_continue(pool: Pool, tmp_path: Path) -> None:
    slow_file = write(tmp_path / "slow.html", b"<p>x" * 1_200_000)
    readable = [write(tmp_path / f"{n}.txt", b"Sardines.") for n in range(6)]
    begun = time.monotonic()
    results = [result for _, result in pool(jobs(readable[0], slow_file, *readable[1:]))]
    assert time.monotonic() - begun < 30
    assert str(results[1]) == "takes more than 1 seconds to read"
    assert all(isinstance(result, Loaded) for result in results[:1] + results[2:])


def test_a_small_file_has_less_time_than_a_large_one(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = ParseLimits()
    assert limits.seconds_of(242) == 10
    assert 10 < limits.seconds_of(1_000_000) < limits.seconds
    assert limits.seconds_of(30_000_000) == limits.seconds
    monkeypatch.setattr("rag.parsing.pool._LEAST_SECONDS", 1)
    monkeypatch.setattr("rag.parsing.pool._BYTES_A_SECOND", 10**9)
    with Pool(1, limits) as pool, pytest.raises(ParseError, match="takes more than 1 seconds"):
        pool.load_data("slow.html", b"<p>x" * 1_200_000)


def test_a_file_that_is_no_longer_wanted_ends_at_once() -> None:
    is_needed = threading.Event()
    is_needed.set()
    with Pool(1, replace(SMALL, seconds=60)) as pool:
        threading.Timer(1.0, is_needed.clear).start()
        started = time.monotonic()
        with pytest.raises(ParseError, match="was cancelled"):
            pool.load_data("slow.html", b"<p>x" * 1_200_000, is_needed.is_set)
        assert time.monotonic() - started < 10
        assert all(worker._process.poll() is not None for worker in pool._workers)
        assert pool.load_data("a.md", b"# Fish").documents


def test_a_file_that_takes_too_much_memory_is_abandoned(tmp_path: Path) -> None:
    with Pool(1, ParseLimits(most_bytes=90_000_000, seconds=60, memory=300)) as pool:
        large_file = write(tmp_path / "large.json", b"[" + b"[],[1]," * 4_000_000 + b"1]")
        assert "needs more than 300 MB" in reason(pool, large_file)
        ((_, result),) = pool(jobs(write(tmp_path / "a.txt", b"Sardines.")))
        assert isinstance(result, Loaded)


def test_a_large_process_keeps_its_workers(tmp_path: Path) -> None:
    ballast = b"x" * 600_000_000  # like a service with loaded models
    with Pool(1, SMALL) as pool:
        list(pool(jobs(write(tmp_path / "a.txt", b"Sardines."))))
        assert pool._workers[0]._process.poll() is None
    assert len(ballast) > 0


def test_a_process_that_dies_is_replaced(tmp_path: Path) -> None:
    # enough seconds that a busy machine does not stop it for another reason
    with Pool(1, replace(SMALL, seconds=60)) as pool:
        path = write(tmp_path / "a.txt", b"Sardines.")
        list(pool(jobs(path)))
        os.kill(pool._workers[0]._process.pid, signal.SIGSEGV)
        time.sleep(0.1)
        assert "crashed the parser (SIGSEGV)" in reason(pool, path)
        ((_, result),) = pool(jobs(path))
        assert isinstance(result, Loaded)


def test_bytes_are_parsed_in_a_process(pool: Pool) -> None:
    (document,) = pool.load_data("x/a.md", b"# Fish\n\nThey swim.").documents
    assert (document.id, document.title) == ("x/a.md", "Fish")
    with pytest.raises(ParseError, match="unsupported"):
        pool.load_data("a.bin", b"x")


def test_files_are_read_ahead_but_only_a_few(pool: Pool, tmp_path: Path) -> None:
    numbers = []

    def many() -> Iterator[ParseTask]:
        for n in range(100):
            numbers.append(n)
            yield ParseTask(FoundFile(write(tmp_path / f"{n}.txt", b"Sardines."), str(n)))

    results = pool(many())
    next(results)
    assert len(numbers) == 6
    results.close()  # type: ignore[attr-defined]


def test_it_ends_with_its_processes(tmp_path: Path) -> None:
    pool = Pool(2, SMALL)
    list(pool(jobs(*[write(tmp_path / f"{n}.txt", b"Sardines.") for n in range(8)])))
    started = [worker._process for worker in pool._workers]
    assert started
    pool.close()
    assert all(process.poll() is not None for process in started)


def test_a_worker_imports_nothing_heavy_and_ends_with_its_requests() -> None:
    code = (
        "import sys; from rag.parsing.worker import main; main(['300']); "
        "sys.exit(len({'torch', 'numpy', 'faiss', 'transformers', 'click'} & set(sys.modules)))"
    )
    process = subprocess.run(
        [sys.executable, "-c", code], input=b"", capture_output=True, timeout=60
    )
    assert (process.returncode, process.stdout) == (0, b"")
