import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from rag.errors import BusyError, InputError
from rag.ingestion.deletion import delete
from rag.ingestion.file_cache import Stamps
from rag.ingestion.ingest import Ingest, IngestReport
from rag.ingestion.pipeline import index
from rag.parsing.files import FoundFile, find, find_some
from rag.parsing.pool import Loader, ParseOutcome, ParseTask, one_by_one
from rag.store.local.store import LocalStore
from rag.types import Document
from tests.fakes import BagOfWordsEmbedder
from tests.ingestion.folders import ALL, fill, sources
from tests.parsing.archives import zipped
from tests.store.helpers import Worker, both, local, stored_documents


def ingest(
    store: LocalStore, *paths: Path, name: str | None = None, loader: Loader = one_by_one
) -> IngestReport:
    return Ingest(store, BagOfWordsEmbedder(), 12, loader=loader).run(find(list(paths), name))


def test_files_become_documents_and_only_changes_are_read(store: LocalStore, docs: Path) -> None:
    report = ingest(store, docs)
    assert (report.added, report.updated, report.unchanged, report.skipped) == (ALL, [], [], [])
    assert report.passages == store.stats().passages == 3
    assert sources(store) == {id: f"{docs.parent}/{id}" for id in ALL}
    assert both(store, "sardines") == [set(ALL), set(ALL)]
    generation = store.stats().generation
    os.utime(docs / "a.txt", (1, 1))
    report = ingest(store, docs)
    assert (report.added, report.updated, report.unchanged, report.passages) == ([], [], ALL, 0)
    assert store.stats().generation == generation
    (docs / "a.txt").write_text("Trees grow.")
    report = ingest(store, docs)
    assert (report.added, report.updated, report.unchanged) == ([], ALL[:1], ALL[1:])
    assert both(store, "sardines")[1] == set(ALL[1:])
    assert both(store, "trees")[1] == {"docs/a.txt"}
    assert len(stored_documents(store)) == 3


