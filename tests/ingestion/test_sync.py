import os
import shutil
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from rag.errors import InputError
from rag.ingestion.file_cache import Stamps
from rag.ingestion.ingest import Ingest
from rag.ingestion.sync import Changes, Sync
from rag.parsing.files import find
from rag.protocols import Store, Vectors
from rag.store.local.store import LocalStore
from tests.fakes import BagOfWordsEmbedder
from tests.ingestion.folders import ALL, content, fill, sources
from tests.parsing.archives import zipped
from tests.store.helpers import both, by_lexical, local, opening, put_text, stored_documents


class CountingEmbedder(BagOfWordsEmbedder):
    """Counts the texts it embeds."""

    def __init__(self) -> None:
        super().__init__()
        self.embedded = 0

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        self.embedded += len(texts)
        return super().embed_passages(texts)


EMBEDDER = CountingEmbedder()


def syncing(store: Store) -> Sync:
    """With stamps next to a local index; a database has none."""
    stamps = Stamps(store.folder if isinstance(store, LocalStore) else None)
    return Sync(Ingest(store, EMBEDDER, 12, stamps))


def sync(store: Store, docs: Path, may_remove_many: bool = False) -> Changes:
    return syncing(store).run(docs, find([docs]), may_remove_many)


def preview(store: Store, docs: Path) -> Changes:
    return syncing(store).preview(docs, find([docs]))


def changes_by_kind(changes: Changes) -> dict[str, object]:
    """The changes of a run, by kind."""
    names = ("added", "updated", "renamed", "removed")
    return {name: value for name in names if (value := getattr(changes, name))}


def stored_state(store: Store) -> dict[str, tuple[str, str, str]]:
    return {id: (d.source, d.text, d.title) for id, d in stored_documents(store).items()}


def fresh(docs: Path) -> dict[str, tuple[str, str, str]]:
    """The content of a new index of the folder."""
    with closing(local(docs.parent / f"fresh-{docs.name}")) as store:
        sync(store, docs)
        return stored_state(store)


def test_the_index_becomes_equal_to_the_folder(store: LocalStore, docs: Path) -> None:
    assert changes_by_kind(sync(store, docs)) == {"added": ALL}
    assert sync(store, docs).unchanged == ALL
    assert b"near a.txt" in content(store.folder)
    (docs / "a.txt").unlink()
    (docs / "b.md").write_text("Trees grow.")
    fill(docs, "d.txt")
    changes = sync(store, docs)
    added, updated, removed = ["docs/d.txt"], ["docs/b.md"], ["docs/a.txt"]
    assert changes_by_kind(changes) == {"added": added, "updated": updated, "removed": removed}
    assert changes.unchanged == ["docs/sub/c.html"]
    assert b"near a.txt" not in content(store.folder)
    assert stored_state(store) == fresh(docs)
    assert both(store, "sardines")[1] == {"docs/d.txt", "docs/sub/c.html"}
    assert "docs/a.txt" not in both(store, "sardines")[0]


def test_a_preview_reports_the_same_and_changes_nothing(store: LocalStore, docs: Path) -> None:
    sync(store, docs)
    unchanged_state = (store.stats(), stored_state(store))
    (docs / "a.txt").rename(docs / "z.txt")
    (docs / "b.md").write_text("Trees grow.")
    (docs / "sub" / "c.html").unlink()
    fill(docs, "new.txt")
    previewed = preview(store, docs)
    assert previewed.dry_run
    assert (store.stats(), stored_state(store)) == unchanged_state
    assert changes_by_kind(sync(store, docs)) == changes_by_kind(previewed)
    assert previewed.renamed == [("docs/a.txt", "docs/z.txt")]


def test_a_renamed_file_is_not_embedded_again(store: LocalStore, docs: Path) -> None:
    sync(store, docs)
    EMBEDDER.embedded = 0
    (docs / "a.txt").rename(docs / "sub" / "z.txt")
    docs.joinpath("b.md").rename(docs / "B.md")
    renamed = [("docs/b.md", "docs/B.md"), ("docs/a.txt", "docs/sub/z.txt")]
    assert changes_by_kind(sync(store, docs)) == {"renamed": renamed}
    assert EMBEDDER.embedded == 0
    assert stored_state(store) == fresh(docs)
    assert both(store, "sardines") == [{"docs/B.md", "docs/sub/c.html", "docs/sub/z.txt"}] * 2
    assert by_lexical(store, "near a.txt", 1) == ["docs/sub/z.txt"]


