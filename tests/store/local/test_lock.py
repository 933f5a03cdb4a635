from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from rag.errors import BusyError, StoreError
from rag.store.local.sqlite_file import WriteLock
from tests.store.helpers import Worker, local


def test_it_is_free_again_after_an_error(tmp_path: Path) -> None:
    lock = WriteLock(tmp_path)

    def fail() -> None:
        with lock.hold(0):
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    with WriteLock(tmp_path).hold(0):
        assert (tmp_path / "writer").read_text() == str(os.getpid())


def test_it_is_reentrant(tmp_path: Path) -> None:
    lock, other = WriteLock(tmp_path), WriteLock(tmp_path)
    with lock.hold(0):
        with lock.hold(0):
            pass
        with pytest.raises(BusyError), other.hold(0):
            pass
    with other.hold(0), pytest.raises(BusyError), lock.hold(0):
        pass


def test_another_process_is_named_after_a_short_wait(tmp_path: Path) -> None:
    local(tmp_path).close()
    with Worker(tmp_path) as worker:
        worker.ask("begin")
        begun = time.monotonic()
        with (
            pytest.raises(BusyError, match=f"process {worker.process.pid}\n") as caught,
            WriteLock(tmp_path).hold(0.2),
        ):
            pass
        assert 0.2 <= time.monotonic() - begun < 2
        assert caught.value.message.startswith(f"index {tmp_path} is being written by")
        worker.process.kill()
        worker.process.wait()
        with WriteLock(tmp_path).hold(0):  # it is released when its holder dies
            pass


def test_a_thread_waits_for_another(tmp_path: Path) -> None:
    lock, order = WriteLock(tmp_path), list[str]()
    inside = threading.Event()

    def first() -> None:
        with lock.hold(0):
            inside.set()
            time.sleep(0.2)
            order.append("first")

    thread = threading.Thread(target=first)
    thread.start()
    inside.wait()
    with pytest.raises(BusyError), lock.hold(0):
        pass
    with lock.hold(9):
        order.append("second")
    thread.join()
    assert order == ["first", "second"]


def test_an_uncreatable_lock_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with (
        pytest.raises(StoreError, match=f"index {tmp_path}/file cannot be written"),
        WriteLock(tmp_path / "file").hold(0),
    ):
        pass


def test_an_unwritable_name_does_not_stop_the_holder(tmp_path: Path) -> None:
    (tmp_path / "writer").mkdir()
    with (
        WriteLock(tmp_path).hold(0),
        pytest.raises(BusyError, match="another process"),
        WriteLock(tmp_path).hold(0),
    ):
        pass
