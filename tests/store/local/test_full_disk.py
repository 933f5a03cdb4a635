"""Changes on a full disk fail with a clear error and lose nothing; deletions succeed."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rag.store.local import snapshots
from tests.store.helpers import ROOT, local, put_text
from tests.store.local.disks import small_disk

SCRIPT = """
import json, sys
from pathlib import Path
from rag.errors import RagError
from rag.ingestion.ingest import Ingest
from rag.parsing.files import find
from rag.store.local.reindex import rebuild
from rag.ingestion.file_cache import Stamps
from rag.store.local import snapshots as copies
from rag.store.local.integrity import examine
from rag.store.local.store import LocalStore
from rag.ingestion.sync import Sync
from tests.store.helpers import EMBEDDER, by_dense, by_lexical, stored_documents

disk, do, docs, snapshot = Path(sys.argv[1]), sys.argv[2], *map(Path, sys.argv[3:])
index = disk / "index"

def run():
    if do == "snapshot":
        copies.take_snapshot(index, disk / "copy.ragsnap")
    elif do == "restore":
        copies.restore(index, snapshot, replace=True, wait=0)
    elif do == "rebuild":
        rebuild(index, EMBEDDER, EMBEDDER.name, 24)
    else:
        store = LocalStore(index, {})
        try:
            ingest = Ingest(store, EMBEDDER, 12, Stamps(index))
            if do == "ingest":
                ingest.run(find([docs]))
            else:
                Sync(ingest).run(docs, find([docs]), allow_many=True)
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
        texts = {id: document.text for id, document in stored_documents(store).items()}
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
NEW = {f"docs/{n}.txt": f"Herring number {n} sleeps in the warm bay. " * 200 for n in range(4, 40)}


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A disk with an index of OLD and a file that fills most of the rest."""
    store = local(tmp_path / "disk" / "index")
    for id, text in OLD.items():
        put_text(store, id, text, str(tmp_path))
    assert len(store.lexical("herring", 9)) == 9
    store.close()
    (tmp_path / "disk" / "ballast").write_bytes(b"\1" * 30_000_000)
    return tmp_path / "disk"


def on_disk(disk: Path, kilobytes: int, script: str, *arguments: str) -> dict[str, Any]:
    """What a script prints that gets a disk of this size."""
    command = [*small_disk(disk, kilobytes), sys.executable, "-c", script, str(disk), *arguments]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    result: dict[str, Any] = json.loads(ended.stdout)
    return result


def run(do: str, disk: Path, room: int) -> dict[str, Any]:
    """Run a command on a disk with `room` kilobytes left."""
    docs, snapshot = disk.parent / "docs", disk.parent / "new.ragsnap"
    used_kilobytes = sum(
        -(-path.stat().st_size // 4096) * 4 for path in disk.rglob("*") if path.is_file()
    )
    report = on_disk(disk, used_kilobytes + room, SCRIPT, do, str(docs), str(snapshot))
    assert report["first"].startswith("StoreError: ")
    assert "cannot be written" in report["first"]
    assert (report["second"], report["left"], report["doctor"]) == ("", [], [])
    return report


def is_whole(state: dict[str, Any]) -> bool:
    """Each document is an old or a new version, and both searches find all of them."""
    ids = sorted(state["texts"])
    return state["found"] == [ids, ids] and all(
        text.strip() in (OLD.get(id, "").strip(), NEW.get(id, "").strip())
        for id, text in state["texts"].items()
    )


@pytest.mark.slow
@pytest.mark.soak
@pytest.mark.parametrize("do", ["ingest", "sync"])
def test_fitting_documents_are_kept_and_the_rest_added_later(disk: Path, do: str) -> None:
    (disk.parent / "docs").mkdir()
    for name, text in (OLD | NEW).items():
        (disk.parent / name).write_text(text)
    report = run(do, disk, 1500)
    assert f"index {disk}/index cannot be written: database or disk is full" in report["first"]
    assert "free some space" in report["first"]
    assert report["after"]["texts"].keys() >= OLD.keys()
    assert is_whole(report["after"])
    end = {id: text.strip() for id, text in report["end"]["texts"].items()}
    assert end == {id: text.strip() for id, text in (OLD | NEW).items()}
    assert is_whole(report["end"])


def test_a_rebuild_keeps_the_old_passages_and_resumes(disk: Path) -> None:
    report = run("rebuild", disk, 150)
    assert f"index {disk}/index cannot be written: database or disk is full" in report["first"]
    assert report["after"] == report["before"]
    assert report["end"] == report["before"] | {"passage_tokens": 24}


def test_a_restore_keeps_the_previous_index(disk: Path) -> None:
    other_index = local(disk.parent / "other")
    for id, text in NEW.items():
        put_text(other_index, id, text)
    other_index.close()
    snapshots.take_snapshot(disk.parent / "other", disk.parent / "new.ragsnap")
    report = run("restore", disk, 1500)
    assert "free some space" in report["first"]
    assert report["after"] == report["before"]
    assert report["end"]["texts"] == NEW
    assert is_whole(report["end"])


def test_a_snapshot_leaves_no_partial_file(disk: Path) -> None:
    report = run("snapshot", disk, 150)
    assert f"{disk}/copy.ragsnap cannot be written" in report["first"]
    assert "index" not in report["first"].split("\n")[0]
    assert report["after"] == report["before"] == report["end"]
    assert report["checked"] == len(OLD)


# Deletions

FILL = """
import json, subprocess, sys
from pathlib import Path