def test_files_that_change_places_keep_their_content_apart(store: LocalStore, docs: Path) -> None:
    sync(store, docs)
    (docs / "a.txt").rename(docs / "x")
    (docs / "b.md").rename(docs / "a.txt")
    (docs / "x").rename(docs / "b.md")
    sync(store, docs)
    assert stored_state(store) == fresh(docs)


def test_a_copy_is_another_document(store: LocalStore, docs: Path) -> None:
    sync(store, docs)
    shutil.copy(docs / "a.txt", docs / "copy.txt")
    assert changes_by_kind(sync(store, docs)) == {"added": ["docs/copy.txt"]}
    (docs / "copy.txt").unlink()
    (docs / "a.txt").unlink()
    assert changes_by_kind(sync(store, docs)) == {"removed": ["docs/a.txt", "docs/copy.txt"]}


def test_documents_from_elsewhere_are_kept(store: LocalStore, docs: Path, tmp_path: Path) -> None:
    put_text(store, "http", "Sardines sleep.")
    sync(store, fill(tmp_path / "docs-2", "a.txt"))
    sync(store, docs)
    shutil.rmtree(tmp_path / "docs-2")
    assert not sync(store, docs).any
    assert set(stored_documents(store)) == {"http", "docs-2/a.txt", *ALL}


def test_a_copy_elsewhere_takes_nothing(store: LocalStore, docs: Path, tmp_path: Path) -> None:
    sync(store, docs)
    shutil.copytree(docs, tmp_path / "copy")
    docs.rename(tmp_path / "unmounted")
    copies = [id.replace("docs/", "copy/") for id in ALL]
    assert sync(store, tmp_path / "copy").added == copies
    assert set(stored_documents(store)) == {*ALL, *copies}


@pytest.mark.parametrize("stray", ["", "README.md", "photo.jpg"])
@pytest.mark.parametrize("names", [["a.txt"], ["a.txt", "b.md", "sub/c.html"]])
def test_losing_all_documents_needs_confirmation(
    store: LocalStore, tmp_path: Path, names: list[str], stray: str
) -> None:
    docs = fill(tmp_path / "docs", *names)
    sync(store, docs)
    unchanged_state = stored_state(store)
    for name in names:
        (docs / name).unlink()
    if stray:
        (docs / stray).write_text("not mounted")
    message = f"{len(names)} of the {len(names)} documents of {docs} are missing; nothing was"
    with pytest.raises(InputError, match=message) as caught:
        sync(store, docs)
    assert "--allow-mass-delete" in caught.value.hint
    assert stored_state(store) == unchanged_state
    removed = [f"docs/{name}" for name in names]
    assert (
        preview(store, docs).removed == sync(store, docs, may_remove_many=True).removed == removed
    )


def test_a_link_that_leaves_the_folder_is_not_followed(
    store: LocalStore, docs: Path, tmp_path: Path
) -> None:
    """Who can write in a folder could add files that only its reader may read."""
    elsewhere = fill(tmp_path / "elsewhere", "real.txt")
    (docs / "file.txt").symlink_to(elsewhere / "real.txt")
    (docs / "folder").symlink_to(elsewhere)
    (docs / "up.txt").symlink_to("../elsewhere/real.txt")
    report = sync(store, docs)
    assert report.added == ALL
    assert dict(report.skipped) == {
        str(docs / name): f"is a link to {target}, outside the folder; to read it, name that path"
        for name, target in {
            "file.txt": elsewhere / "real.txt",
            "folder": elsewhere,
            "up.txt": elsewhere / "real.txt",
        }.items()
    }
    assert set(stored_documents(store)) == set(ALL)


