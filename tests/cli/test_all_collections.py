"""`rag worker --all-collections` over a real database."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.helpers import Run
from tests.store.helpers import ROOT
from tests.store.postgres.test_queue import eventually

pytestmark = pytest.mark.slow


@contextmanager
def all_worker(seconds: float = 0) -> Iterator[subprocess.Popen[str]]:
    """A worker for all collections that takes so long to embed a document. The test fails if it
    logs an error.
    """
    command = [sys.executable, "-m", "tests.cli.small_rag", str(seconds)]
    with open("worker.log", "w") as log:
        process = subprocess.Popen(
            [*command, "worker", "--all-collections"],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
    log_text = Path("worker.log").read_text()
    logged = [line for line in log_text.splitlines() if line.startswith("rag: ")]
    assert all("pgvector" in line for line in logged), log_text
    assert len(logged) <= 1, log_text
    assert "Traceback" not in log_text, log_text


def enqueue(run: Run, collection: str, *texts: str) -> None:
    """Queue a document of each text, named after the collection."""
    folder = Path(collection)
    folder.mkdir(exist_ok=True)
    for text in texts:
        (folder / f"{text}.txt").write_text(f"{text} is in {collection}.")
    code, *_ = run("ingest", "--enqueue", collection, "--collection", collection)
    assert code == 0


def documents(run: Run, collection: str) -> list[str]:
    """Names of the collection's documents; [] before its index exists."""
    code, out, _ = run("list", "--json", "--collection", collection)
    return sorted(Path(entry["id"]).stem for entry in json.loads(out)) if code == 0 else []


def test_one_worker_serves_all_collections_and_those_created_later(shared: Run) -> None:
    assert shared("worker", "--all-collections", "--status")[1] == "all queues are empty\n"
    for name in ("legal", "empty"):
        shared("collection", "create", name)
    enqueue(shared, "legal", "lease")
    enqueue(shared, "default", "home")
    assert shared("worker", "--all-collections", "--status")[1] == (
        "default: 1 waiting\nlegal: 1 waiting\n"
    )
    with all_worker() as process:
        assert eventually(lambda: documents(shared, "legal") == ["lease"])
        assert eventually(lambda: documents(shared, "default") == ["home"])
        shared("collection", "create", "tax")
        enqueue(shared, "tax", "income")
        assert eventually(lambda: documents(shared, "tax") == ["income"])
        assert shared("collection", "delete", "legal", "--yes")[0] == 0
        enqueue(shared, "tax", "income", "wealth")
        assert eventually(lambda: documents(shared, "tax") == ["income", "wealth"])
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=60)
    assert (process.returncode, out.splitlines()[-1]) == (0, "all queues are empty")


def test_it_stops_after_the_current_document(shared: Run) -> None:
    enqueue(shared, "default", "one", "two")
    with all_worker(seconds=1) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "embedding\n"
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "default: 1 waiting\n")
    assert len(documents(shared, "default")) == 1


def test_a_collection_deleted_during_its_document_stops_nothing(shared: Run) -> None:
    shared("collection", "create", "a-first")
    enqueue(shared, "a-first", "lease", "rent")
    with all_worker(seconds=2) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "embedding\n"
        assert shared("collection", "delete", "a-first", "--yes")[0] == 0
        enqueue(shared, "default", "home")
        assert eventually(lambda: documents(shared, "default") == ["home"])


def test_the_worker_of_a_deleted_collection_ends(shared: Run) -> None:
    shared("collection", "create", "legal")
    enqueue(shared, "legal", "lease")
    command = [sys.executable, "-m", "tests.cli.small_rag", "1", "worker", "--collection", "legal"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "embedding\n"
        assert shared("collection", "delete", "legal", "--yes")[0] == 0
        _, err = process.communicate(timeout=60)
    assert process.returncode == 3
    assert err.splitlines()[-2].endswith("any more")


def test_no_collection_holds_up_another(shared: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by large uploads, nor by failures, nor by other settings."""
    from rag.store.postgres import collection_queues

    monkeypatch.setattr(collection_queues, "_TURN", 0.0)
    shared("collection", "create", "legal")
    enqueue(shared, "default", "one", "two", "three")
    enqueue(shared, "legal", "lease")
    code, out, err = shared("worker", "--all-collections", "--once")
    assert (code, out) == (0, "all queues are empty\n")
    assert [line.partition(":")[0] for line in err.splitlines()] != ["default"] * 3 + ["legal"]
    code, _, err = shared("worker", "--all-collections", "--collection", "legal")
    assert (code, "--all-collections" in err) == (2, True)
    Path("legal/broken.pdf").write_bytes(b"%PDF-1.7 and no more")
    assert shared("ingest", "legal/broken.pdf", "--enqueue", "--collection", "legal")[0] == 0
    code, out, _ = shared("worker", "--all-collections", "--once")
    assert (code, out.splitlines()[0]) == (1, "legal: 1 failed")
    state = json.loads(shared("worker", "--all-collections", "--status", "--json")[1])
    assert [Path(job["name"]).name for job in state["legal"]["jobs"]] == ["broken.pdf"]
    forgotten = json.loads(shared("worker", "--all-collections", "--forget")[1])
    assert forgotten["forgotten"]["legal"] == 1
    shared("collection", "create", "a-first")
    with monkeypatch.context() as context:
        context.setenv("RAG_PASSAGE_TOKENS", "33")
        assert shared("ingest", "docs", "--collection", "a-first")[0] == 0
    enqueue(shared, "a-first", "lease")
    enqueue(shared, "default", "home")
    code, out, err = shared("worker", "--all-collections", "--once")
    assert (code, out) == (1, "a-first: 1 waiting\n")
    assert "default: default/home.txt: added" in err
