"""Indexes, snapshots and databases made by commit 33deea8 open and answer without manual steps.

`fixtures/33deea8` contains an index, a snapshot and a database dump, each with the two documents of
NOTES, made with that commit's `rag ingest`, `rag delete` (of a third document) and `rag snapshot`,
and pg_dump.
"""

from __future__ import annotations

import gzip
import logging
import tarfile
from pathlib import Path

import pytest

from rag import build
from rag.cli.cmd_snapshots import restore
from rag.ingestion.ingest import Ingest
from rag.parsing.files import find
from rag.parsing.pool import one_by_one
from rag.settings import Settings
from tests.postgres import Cluster

MADE = Path(__file__).parent / "fixtures" / "33deea8"
NOTES = {
    "notes/lease.txt": "Lease\n\nThe lease ends in May 2027. The tenant is Ada Lovelace.\n",
    "notes/oman.md": "The talks in Muscat\n\n"
    "Oman hosted the secret talks in 2013. The talks were led by William Burns.",
}
pytestmark = pytest.mark.slow


def check(settings: Settings, folder: Path) -> None:
    """The index has the original documents, answers from them, and accepts changes."""
    engine = build.engine(settings)
    store = engine.store
    assert {
        d.id: (found := store.document(d.id)) and found.text for d in store.documents()
    } == NOTES
    answer = engine.ask("Who led the talks?")
    assert "William Burns" in (answer.text or "")
    for citation in answer.citations:
        assert citation.document_id == "notes/oman.md"
        assert NOTES["notes/oman.md"][citation.start : citation.end] == citation.quote
    (hits,) = engine.retriever.retrieve(["the tenant"], 1)
    assert hits[0].passage.document_id == "notes/lease.txt"
    assert store.delete("notes/oman.md")
    (folder / "visit.txt").write_text("The visit was paid by Ali Larijani.")
    Ingest(store, build.embedder(settings), settings.passage_tokens).run(
        find([folder / "visit.txt"])
    )
    assert "Ali Larijani" in (engine.ask("Who paid the visit?").text or "")
    after = engine.ask("Who led the talks?")
    assert "notes/oman.md" not in {citation.document_id for citation in after.citations}
    store.close()


def test_an_index_opens_and_answers(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with tarfile.open(MADE / "index.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    check(Settings.load(index=tmp_path / "index"), tmp_path)
    assert [(r.levelno, r.message) for r in caplog.records] == [
        (
            logging.WARNING,
            f"search indexes in {tmp_path / 'index'} are rebuilt for this version of rag",
        )
    ]


def test_an_index_follows_its_folder_after_a_sync(tmp_path: Path) -> None:
    """The next sync finds the documents by content; from then on they move with the index."""
    home = tmp_path / "home"
    (home / "notes").mkdir(parents=True)
    for name, text in NOTES.items():
        (home / name).write_text(text)
    with tarfile.open(MADE / "index.tar.gz") as archive:
        archive.extractall(home, filter="data")
    for _ in range(2):
        settings = Settings.load(index=home / "index")
        root = home / "notes"
        planned = build.sync(settings, one_by_one).preview(root, build.files(settings, [root]))
        changes = build.sync(settings, one_by_one).run(root, build.files(settings, [root]))
        assert (planned.renamed, planned.updated) == (changes.renamed, changes.updated)
        found = [*changes.unchanged, *changes.updated, *(new for _, new in changes.renamed)]
        assert sorted(found) == sorted(NOTES)
        assert (changes.added, changes.removed) == ([], [])
        store = build.store(settings)
        assert {d.id: d.source for d in store.documents()} == {id: str(home / id) for id in NOTES}
        store.close()
        home = home.rename(tmp_path / "moved")
    moved = build.store(Settings.load(index=home / "index"))
    assert {d.source for d in moved.documents()} == {str(home / id) for id in NOTES}
    moved.close()


def test_a_snapshot_is_restored_and_answers(tmp_path: Path) -> None:
    (tmp_path / "notes.snapshot").write_bytes(
        gzip.decompress((MADE / "notes.snapshot.gz").read_bytes())
    )
    settings = Settings.load(index=tmp_path / "restored")
    restore(settings, tmp_path / "notes.snapshot", replace=False)
    check(settings, tmp_path)


def test_a_database_opens_and_answers(cluster: Cluster, tmp_path: Path) -> None:
    cluster.execute("CREATE DATABASE made_by_33deea8")
    cluster.execute((MADE / "database.sql").read_text(), "made_by_33deea8")
    settings = Settings.load(store=cluster.dsn("made_by_33deea8"))
    check_words(settings)
    check(settings, tmp_path)


def check_words(settings: Settings) -> None:
    """The first opening for writing counts the words of file names; later ones do not."""
    as_made = build.store(settings)
    ((_, before),) = as_made.lexical("oman", 5)
    as_made.close()
    generations = []
    for _ in range(2):
        store = build.store(settings, build.embedder(settings), create=True)
        ((_, score),) = store.lexical("oman", 5)
        assert score > before
        assert store.stats().passages == 2
        generations.append(store.stats().generation)
        store.close()
    assert generations[0] == generations[1]
