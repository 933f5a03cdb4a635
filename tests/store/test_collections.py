"""Collections in folders: whole or not there, whatever ends the process."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from filelock import FileLock

from rag.errors import BusyError, ConflictError, InputError, NotFoundError, RagError
from rag.settings import Settings
from rag.store import collections as module
from rag.store.collections import Collections, in_collection

ROOT = Path(__file__).parents[2]


def test_a_collection_is_made_renamed_and_deleted(tmp_path: Path) -> None:
    there = Collections(tmp_path)
    assert there.all() == []
    made = there.create("contracts")
    (there.folder("contracts") / "rag.sqlite").write_text("mine")
    there.create("archive-2024")
    assert [one.name for one in there.all()] == ["archive-2024", "contracts"]
    renamed = there.rename("contracts", "leases")
    assert (renamed.id, there.get("contracts")) == (made.id, None)
    assert (there.folder("leases") / "rag.sqlite").read_text() == "mine"
    assert there.delete("leases").id == made.id
    assert not there.folder("leases").exists()
    assert there.create("leases").id != made.id


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "A", "default", "-a", "x" * 64, "a\0", "é", "a b", ".gone-1"]
)
def test_what_is_no_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError):
        Collections(tmp_path).create(name)
    assert Collections(tmp_path).get(name) is None


def test_names_that_are_taken_or_not_there_are_said_to_be(tmp_path: Path) -> None:
    there = Collections(tmp_path)
    there.create("contracts")
    there.create("other")
    with pytest.raises(ConflictError, match="other"):
        there.create("other")
    with pytest.raises(ConflictError, match="other"):
        there.rename("contracts", "other")
    with pytest.raises(NotFoundError, match="did you mean contracts"):
        there.delete("contract")
    assert {one.name for one in there.all()} == {"contracts", "other"}


def test_who_writes_in_a_collection_is_not_disturbed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.05)
    there = Collections(tmp_path)
    there.create("contracts")
    with FileLock(there.folder("contracts") / "lock"):
        with pytest.raises(BusyError, match="contracts"):
            there.delete("contracts")
        with pytest.raises(BusyError, match="contracts"):
            there.rename("contracts", "leases")
    there.delete("contracts")


def test_settings_lead_to_the_collection_or_nowhere(tmp_path: Path) -> None:
    there = Collections(tmp_path)
    there.create("contracts")
    found = in_collection(Settings(index=tmp_path, collection="contracts"))
    assert found.index == there.folder("contracts")
    assert in_collection(found) == found
    assert in_collection(Settings(index=tmp_path)).index == tmp_path
    for name in ("contract", "../contracts", ".."):
        with pytest.raises(NotFoundError):
            in_collection(Settings(index=tmp_path, collection=name))
    with pytest.raises(InputError, match="schema"):
        in_collection(Settings(index=tmp_path, store="postgresql://x/y", collection="contracts"))


def test_changes_of_several_at_once_lose_nothing(tmp_path: Path) -> None:
    there = Collections(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: Collections(tmp_path).create(f"c{number}"), range(24)))
        list(
            pool.map(
                lambda number: Collections(tmp_path).rename(f"c{number}", f"d{number}"),
                range(0, 24, 2),
            )
        )
        list(pool.map(lambda number: Collections(tmp_path).delete(f"c{number}"), range(1, 24, 2)))
    assert [one.name for one in there.all()] == sorted(f"d{number}" for number in range(0, 24, 2))
    assert not [entry for entry in os.listdir(tmp_path / "collections") if entry.startswith(".")]


WORK = """
import random, sys
from pathlib import Path
from rag.errors import RagError
from rag.store.collections import Collections
there, chance = Collections(Path(sys.argv[1])), random.Random(int(sys.argv[2]))
print("ready", flush=True)
while True:
    names = [one.name for one in there.all()]
    one, other = f"c{chance.randrange(12)}", f"c{chance.randrange(12)}"
    try:
        change = chance.choice(["create", "rename", "delete"])
        if change == "create":
            there.create(one)
            (there.folder(one) / "content").write_text("x" * 10_000)
        elif change == "rename":
            there.rename(one, other)
        else:
            there.delete(one)
    except (RagError, FileNotFoundError):
        pass
"""


@pytest.mark.slow
def test_kills_leave_every_collection_whole_or_absent(tmp_path: Path) -> None:
    kept = Collections(tmp_path).create("kept")
    chance = random.Random(7)
    for round in range(int(os.environ.get("KILLS", "40"))):
        worker = subprocess.Popen(
            [sys.executable, "-c", WORK, str(tmp_path), str(round)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert worker.stdout
        assert worker.stdout.readline() == "ready\n"
        time.sleep(chance.uniform(0, 0.05))
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        worker.stdout.close()
        there = Collections(tmp_path)
        found = there.all()  # raises for what is half there
        assert kept in found
        assert len({one.id for one in found}) == len(found)
        listed = {name for name in os.listdir(tmp_path / "collections") if not name.startswith(".")}
        assert listed == {one.name for one in found}
    try:
        there.create("last")
    except RagError:
        pytest.fail("a killed process holds the lock")
    assert not [name for name in os.listdir(tmp_path / "collections") if name.startswith(".")]
