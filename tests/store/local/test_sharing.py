"""A local store shared by processes and threads."""

from __future__ import annotations

import select
import threading
import time
from functools import partial
from pathlib import Path
from typing import IO, cast

import pytest

from rag.errors import BusyError, InputError
from rag.store.local.store import LocalStore
from rag.types import Passage
from tests.fakes import document
from tests.small_index import in_threads
from tests.store.helpers import (
    EMBEDDER,
    Worker,
    both,
    by_dense,
    by_lexical,
    local,
    put,
    unit,
)

# Processes


def test_another_writer_is_named_and_nothing_is_changed(tmp_path: Path) -> None:
    store = local(tmp_path)
    put(store, "a", "Sardines.")
    with Worker(tmp_path) as other:
        other.ask("begin")
        for change in (
            lambda: put(store, "b", "Sardines."),
            lambda: store.delete("a"),
            lambda: store.writing().__enter__(),
        ):
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
        writer.ask("delete", "b")  # outside writing(), and the writer does not search
        writer.ask("put", "d", "Sardines.")
        assert both(store, "sardines") == [{"c", "d"}, {"c", "d"}]


def test_a_stale_search_skips_deleted_passages(tmp_path: Path) -> None:
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
                other.ask("delete", f"mine-{n - 1}")  # the other process has never searched it
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
                passages = store.passages(
                    [id for id, _ in found]
                ).values()  # some may be deleted by now
                assert "stays" in {passage.document_id for passage in passages}
                assert len(found) <= 5
            asked += 1
        assert writer.answer() is None
        last = {"stays", "cycle-5", "cycle-6", "cycle-7"}
        assert both(store, "herring") == [last, last]
        assert writer.ask("both", "mackerel")[1] == sorted(last - {"stays"})
    assert asked > 1


def test_passages_of_an_input_error_do_not_take_the_lock(tmp_path: Path) -> None:
    store = local(tmp_path)
    with Worker(tmp_path) as other:
        other.ask("begin")
        with pytest.raises(InputError):
            store.put(document("x", "a"), [Passage("a", 0, 1, "y", "A", "")], unit(1))


# Threads


def text_of(version: int) -> str:
    return f"Herring number {version}. " * 12


def ask_often(store: LocalStore, size: int, stop: threading.Event, wrong: list[str]) -> None:
    """Every document has `size` passages, so that a partial document is recognised."""
    question = EMBEDDER.embed_queries(["herring"])[0]
    whole = {text_of(version) for version in range(10)}
    while not stop.is_set():
        try:
            found = store.dense(question, 1000)
            if len(found) % size:
                wrong.append(f"{len(found)} passages are no whole documents")
            for passage in store.passages(
                [id for id, _ in [*found, *store.lexical("herring", 1000)]]
            ).values():
                if not any(text[passage.start : passage.end] == passage.text for text in whole):
                    wrong.append(f"no version has {passage}")
            for made in (store.document("a"), store.document("b")):
                if made and made.text not in whole:
                    wrong.append(f"half of {made.id}")
        except Exception as error:
            wrong.append(repr(error))


def test_threads_may_ask_while_one_writes(tmp_path: Path) -> None:
    store = local(tmp_path, wait=9)
    size = len(put(store, "b", text_of(0)))
    assert size > 1
    stop, wrong = threading.Event(), list[str]()
    threads = [
        threading.Thread(target=ask_often, args=(store, size, stop, wrong)) for _ in range(3)
    ]
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


def test_asking_during_a_write_does_not_prevent_saving(tmp_path: Path) -> None:
    """Only the writing thread can save the search indexes."""
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
    in_threads(partial(put, store, f"d{n}", "Sardines.") for n in range(5))
    assert both(store, "sardines") == [{f"d{n}" for n in range(5)}] * 2
