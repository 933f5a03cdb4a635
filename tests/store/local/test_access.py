"""Missing permissions are reported, and nothing is lost."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rag.errors import RagError
from rag.ingestion.file_cache import Stamps
from rag.ingestion.ingest import Ingest
from rag.ingestion.sync import Sync
from rag.parsing.files import find
from rag.parsing.pool import ParseTask, one_by_one
from rag.store.local import snapshots
from rag.store.local.integrity import examine
from tests.ingestion.folders import fill
from tests.store.helpers import EMBEDDER, both, local, put_text, stored_documents
from tests.store.local.filled import filled_index

NOBODY = 65534


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that other users may enter, unlike pytest's."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    folder = Path(tempfile.mkdtemp(prefix="rag-access-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def as_nobody(do: Callable[[], object]) -> str:
    """The result or error of `do` in a process of the user nobody."""
    read, write = os.pipe()
    if child := os.fork():
        os.close(write)
        os.waitpid(child, 0)
        with os.fdopen(read) as pipe:
            return pipe.read()
    try:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        outcome = str(do())
    except RagError as error:
        outcome = f"{type(error).__name__}: {error}"
    except BaseException as error:
        outcome = f"not foreseen: {error!r}"
    os.write(write, outcome.encode())
    os._exit(0)


def test_an_index_of_another_user_can_be_read_and_not_written(place: Path) -> None:
    index = filled_index(place / "index", "a")
    index.chmod(0o755)
    assert as_nobody(lambda: both(local(index), "sardines")) == "[{'a'}, {'a'}]"
    for change in (lambda: put_text(local(index), "b", "x"), lambda: local(index).delete("a")):
        assert as_nobody(change).startswith(f"StoreError: index {index} cannot be written")
    assert as_nobody(lambda: [f.detail for f in examine(index) if not f.ok]) == "[]"
    assert set(stored_documents(local(index))) == {"a"}


def test_an_inaccessible_index_is_named(place: Path) -> None:
    index = filled_index(place / "index", "a")
    index.chmod(0o700)
    for do in (
        lambda: local(index),
        lambda: snapshots.take_snapshot(index, Path("/tmp/never")),
        lambda: examine(index),
    ):
        outcome = as_nobody(do)
        assert outcome.startswith("StoreError: ")
        assert str(index) in outcome


def test_an_unwritable_snapshot_target_is_named(place: Path) -> None:
    index = filled_index(place / "index", "a")
    index.chmod(0o755)
    outcome = as_nobody(lambda: snapshots.take_snapshot(index, place / "a"))
    assert outcome.startswith(f"StoreError: {place}/a cannot be written: Permission")
    snapshots.take_snapshot(index, place / "b")
    (place / "b").chmod(0o600)
    outcome = as_nobody(lambda: snapshots.check(place / "b"))
    assert outcome.startswith(f"StoreError: {place}/b ")


def test_documents_of_an_inaccessible_folder_stay(place: Path) -> None:
    docs, index = fill(place / "docs", "a.txt", "sub/b.txt", "sub/c.txt"), place / "index"
    index.mkdir()
    index.chmod(0o777)
    # that user may not be able to import the parser later
    list(one_by_one(ParseTask(file) for file in find([docs])))

    def sync() -> object:
        changes = Sync(Ingest(local(index), EMBEDDER, 12, Stamps(index))).run(docs, find([docs]))
        return changes.added, changes.removed, [reason for _, reason in changes.skipped]

    assert as_nobody(sync) == str((["docs/a.txt", "docs/sub/b.txt", "docs/sub/c.txt"], [], []))
    (docs / "sub").chmod(0o700)
    assert as_nobody(sync) == str(([], [], ["is a folder that cannot be opened"]))
    docs.chmod(0o700)
    assert "cannot be read" in as_nobody(sync)
    assert set(stored_documents(local(index))) == {"docs/a.txt", "docs/sub/b.txt", "docs/sub/c.txt"}
