"""What is the local store's own: opening, threads, other processes, crashes, disks that refuse."""

from __future__ import annotations

import random
import select
import shutil
import threading
import time
from pathlib import Path
from typing import IO, cast

import pytest

from rag.errors import BusyError, InputError, StoreError
from rag.store.local import LocalStore
from rag.types import Passage
from tests.fakes import document
from tests.store.disks import read_only, small_disk
from tests.store.helpers import (
    EMBEDDER,
    EXPECT,
    Worker,
    both,
    by_dense,
    by_lexical,
    local,
    put,
    stored,
    unit,
)

# Opening


def test_reopening_keeps_everything(tmp_path: Path) -> None:
    store = local(tmp_path)
    put(store, "a", "Sardines swim. " * 20, topic="fish")
    put(store, "b", "Trees grow.")
    store.delete("b")
    before = (stored(store), store.stats(), store.dense(unit(1)[0], 99), store.lexical("sardines", 99))
    store.close()
    store = local(tmp_path, create=False)
    assert (stored(store), store.stats(), store.dense(unit(1)[0], 99), store.lexical("sardines", 99)) == before


def test_an_absent_index_is_not_made_unasked(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="rag ingest"):
        local(tmp_path / "index", create=False)
    assert not (tmp_path / "index").exists()


@pytest.mark.parametrize(("name", "other"), [("embedder", "other"), ("passage_tokens", "99"), ("dim", "32")])
def test_another_making_names_the_setting(tmp_path: Path, name: str, other: str) -> None:
    local(tmp_path).close()
    with pytest.raises(StoreError, match=f"was made with {name} = {EXPECT[name]}, the settings say {other}") as caught:
        LocalStore(tmp_path, EXPECT | {name: other})
    assert f"set RAG_{name.upper()}={EXPECT[name]}" in caught.value.hint
    LocalStore(tmp_path, {}).close()  # whoever only lists and deletes need not know


def test_an_index_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "file", tmp_path / "file" / "index"):
        with pytest.raises(StoreError, match=str(folder)):
            local(folder)
    with pytest.raises(StoreError, match="index"):
        local(tmp_path / ("x" * 300))


def test_missing_parents_are_made(tmp_path: Path) -> None:
    put(local(tmp_path / "a" / "b" / "index"), "a", "Sardines.")
    assert both(local(tmp_path / "a" / "b" / "index"), "sardines") == [{"a"}, {"a"}]


def test_a_store_that_did_not_open_does_not_stay_open(tmp_path: Path) -> None:
    local(tmp_path).close()
    for _ in range(3):
        with pytest.raises(StoreError):
            LocalStore(tmp_path, {"embedder": "other"})
    assert not (tmp_path / "rag.sqlite-wal").exists()


# Processes


def test_a_writer_elsewhere_is_named_and_nothing_is_changed(tmp_path: Path) -> None:
    store = local(tmp_path)
    put(store, "a", "Sardines.")
    with Worker(tmp_path) as other:
        other.ask("begin")
        for change in (lambda: put(store, "b", "Sardines."), lambda: store.delete("a"), lambda: store.writing().__enter__()):
            begun = time.monotonic()
            with pytest.raises(BusyError, match=f"process {other.process.pid}\n"):
                change()
            assert time.monotonic() - begun < 3
        assert both(store, "sardines") == [{"a"}, {"a"}]
        other.ask("end")
        put(store, "b", "Sardines.")
    assert both(store, "sardines") == [{"a", "b"}, {"a", "b"}]


def test_a_reader_sees_what_another_process_changes(tmp_path: Path) -> None:
    store = local(tmp_path)
    put(store, "a", "Sardines swim.")
    put(store, "b", "Sardines sleep.")
    with Worker(tmp_path) as writer:
        assert both(store, "sardines") == [{"a", "b"}] * 2
        writer.ask("begin")
        writer.ask("put", "c", "Sardines eat.")
        assert set(by_dense(store, "sardines")) == {"a", "b", "c"}
        assert {"a", "b"} <= set(by_lexical(store, "sardines"))
        writer.ask("delete", "a")
        writer.ask("put", "b", "Trees grow.")
        for _ in range(2):
            assert set(by_dense(store, "sardines")) == {"b", "c"}
            assert set(by_lexical(store, "sardines")) <= {"c"}
        assert by_lexical(store, "sardines", k=1) in ([], ["c"])
        writer.ask("end")
        assert both(store, "sardines") == [{"b", "c"}, {"c"}]
        writer.ask("delete", "b")  # outside of writing(), and the writer does not search
        writer.ask("put", "d", "Sardines.")
        assert both(store, "sardines") == [{"c", "d"}, {"c", "d"}]