disk = Path(sys.argv[1])

def fill():
    with open(disk / "ballast", "wb", buffering=0) as file:
        for size in (1 << 20, 4096):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                pass

def remains(*words):
    files = [path for path in (disk / "index").rglob("*") if path.is_file()]
    return [path.name for path in files for word in words if word in path.read_bytes()]
"""
BY_SYNC_AND_COMMAND = """
from rag.ingestion.file_cache import Stamps
from rag.ingestion.ingest import Ingest
from rag.ingestion.sync import Sync
from rag.parsing.files import find
from rag.store.local.store import LocalStore
from tests.store.helpers import EMBEDDER, stored_documents

index, docs = disk / "index", disk.parent / "docs"

def sync():
    store = LocalStore(index, {})
    try:
        changes = Sync(Ingest(store, EMBEDDER, 12, Stamps(index))).run(docs, find([docs]))
        return len(changes.added), changes.removed, sorted(stored_documents(store))
    finally:
        store.close()

def rag(*command):
    options = ["--index", str(index), "--json"]
    ended = subprocess.run([sys.executable, "-m", "rag", *command, *options], capture_output=True)
    return json.loads(ended.stdout) if ended.returncode == 0 else ended.stderr.decode()

synced = [sync()]
fill()
(docs / "3.txt").unlink()
synced += [sync(), sync()]
fill()
print(json.dumps({
    "synced": synced, "deleted": rag("delete", "docs/5.txt"), "listed": rag("list"),
    "remains": remains(b"Herring3", b"Herring5"), "reserve": (index / "reserve").stat().st_size,
}))
"""
BY_REQUEST = """
from tests.server.fake_server import put_text, serving

def story(number):
    return " ".join(f"Sentence {i} of Herring{number} is short." for i in range(600))

with serving(disk / "index") as client:
    for number in range(8):
        put_text(client, f"{number}.txt", story(number))
    rating = {"question": "Who?", "answer": "Herring3", "verdict": "right",
              "evidence": [{"document": "uploads/3.txt", "sentence": "of Herring3 is short"}]}
    client.post("/v1/feedback", json=rating).raise_for_status()
    fill()
    refused = client.post("/v1/documents", json={"name": "9.txt", "text": story(9)})
    deleted = client.delete("/v1/documents/uploads/3.txt")
    listed = client.get("/v1/documents").json()["documents"]
    found = client.post("/v1/search", json={"question": "Herring3"}).json()
    print(json.dumps({
        "refused": refused.status_code, "code": deleted.status_code, "error": deleted.text,
        "complete": deleted.json().get("complete"),
        "ratings": deleted.json().get("receipt", {}).get("ratings"),
        "left": [document["id"] for document in listed],
        "remains": remains(b"Herring3"), "found": "uploads/3.txt" in json.dumps(found),
    }))
"""


@pytest.mark.slow
@pytest.mark.soak
def test_a_request_deletes_on_a_full_disk(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    (folder / "index").mkdir(parents=True)
    result = on_disk(folder, 32 << 10, FILL + BY_REQUEST)
    assert result["refused"] == 507
    assert result["code"] == 200, result["error"]
    assert result["complete"]
    assert result["ratings"] == 1
    assert result["left"] == [f"uploads/{number}.txt" for number in range(8) if number != 3]
    assert result["remains"] == []
    assert not result["found"]


@pytest.mark.slow
@pytest.mark.soak
def test_a_sync_and_a_command_delete_on_a_full_disk(tmp_path: Path) -> None:
    folder, docs = tmp_path / "disk", tmp_path / "docs"
    local(folder / "index").close()
    docs.mkdir()
    for number in range(8):
        (docs / f"{number}.txt").write_text(f"Herring{number} swims in the cold sea. " * 600)
    report = on_disk(folder, 24 << 10, FILL + BY_SYNC_AND_COMMAND)
    everything = [f"docs/{number}.txt" for number in range(8)]
    without = [id for id in everything if id != "docs/3.txt"]
    assert report["synced"] == [[8, [], everything], [0, ["docs/3.txt"], without], [0, [], without]]
    assert [receipt["complete"] for receipt in report["deleted"]] == [True], report["deleted"]
    assert [document["id"] for document in report["listed"]] == [
        id for id in without if id != "docs/5.txt"
    ]
    assert report["remains"] == []
    assert report["reserve"] > 1 << 18