def test_a_linked_folder_is_followed_if_it_is_named(
    store: LocalStore, docs: Path, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(docs)
    (docs / "0.txt").symlink_to(docs / "a.txt")
    report = sync(store, tmp_path / "link")
    assert (report.added, report.skipped) == (ALL, [])


def test_an_ingested_file_survives_its_link(store: LocalStore, docs: Path, tmp_path: Path) -> None:
    elsewhere = fill(tmp_path / "elsewhere", "real.txt")
    sync(store, elsewhere)
    (docs / "link.txt").symlink_to(elsewhere / "real.txt")
    sync(store, docs)
    (docs / "link.txt").unlink()
    assert not sync(store, docs).any
    assert "elsewhere/real.txt" in stored_documents(store)


def test_many_missing_files_need_confirmation(store: LocalStore, docs: Path) -> None:
    sync(store, fill(docs, *(f"{n:02}.txt" for n in range(17))))
    for n in range(5):
        (docs / f"{n:02}.txt").unlink()
    assert len(sync(store, docs).removed) == 5
    fill(docs, "new.txt")
    for n in range(5, 11):
        (docs / f"{n:02}.txt").unlink()
    with pytest.raises(InputError, match="6 of the 15"):
        sync(store, docs)
    assert "docs/new.txt" not in stored_documents(store)
    assert len(sync(store, docs, may_remove_many=True).removed) == 6


@pytest.mark.parametrize("jump", [-(10**18), -1, 0, 10**18])
def test_a_clock_change_hides_no_change(
    store: LocalStore, docs: Path, monkeypatch: pytest.MonkeyPatch, jump: int
) -> None:
    clock = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: clock() + 10_000_000_000)
    sync(store, docs)
    sync(store, docs)
    status = (docs / "a.txt").stat()
    monkeypatch.setattr(time, "time_ns", lambda: clock() + jump)
    (docs / "a.txt").write_text("Sardines swam near a.txt.\n")
    os.utime(docs / "a.txt", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert changes_by_kind(sync(store, docs)) == {"updated": ["docs/a.txt"]}


def test_a_change_within_the_clocks_resolution_is_seen(store: LocalStore, docs: Path) -> None:
    sync(store, docs)
    for n in range(5):
        (docs / "a.txt").write_text(f"Sardines {n}\n")
        assert sync(store, docs).updated == ["docs/a.txt"]


@pytest.mark.parametrize("kind", ["local", "postgres"])
def test_after_a_move_nothing_of_the_old_place_remains(
    request: pytest.FixtureRequest, kind: str, docs: Path, tmp_path: Path
) -> None:
    """Move the folder, delete one file and change another: the next sync follows all three."""
    store = opening(request, kind)(tmp_path / "index")
    sync(store, docs)
    EMBEDDER.embedded = 0
    (tmp_path / "new").mkdir()
    moved = docs.rename(tmp_path / "new" / "docs")
    (moved / "a.txt").unlink()
    (moved / "b.md").write_text("Herrings, now.\n")
    planned, changes = preview(store, moved), sync(store, moved)
    assert changes_by_kind(planned) == changes_by_kind(changes)
    renamed, updated, removed = [(ALL[2], ALL[2])], [ALL[1]], [ALL[0]]
    assert changes_by_kind(changes) == {"updated": updated, "renamed": renamed, "removed": removed}
    assert EMBEDDER.embedded == 1
    assert stored_state(store) == fresh(moved)
    store.close()


def test_a_copied_folder_takes_no_names(store: LocalStore, docs: Path, tmp_path: Path) -> None:
    sync(store, docs)
    copied = Path(shutil.copytree(docs, tmp_path / "copy" / "docs"))
    for run in (preview, sync):
        with pytest.raises(InputError, match="taken by"):
            run(store, copied)
    fill(copied, "d.txt")
    planned, changes = preview(store, copied), sync(store, copied)
    assert changes_by_kind(planned) == changes_by_kind(changes) == {"added": ["docs/d.txt"]}
    assert planned.skipped == changes.skipped
    assert len(changes.skipped) == 3


def test_members_of_an_archive_move_with_it(store: LocalStore, docs: Path) -> None:
    (docs / "z.zip").write_bytes(zipped({"one.txt": "Herring.", "two.txt": "Mackerel."}))
    assert sorted(sync(store, docs).added) == [*ALL, "docs/z.zip/one.txt", "docs/z.zip/two.txt"]
    EMBEDDER.embedded = 0
    (docs / "z.zip").rename(docs / "y.zip")
    moved = [(f"docs/z.zip/{name}.txt", f"docs/y.zip/{name}.txt") for name in ("one", "two")]
    assert changes_by_kind(sync(store, docs)) == {"renamed": moved}
    assert EMBEDDER.embedded == 0
    (docs / "y.zip").write_bytes(zipped({"two.txt": "Mackerel.", "three.txt": "Cod."}))
    changes = sync(store, docs)
    assert (changes.added, changes.removed) == (["docs/y.zip/three.txt"], ["docs/y.zip/one.txt"])
    (docs / "y.zip").unlink()
    assert sync(store, docs).removed == ["docs/y.zip/three.txt", "docs/y.zip/two.txt"]
    assert set(stored_documents(store)) == set(ALL)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with an index and the synced folders `notes` and `work`."""
    home = tmp_path / "home"
    store = local(home / "index")
    for name in ("notes", "work"):
        sync(store, fill(home / name, "a.txt", "b.md", "sub/c.html"))
    store.close()
    return home


def test_an_index_travels_with_its_folder(home: Path, tmp_path: Path) -> None:
    moved = home.rename(tmp_path / "moved")
    (moved / "notes" / "b.md").unlink()
    (moved / "work" / "a.txt").write_text("Herrings, now.\n")
    store = local(moved / "index")
    assert sources(store) == {
        f"{name}/{relative}": f"{moved}/{name}/{relative}"
        for name in ("notes", "work")
        for relative in ("a.txt", "b.md", "sub/c.html")
    }
    EMBEDDER.embedded = 0
    planned, changes = preview(store, moved / "notes"), sync(store, moved / "notes")
    assert changes_by_kind(planned) == changes_by_kind(changes) == {"removed": ["notes/b.md"]}
    assert EMBEDDER.embedded == 0
    assert changes_by_kind(sync(store, moved / "work")) == {"updated": ["work/a.txt"]}
    assert stored_state(store) == fresh(moved / "notes") | fresh(moved / "work")


def test_a_copy_of_index_and_folder_is_independent(home: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(home, tmp_path / "copy"))
    (copy / "notes" / "a.txt").unlink()
    store, original = local(copy / "index"), local(home / "index")
    assert changes_by_kind(sync(store, copy / "notes")) == {"removed": ["notes/a.txt"]}
    assert changes_by_kind(sync(original, home / "notes")) == {}
    assert sources(original)["notes/a.txt"] == f"{home}/notes/a.txt"


def test_an_index_moved_alone_keeps_its_sources(home: Path, tmp_path: Path) -> None:
    (home / "index").rename(tmp_path / "index")
    store = local(tmp_path / "index")
    assert sources(store)["notes/a.txt"] == f"{home}/notes/a.txt"
    assert changes_by_kind(sync(store, home / "notes")) == {}


def test_files_left_behind_keep_their_source(home: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    for name in ("index", "notes"):
        (home / name).rename(tmp_path / "new" / name)
    store = local(tmp_path / "new" / "index")
    assert sources(store)["notes/a.txt"] == f"{tmp_path}/new/notes/a.txt"
    assert sources(store)["work/a.txt"] == f"{home}/work/a.txt"


def test_recurring_blocks_of_a_moved_folder_are_remembered(home: Path, tmp_path: Path) -> None:
    stamps = Stamps(home / "index")
    stamps.furniture[str(home / "notes")] = ["digest"]
    stamps.note(home / "notes" / "a.txt", "", [])
    stamps._changed = True
    stamps.save()
    moved = home.rename(tmp_path / "moved")
    assert Stamps(moved / "index").furniture == {str(moved / "notes"): ["digest"]}


def test_a_preview_knows_which_renames_are_possible(store: LocalStore, docs: Path) -> None:
    sync(store, docs)
    (docs / "a.txt").rename(docs / "a.md")
    (docs / "b.md").rename(docs / "d.txt")
    (docs / "sub" / "c.html").rename(docs / "c.html")
    planned, changes = preview(store, docs), sync(store, docs)
    assert changes_by_kind(planned) == changes_by_kind(changes)
    assert ("docs/sub/c.html", "docs/c.html") in changes.renamed


def test_a_folder_keeps_its_documents_name(store: LocalStore, docs: Path, tmp_path: Path) -> None:
    runner = syncing(store)
    assert runner.name_of(docs) is None
    runner.run(docs, find([docs], "notes"))
    assert runner.name_of(docs) == "notes"
    fill(tmp_path / "docs2", "a.txt")
    assert runner.name_of(tmp_path / "docs2") is None


def test_an_unreadable_file_keeps_its_document_and_no_other(store: LocalStore, docs: Path) -> None:
    sync(store, docs)
    (docs / "a.txt").write_bytes(b"\0")
    (docs / "b.md").rename(docs / "b.jpg")
    changes = sync(store, docs)
    assert changes_by_kind(changes) == {"removed": ["docs/b.md"]}
    assert [os.path.basename(path) for path, _ in changes.skipped] == ["a.txt", "b.jpg"]
    assert both(store, "sardines") == [{"docs/a.txt", "docs/sub/c.html"}] * 2


def test_a_preview_names_unreadable_and_refused_files(store: LocalStore, docs: Path) -> None:
    fill(docs, "a.mov")
    planned, changes = preview(store, docs), sync(store, docs)
    assert planned.skipped == changes.skipped == [(f"{docs}/a.mov", "unsupported format .mov")]
    for name in ALL:
        (docs.parent / name).unlink()
    planned = preview(store, docs)
    assert planned.removed == ALL
    assert "3 of the 3 documents" in planned.refused