def test_a_stale_search_fills_up_past_what_was_deleted(tmp_path: Path) -> None:
    store = local(tmp_path)
    for n in range(6):
        put(store, f"gone-{n}", "Herring herring herring.")
        put(store, f"kept-{n}", "A herring in some more words.")
    assert set(by_lexical(store, "herring", 6)) == {f"gone-{n}" for n in range(6)}
    with Worker(tmp_path) as writer:
        writer.ask("begin")
        for n in range(6):
            writer.ask("delete", f"gone-{n}")
        assert set(by_lexical(store, "herring", 6)) == {f"kept-{n}" for n in range(6)}


def test_two_processes_that_write_in_turn_lose_nothing(tmp_path: Path) -> None:
    store = local(tmp_path)
    with Worker(tmp_path) as other:
        for n in range(4):
            with store.writing():
                put(store, f"mine-{n}", "Sardines.")
            other.ask("begin")
            other.ask("put", f"other-{n}", "Sardines.")
            if n:
                other.ask("delete", f"mine-{n - 1}")  # which the other has never searched
            other.ask("end")
            if n:
                store.delete(f"other-{n - 1}")
        left = {"mine-3", "other-3"}
        assert both(store, "sardines") == [left, left]
        assert other.ask("both", "sardines") == [sorted(left)] * 2
    assert both(local(tmp_path), "sardines") == [left, left]


def test_a_reader_keeps_answering_while_another_process_writes(tmp_path: Path) -> None:
    store = local(tmp_path)
    put(store, "stays", "Herring stays.")
    asked = 0
    with Worker(tmp_path) as writer:
        writer.tell("cycle", "8")
        while not select.select([cast(IO[str], writer.process.stdout)], [], [], 0)[0]:
            question = EMBEDDER.embed_queries(["herring"])[0]
            for found in (store.dense(question, 99), store.lexical("herring", 99)):
                passages = store.passages([id for id, _ in found]).values()  # some may be gone by now
                assert "stays" in {passage.document_id for passage in passages}
                assert len(found) <= 5
            asked += 1
        assert writer.answer() is None
        last = {"stays", "cycle-5", "cycle-6", "cycle-7"}
        assert both(store, "herring") == [last, last]
        assert writer.ask("both", "mackerel")[1] == sorted(last - {"stays"})
    assert asked > 1


# Threads


def text_of(version: int) -> str:
    return f"Herring number {version}. " * 12


def ask_often(store: LocalStore, size: int, stop: threading.Event, wrong: list[str]) -> None:
    """Every document has `size` passages, so that a half document shows."""
    question = EMBEDDER.embed_queries(["herring"])[0]
    whole = {text_of(version) for version in range(10)}
    while not stop.is_set():
        try:
            found = store.dense(question, 1000)
            if len(found) % size:
                wrong.append(f"{len(found)} passages are no whole documents")
            for passage in store.passages([id for id, _ in [*found, *store.lexical("herring", 1000)]]).values():
                if not any(text[passage.start : passage.end] == passage.text for text in whole):
                    wrong.append(f"no version has {passage}")
            for made in (store.document("a"), store.document("b")):
                if made and made.text not in whole:
                    wrong.append(f"half of {made.id}")
        except Exception as error:
            wrong.append(repr(error))


