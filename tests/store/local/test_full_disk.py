"""Changes on a full disk fail with an error that says so, lose nothing, and succeed when there is
space.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rag.store.local import snapshots
from tests.store.helpers import ROOT, local, put
from tests.store.local.disks import small_disk

SCRIPT = """
import json, sys
from pathlib import Path
from rag.errors import RagError
from rag.ingestion.ingest import Ingest
from rag.parsing.files import find
from rag.store.local.reindex import Rebuild
from rag.ingestion.file_cache import Stamps
from rag.store.local import snapshots as copies
from rag.store.local.integrity import examine
from rag.store.local.store import LocalStore
from rag.ingestion.sync import Sync
from tests.store.helpers import EMBEDDER, by_dense, by_lexical, stored

do, disk, docs, snapshot = sys.argv[1], *map(Path, sys.argv[2:])
index = disk / "index"

def run():
    if do == "snapshot":
        copies.take(index, disk / "copy.ragsnap")
    elif do == "restore":
        copies.restore(index, snapshot, replace=True, wait=0)
    elif do == "rebuild":
        Rebuild(index, EMBEDDER, EMBEDDER.name, 24).run(lambda *_: None, lambda _: None)
    else:
        store = LocalStore(index, {})
        try:
            if do == "ingest":
                Ingest(store, EMBEDDER, 12, Stamps(index)).run(find([docs]))
            else:
                Sync(store, EMBEDDER, 12, Stamps(index)).run(docs, find([docs]), many=True)
        finally:
            store.close()

def attempt():
    try:
        run()
        return ""
    except RagError as error:
        return f"{type(error).__name__}: {error}"

def state():
    store = LocalStore(index, {})
    try:
        texts = {id: document.text for id, document in stored(store).items()}
        found = [sorted(set(leg(store, "herring", 10**6))) for leg in (by_dense, by_lexical)]
        return {"texts": texts, "found": found, "passage_tokens": store.stats().passage_tokens}
    finally:
        store.close()

before = state()
first, after = attempt(), state()
left = sorted(path.name for path in disk.rglob("*.partial*"))
(disk / "ballast").unlink()
second, end = attempt(), state()
doctor = [f"{finding.name}: {finding.detail}" for finding in examine(index) if not finding.ok]
checked = copies.check(disk / "copy.ragsnap").documents if do == "snapshot" else None
names = "before first after left second end doctor checked".split()
print(json.dumps({name: globals()[name] for name in names}))
"""
OLD = {f"docs/{n}.txt": f"Herring number {n} swims in the cold sea. " * 60 for n in range(8)}
NEW = {f"docs/{n}.txt": f"Herring number {n} sleeps in the warm bay. " * 600 for n in range(4, 40)}


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A disk with an index of OLD and a file that fills most of the rest."""
    store = local(tmp_path / "disk" / "index")
    for id, text in OLD.items():
        put(store, id, text, str(tmp_path))
    assert len(store.lexical("herring", 9)) == 9
    store.close()
    (tmp_path / "disk" / "ballast").write_bytes(b"\1" * 30_000_000)
    return tmp_path / "disk"


def run(do: str, disk: Path, room: int) -> dict[str, Any]:
    """Run a command on a disk with `room` kilobytes left."""
    docs, snapshot = disk.parent / "docs", disk.parent / "new.ragsnap"
    taken = sum(-(-path.stat().st_size // 4096) * 4 for path in disk.rglob("*") if path.is_file())
    script = [*small_disk(disk, taken + room), sys.executable, "-c", SCRIPT]
    command = [*script, do, str(disk), str(docs), str(snapshot)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    assert said["first"].startswith("StoreError: ")
    assert "cannot be written" in said["first"]
    assert (said["second"], said["left"], said["doctor"]) == ("", [], [])
    return said


def whole(state: dict[str, Any]) -> bool:
    """Each document is an old or a new version, and both searches find all of them."""
    ids = sorted(state["texts"])
    return state["found"] == [ids, ids] and all(
        text.strip() in (OLD.get(id, "").strip(), NEW.get(id, "").strip())
        for id, text in state["texts"].items()
    )


@pytest.mark.slow
@pytest.mark.parametrize("do", ["ingest", "sync"])
def test_fitting_documents_are_kept_and_the_rest_added_later(disk: Path, do: str) -> None:
    (disk.parent / "docs").mkdir()
    for name, text in (OLD | NEW).items():
        (disk.parent / name).write_text(text)
    said = run(do, disk, 1500)
    assert f"index {disk}/index cannot be written: database or disk is full" in said["first"]
    assert "free some space" in said["first"]
    assert said["after"]["texts"].keys() >= OLD.keys()
    assert whole(said["after"])
    end = {id: text.strip() for id, text in said["end"]["texts"].items()}
    assert end == {id: text.strip() for id, text in (OLD | NEW).items()}
    assert whole(said["end"])


def test_a_rebuild_keeps_the_old_passages_and_resumes(disk: Path) -> None:
    said = run("rebuild", disk, 150)
    assert f"index {disk}/index cannot be written: database or disk is full" in said["first"]
    assert said["after"] == said["before"]
    assert said["end"] == said["before"] | {"passage_tokens": 24}


def test_a_restore_keeps_the_previous_index(disk: Path) -> None:
    other = local(disk.parent / "other")
    for id, text in NEW.items():
        put(other, id, text)
    other.close()
    snapshots.take(disk.parent / "other", disk.parent / "new.ragsnap")
    said = run("restore", disk, 1500)
    assert "free some space" in said["first"]
    assert said["after"] == said["before"]
    assert said["end"]["texts"] == NEW
    assert whole(said["end"])


def test_a_snapshot_leaves_no_partial_file(disk: Path) -> None:
    said = run("snapshot", disk, 150)
    assert f"{disk}/copy.ragsnap cannot be written" in said["first"]
    assert "index" not in said["first"].split("\n")[0]
    assert said["after"] == said["before"] == said["end"]
    assert said["checked"] == len(OLD)