def test_another_path_to_the_same_files_is_the_same(
    store: LocalStore, docs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(store, docs)
    state = (store.stats(), sources(store))
    (tmp_path / "link").symlink_to(docs, target_is_directory=True)
    (tmp_path / "link.txt").symlink_to(docs / "a.txt")
    monkeypatch.chdir(docs / "sub")
    ways = [".. ../../docs ../../docs/./sub/.. ../a.txt", f"{docs}/a.txt {docs}/sub"]
    ways += [f"{tmp_path}/link{end}" for end in ("", "/sub/..", ".txt", "/a.txt")]
    for way in " ".join(ways).split():
        report = ingest(store, Path(way))
        assert report.unchanged
        assert not report.added + report.updated
    ingest(store, docs, name="another")
    assert (store.stats(), sources(store)) == state


def test_files_named_twice_in_one_run_are_one(store: LocalStore, docs: Path) -> None:
    (docs / "d.txt").symlink_to("a.txt")
    report = ingest(store, docs, docs / "b.md", docs / "sub", docs)
    assert report.added == ALL
    assert (report.unchanged, report.skipped) == ([], [])
    assert sources(store)["docs/a.txt"] == str(docs / "a.txt")


def test_a_file_in_a_folder_of_a_taken_name_is_skipped(store: LocalStore, tmp_path: Path) -> None:
    folder = fill(tmp_path / "a" / "docs", "a.txt")
    rival_folder = fill(tmp_path / "b" / "docs", "a.txt", "z.txt")
    ingest(store, folder)
    report = ingest(store, rival_folder)
    assert report.added == ["docs/z.txt"]
    hint = "give the folder another name with --name"
    reason = f"its name docs/a.txt is taken by {folder}/a.txt; {hint}"
    assert report.skipped == [(f"{rival_folder}/a.txt", reason)]
    assert ingest(store, rival_folder, name="b").added == ["b/a.txt"]
    assert sources(store) == {
        "docs/a.txt": f"{folder}/a.txt",
        "docs/z.txt": f"{rival_folder}/z.txt",
        "b/a.txt": f"{rival_folder}/a.txt",
    }
    assert not ingest(store, folder, rival_folder).skipped


def test_a_moved_folder_takes_its_documents(store: LocalStore, docs: Path, tmp_path: Path) -> None:
    ingest(store, docs)
    (tmp_path / "new").mkdir()
    moved = docs.rename(tmp_path / "new" / "docs")
    report = ingest(store, moved)
    assert (report.updated, report.added, report.skipped) == (ALL, [], [])
    assert sources(store) == {id: f"{tmp_path}/new/{id}" for id in ALL}
    assert ingest(store, moved).unchanged == ALL


def test_another_text_replaces_no_absent_one(store: LocalStore, docs: Path, tmp_path: Path) -> None:
    folder, rival_folder = (fill(tmp_path / name / "notes", "a.txt") for name in "ab")
    (rival_folder / "a.txt").write_text("Another text.")
    ingest(store, folder)
    (folder / "a.txt").unlink()
    report = ingest(store, rival_folder, docs)
    assert "which no longer exists" in report.skipped[0][1]
    assert sources(store)["notes/a.txt"] == f"{folder}/a.txt"


def test_unreadable_files_are_skipped(store: LocalStore, docs: Path) -> None:
    (docs / "binary.txt").write_bytes(b"a\0b")
    (docs / "empty.md").write_text(" \n")
    (docs / "photo.jpg").write_bytes(b"\xff\xd8")
    Path(os.fsdecode(os.fsencode(docs) + b"/caf\xe9.txt")).write_text("Sardines.")
    (docs / "gone.txt").write_text("Sardines.")
    (docs / "dangling.txt").symlink_to(docs / "nowhere.txt")
    os.mkfifo(docs / "pipe.txt")
    files = list(find([docs]))
    (docs / "gone.txt").unlink()
    report = Ingest(store, BagOfWordsEmbedder(), 12).run(files)
    assert report.added == ALL
    reasons = {os.path.basename(path): reason for path, reason in report.skipped}
    read = {"binary.txt", "empty.md", "photo.jpg", "caf\udce9.txt"}
    assert reasons.keys() == read | {"gone.txt", "dangling.txt", "pipe.txt"}
    assert reasons["dangling.txt"] == f"is a link to {docs / 'nowhere.txt'}, which does not exist"
    assert "named pipe" in reasons["pipe.txt"]
    assert both(store, "sardines") == [set(ALL), set(ALL)]


def test_nothing_readable_is_an_input_error(store: LocalStore, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / ".hidden.txt").write_text("Sardines.")
    with pytest.raises(InputError, match=f"^no files found in {tmp_path}/empty\n  hidden files"):
        find_some([tmp_path / "empty"])
    (tmp_path / "empty" / "a.gif").write_bytes(b"x")
    (tmp_path / "empty" / "b.txt").write_bytes(b"")
    with pytest.raises(InputError, match=r"a\.gif unsupported format \.gif \(and 1 more\)"):
        ingest(store, tmp_path / "empty")
    assert store.stats().generation == 0


def test_every_file_is_counted(store: LocalStore, docs: Path) -> None:
    counted: list[FoundFile] = []
    (docs / "photo.jpg").write_bytes(b"x")
    Ingest(store, BagOfWordsEmbedder(), 12).run([*find([docs]), *find([docs])], counted.append)
    assert len(counted) == 8


def test_many_files_are_stored_in_batches(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.ingestion.pipeline._BATCH_SECONDS", 999.0)
    files = list(find([fill(tmp_path / "many", *(f"{n:03}.txt" for n in range(600)))]))
    generations: list[int] = []
    report = Ingest(store, BagOfWordsEmbedder(), 12).run(
        files, lambda _: generations.append(store.stats().generation)
    )
    assert report.added == [f"many/{n:03}.txt" for n in range(600)]
    assert sorted(set(generations)) == [256, 512, 600]  # counted when they are stored
    assert store.stats().documents == store.stats().generation == 600


def test_another_writer_stops_it_and_its_documents_are_seen(store: LocalStore, docs: Path) -> None:
    second_ingest = Ingest(store, BagOfWordsEmbedder(), 12)
    with Worker(store.folder) as writer:
        writer.ask("begin")
        with pytest.raises(BusyError, match=str(writer.process.pid)):
            ingest(store, docs)
        writer.ask("end")
    assert ingest(local(store.folder), docs).added == ALL
    assert second_ingest.run(find([docs])).unchanged == ALL


def test_a_concurrent_upload_keeps_its_name(
    store: LocalStore, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.ingestion.pipeline.BATCH_PASSAGES", 1)

    def loader(jobs: Iterable[ParseTask]) -> Iterator[ParseOutcome]:
        for number, (job, loaded) in enumerate(one_by_one(jobs)):
            if number == 1:
                upload = Document(ALL[1], "Uploaded.", "B", f"upload:{ALL[1]}", "0" * 64)
                index([upload], store, BagOfWordsEmbedder())
            yield job, loaded

    report = ingest(store, docs, loader=loader)
    assert report.added == [ALL[0], ALL[2]]
    ((path, reason),) = report.skipped
    assert path.endswith("b.md")
    assert "upload" in reason
    assert sources(store)[ALL[1]] == f"upload:{ALL[1]}"


def test_documents_stored_before_a_stop_remain(
    store: LocalStore, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.ingestion.pipeline.BATCH_PASSAGES", 1)

    def loader(jobs: Iterable[ParseTask]) -> Iterator[ParseOutcome]:
        for number, result in enumerate(one_by_one(jobs)):
            if number == 2:
                raise KeyboardInterrupt
            yield result

    run, progress = Ingest(store, BagOfWordsEmbedder(), 12, loader=loader), list[int]()
    with pytest.raises(KeyboardInterrupt):
        run.run(find([docs]), lambda _: progress.append(1))
    assert run.report.added == ALL[:2]
    assert len(progress) == 2
    assert both(store, "sardines") == [set(ALL[:2]), set(ALL[:2])]
    assert ingest(store, docs).added == ALL[2:]


def test_members_of_an_archive_come_change_and_go(store: LocalStore, tmp_path: Path) -> None:
    path = tmp_path / "docs" / "all.zip"
    path.parent.mkdir()
    path.write_bytes(zipped({"a.txt": "Sardines swim.", "b.txt": "Trees grow.", "c.gif": b"\0"}))
    report = ingest(store, path)
    assert report.added == ["docs/all.zip/a.txt", "docs/all.zip/b.txt"]
    assert report.skipped == [(f"{path}//c.gif", "unsupported format .gif")]
    assert ingest(store, path).unchanged == report.added
    path.write_bytes(zipped({"a.txt": "Sardines swim.", "c.txt": "Stones lie."}))
    report = ingest(store, path)
    changes = (*report.unchanged, *report.added, *report.removed)
    assert changes == tuple(f"docs/all.zip/{name}.txt" for name in "acb")
    assert both(store, "trees")[1] == set()
    assert both(store, "sardines")[1] == {"docs/all.zip/a.txt"}
    assert ingest(store, path).unchanged == ["docs/all.zip/a.txt", "docs/all.zip/c.txt"]
    delete(store, ["docs/all.zip/a.txt"])
    assert set(stored_documents(store)) == {"docs/all.zip/c.txt"}
    report = ingest(store, path)  # as if a deleted file came back
    assert (report.added, report.unchanged) == (["docs/all.zip/a.txt"], ["docs/all.zip/c.txt"])
    assert ingest(store, path).unchanged == ["docs/all.zip/a.txt", "docs/all.zip/c.txt"]


def test_a_member_does_not_replace_a_missing_file(store: LocalStore, tmp_path: Path) -> None:
    folder_x, folder_y = tmp_path / "x" / "docs", tmp_path / "y" / "docs"
    for folder in (folder_x, folder_y):
        folder.mkdir(parents=True)
        (folder / "all.zip").write_bytes(zipped({"a.txt": f"Sardines of {folder}."}))
    ingest(store, folder_x)
    assert "is taken by" in ingest(store, folder_y, folder_x).skipped[0][1]


def test_an_unchanged_folder_costs_one_stat_per_file(
    store: LocalStore, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run() -> IngestReport:
        return Ingest(store, BagOfWordsEmbedder(), 12, Stamps(store.folder)).run(find([docs]))

    for name in docs.rglob("*.*"):
        os.utime(name, (1, 1))
    monkeypatch.setattr("rag.ingestion.file_cache._RACY_NS", 0)
    assert run().added == ALL
    hashed: list[Path] = []
    monkeypatch.setattr("rag.ingestion.file_cache.sha256_file", hashed.append)
    assert run().unchanged == ALL
    assert hashed == []