def test_threads_ask_while_one_writes(tmp_path: Path) -> None:
    store = local(tmp_path, wait=9)
    size = len(put(store, "b", text_of(0)))
    assert size > 1
    stop, wrong = threading.Event(), list[str]()
    threads = [threading.Thread(target=ask_often, args=(store, size, stop, wrong)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for version in range(10):
        with store.writing():
            put(store, "a", text_of(version))
            put(store, "b", text_of(version))
        store.delete("a")
        time.sleep(0.01)
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert both(store, "herring") == [{"b"}, {"b"}]


def test_a_thread_that_asks_in_the_middle_of_writing_does_not_spoil_its_end(tmp_path: Path) -> None:
    """It cannot save what it sees; the writing thread must."""
    store = local(tmp_path)
    with store.writing():
        put(store, "a", "Sardines.")
        thread = threading.Thread(target=lambda: both(store, "sardines"))
        thread.start()
        thread.join()
    assert both(store, "sardines") == [{"a"}, {"a"}]
    assert both(local(tmp_path), "sardines") == [{"a"}, {"a"}]


def test_threads_may_write_at_once(tmp_path: Path) -> None:
    store = local(tmp_path, wait=30)
    threads = [threading.Thread(target=lambda n=n: put(store, f"d{n}", "Sardines.")) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert both(store, "sardines") == [{f"d{n}" for n in range(5)}] * 2


# Crashes


def test_a_killed_writer_loses_nothing_that_was_committed(tmp_path: Path) -> None:
    folder, kept = tmp_path / "index", set[str]()
    for seed in range(5):
        with Worker(folder) as writer:
            assert writer.opened == "open"
            writer.tell("put_for_ever")
            said = [writer.answer() for _ in range(2)]
            time.sleep(random.Random(seed).uniform(0, 0.15))
            writer.process.kill()
            said += writer.process.communicate()[0].replace('"', "").split()
        kept |= {id for id in said if not id.startswith("-") and f"-{id}" not in said}
        maybe = {id.strip("-") for id in said} - kept  # its deletion may have been done, or not
        store = local(folder, create=False)
        ids = set(stored(store))
        assert kept <= ids
        assert len(ids - kept - maybe) <= 1  # one was committed and had no time to say so
        for found in both(store, "herring"):
            assert found == ids
        kept = ids
        store.close()


# Disks that refuse


def test_a_folder_that_is_read_only_answers_and_is_not_written(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    store = local(folder)
    with store.writing():
        put(store, "a", "Sardines swim.")
    store.close()
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    with Worker(folder, *read_only(folder)) as reader:
        assert reader.ask("both", "sardines") == [["a"], ["a"]]
        for command in (("put", "b", "Sardines."), ("delete", "a"), ("begin",)):
            name, message = reader.ask(*command)
            assert name == "StoreError"
            assert f"index {folder} cannot be written" in message
        assert reader.end() == ""  # what is saved was used
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_a_reader_that_may_not_write_follows_one_who_may(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    store = local(folder)
    with store.writing():
        put(store, "a", "Sardines swim.")
    store.close()
    with Worker(folder, *read_only(folder)) as reader:
        assert reader.ask("both", "sardines") == [["a"], ["a"]]
        for id in ("b", "c"):
            store = local(folder)  # comes and goes, with its WAL
            with store.writing():
                put(store, id, "Sardines sleep.")
                assert reader.ask("both", "sardines")[0] == sorted({"a", "b", id})
                assert reader.ask("texts")[id] == "Sardines sleep."
            assert reader.ask("both", "sardines") == [sorted({"a", "b", id})] * 2
            store.close()
            assert reader.ask("both", "sardines") == [sorted({"a", "b", id})] * 2
        store = local(folder)
        with store.writing():
            store.delete("a")
        assert reader.ask("both", "sardines") == [["b", "c"]] * 2
        assert reader.end() == ""


def crashed(folder: Path) -> Path:
    """What a power cut leaves: a WAL with commits, derived files of before."""
    store = local(folder / "live")
    with store.writing():
        put(store, "a", "Sardines swim.")
    put(store, "b", "Sardines sleep.")
    copy = shutil.copytree(folder / "live", folder / "crashed")
    store.close()
    assert (copy / "rag.sqlite-wal").stat().st_size
    return copy


def test_commits_in_the_wal_of_a_crash_are_read_where_nothing_can_be_written(tmp_path: Path) -> None:
    folder = crashed(tmp_path)
    with Worker(folder, *read_only(folder)) as reader:
        assert reader.ask("both", "sardines") == [["a", "b"]] * 2
    assert both(local(folder), "sardines") == [{"a", "b"}] * 2


def test_commits_that_cannot_be_read_are_an_error_and_not_left_out(tmp_path: Path) -> None:
    folder = crashed(tmp_path)
    (folder / "rag.sqlite-shm").unlink()
    with Worker(folder, *read_only(folder)) as reader:
        assert reader.opened[0] == "StoreError"
        assert str(folder) in reader.opened[1]


def test_a_read_only_folder_without_an_index_is_named(tmp_path: Path) -> None:
    (tmp_path / "index").mkdir()
    with Worker(tmp_path / "index", *read_only(tmp_path / "index")) as reader:
        name, message = reader.opened
    assert name == "StoreError"
    assert f"index {tmp_path}/index cannot be written" in message


def test_a_full_disk_is_an_error_that_names_the_folder_and_keeps_what_was_there(tmp_path: Path) -> None:
    local(tmp_path / "index").close()
    with Worker(tmp_path / "index", *small_disk(tmp_path / "index", 900)) as worker:
        assert worker.opened == "open"
        kept = []
        for n in range(40):
            failed = worker.ask("put", f"n{n}", "Herring in the sea. " * 300)
            if failed:
                break
            kept.append(f"n{n}")
        assert kept
        assert failed[0] == "StoreError"
        assert f"index {tmp_path}/index cannot be written" in failed[1]
        assert worker.ask("both", "herring") == [sorted(kept)] * 2  # the lexical index does not fit either
        assert worker.ask("texts").keys() == set(kept)


def test_passages_of_an_input_error_do_not_take_the_lock(tmp_path: Path) -> None:
    store = local(tmp_path)
    with Worker(tmp_path) as other:
        other.ask("begin")
        with pytest.raises(InputError):
            store.put(document("x", "a"), [Passage("a", 0, 1, "y", "A", "")], unit(1))
