"""Documents are deleted on a full disk, and a refused upload loses nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.store.helpers import ROOT, local, put
from tests.store.local.disks import small_disk

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
BY_COMMAND = (
    FILL
    + """
fill()
command = [sys.executable, "-m", "rag"]
options = ["--index", str(disk / "index"), "--json"]
deleted = subprocess.run(command + ["delete", "docs/3.txt"] + options, capture_output=True)
listed = subprocess.run(command + ["list"] + options, capture_output=True)
print(json.dumps({
    "code": deleted.returncode, "error": deleted.stderr.decode(),
    "receipts": json.loads(deleted.stdout or b"[]"),
    "left": [document["id"] for document in json.loads(listed.stdout)],
    "remains": remains(b"Herring3"),
    "reserve": (disk / "index" / "reserve").stat().st_size,
}))
"""
)
BY_REQUEST = (
    FILL
    + """
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
)
BY_SYNC = (
    FILL
    + """
from rag.ingestion.file_cache import Stamps
from rag.ingestion.sync import Sync
from rag.parsing.files import find
from rag.store.local.store import LocalStore
from tests.store.helpers import EMBEDDER, stored

index, docs = disk / "index", disk.parent / "docs"

def sync():
    store = LocalStore(index, {})
    try:
        changes = Sync(store, EMBEDDER, 12, Stamps(index)).run(docs, find([docs]))
        return changes.added, changes.removed, sorted(stored(store))
    finally:
        store.close()

added, _, _ = sync()
fill()
(docs / "3.txt").unlink()
_, removed, left = sync()
_, again, _ = sync()
print(json.dumps({"added": len(added), "removed": removed, "left": left, "again": again}))
"""
)


def on_disk(script: str, folder: Path, *, megabytes: int) -> dict[str, Any]:
    command = [*small_disk(folder, megabytes << 10), sys.executable, "-c", script, str(folder)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    result: dict[str, Any] = json.loads(ended.stdout)
    return result


@pytest.mark.slow
def test_a_command_deletes_on_a_full_disk(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    store = local(folder / "index")
    for number in range(8):
        put(store, f"docs/{number}.txt", f"Herring{number} swims in the cold sea. " * 600)
    store.close()
    result = on_disk(BY_COMMAND, folder, megabytes=24)
    assert result["code"] == 0, result["error"]
    assert [receipt["complete"] for receipt in result["receipts"]] == [True]
    assert result["left"] == [f"docs/{number}.txt" for number in range(8) if number != 3]
    assert result["remains"] == []
    assert result["reserve"] > 1 << 18


@pytest.mark.slow
def test_a_request_deletes_on_a_full_disk(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    (folder / "index").mkdir(parents=True)
    result = on_disk(BY_REQUEST, folder, megabytes=32)
    assert result["refused"] == 507
    assert result["code"] == 200, result["error"]
    assert result["complete"]
    assert result["ratings"] == 1
    assert result["left"] == [f"uploads/{number}.txt" for number in range(8) if number != 3]
    assert result["remains"] == []
    assert not result["found"]


@pytest.mark.slow
def test_a_sync_removes_on_a_full_disk(tmp_path: Path) -> None:
    folder, docs = tmp_path / "disk", tmp_path / "docs"
    local(folder / "index").close()
    docs.mkdir()
    for number in range(8):
        text = f"Herring{number} swims in the cold sea. " * 600
        (docs / f"{number}.txt").write_text(text)
    result = on_disk(BY_SYNC, folder, megabytes=24)
    assert result["added"] == 8
    assert result["removed"] == ["docs/3.txt"]
    assert result["left"] == [f"docs/{number}.txt" for number in range(8) if number != 3]
    assert result["again"] == []
