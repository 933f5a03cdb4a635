"""A local store shared by processes and threads."""

import select
import threading
import time
from pathlib import Path
from typing import IO, cast

import pytest

from rag.errors import BusyError, InputError
from rag.store.local.sqlite_file import WriteLock
from rag.types import Passage
from tests.fakes import document
from tests.store.helpers import EMBEDDER, Worker, both, by_dense, by_lexical, local, put_text, unit


def test_another_writer_is_named_and_nothing_is_changed(tmp_path: Path) -> None:
    store = local(tmp_path)
    put_text(store, "a", "Sardines.")
    with Worker(tmp_path) as writer:
        writer.ask("begin")
        with pytest.raises(InputError):  # found before the lock is asked for
            store.put(document("x", "a"), [Passage("a", 0, 1, "y", "A", ())], unit(1))
        for change in (
            lambda: put_text(store, "b", "Sardines."),
            lambda: store.delete("a"),
            lambda: store.writing().__enter__(),
        ):
            begun = time.monotonic()
            with pytest.raises(BusyError, match=f"process {writer.process.pid}\n"):
                change()
            assert time.monotonic() - begun < 3
        assert both(store, "sardines") == [{"a"}, {"a"}]
        writer.process.kill()
        writer.process.wait()
        put_text(store, "b", "Sardines.")  # the lock is released when its holder dies
    assert both(store, "sardines") == [{"a", "b"}, {"a", "b"}]


def test_a_reader_sees_what_another_process_changes(tmp_path: Path) -> None:
    store = local(tmp_path)
    put_text(store, "a", "Sardines swim.")
    put_text(store, "b", "Sardines sleep.")
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


def test_two_processes_that_write_in_turn_lose_nothing(tmp_path: Path) -> None:
    store = local(tmp_path)
    with Worker(tmp_path) as second_writer:
        for n in range(4):
            with store.writing():
                put_text(store, f"mine-{n}", "Sardines.")
            second_writer.ask("begin")
            second_writer.ask("put", f"other-{n}", "Sardines.")
            if n:
                second_writer.ask(
                    "delete", f"mine-{n - 1}"
                )  # the other process has never searched it
            second_writer.ask("end")
            if n:
                store.delete(f"other-{n - 1}")
        remaining = {"mine-3", "other-3"}
        assert both(store, "sardines") == [remaining, remaining]
        assert second_writer.ask("both", "sardines") == [sorted(remaining)] * 2
    assert both(local(tmp_path), "sardines") == [remaining, remaining]


def test_a_reader_keeps_answering_while_another_process_writes(tmp_path: Path) -> None:
    store = local(tmp_path)
    put_text(store, "stays", "Herring stays.")
    searches = 0
    with Worker(tmp_path) as writer:
        writer.tell("cycle", "8")
        while not select.select([cast(IO[str], writer.process.stdout)], [], [], 0)[0]:
            question = EMBEDDER.embed_queries(["herring"])[0]
            for hits in (store.dense(question, 99), store.lexical("herring", 99)):
                passages = store.passages([id for id, _ in hits])  # some may be deleted by now
                assert "stays" in {passage.document_id for passage in passages.values()}
                assert len(hits) <= 5
            searches += 1
        assert writer.answer() is None
        final_ids = {"stays", "cycle-5", "cycle-6", "cycle-7"}
        assert both(store, "herring") == [final_ids, final_ids]
        assert writer.ask("both", "mackerel")[1] == sorted(final_ids - {"stays"})
    assert searches > 1


def test_an_unwritable_name_does_not_stop_the_holder(tmp_path: Path) -> None:
    (tmp_path / "writer").mkdir()
    with (
        WriteLock(tmp_path).hold(0),
        pytest.raises(BusyError, match="another process"),
        WriteLock(tmp_path).hold(0),
    ):
        pass


def test_asking_during_a_write_does_not_prevent_saving(tmp_path: Path) -> None:
    """Only the writing thread can save the search indexes."""
    store = local(tmp_path)
    with store.writing():
        put_text(store, "a", "Sardines.")
        thread = threading.Thread(target=lambda: both(store, "sardines"))
        thread.start()
        thread.join()
    assert both(store, "sardines") == [{"a"}, {"a"}]
    assert both(local(tmp_path), "sardines") == [{"a"}, {"a"}]
