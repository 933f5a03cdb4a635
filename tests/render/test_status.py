import io
import threading
import time

import pytest

from rag.render import status
from rag.render.status import Status


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("TERM", "xterm")
    return Terminal()


def test_a_terminal_shows_the_current_text_and_is_clean_afterwards(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status, "PATIENCE", 0.01)
    monkeypatch.setattr("sys.stderr", terminal)
    with Status("loading the models") as status_line:
        time.sleep(0.15)
        status_line.show("reading\nthe passages")
        time.sleep(0.25)
    assert "loading the models" in terminal.getvalue()
    assert "reading the passages" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\x1b[2K")


def test_a_short_run_shows_nothing(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", terminal)
    with Status("loading"):
        pass
    assert terminal.getvalue() == ""


def test_without_a_terminal_a_log_is_printed_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "INTERVAL", 0.05)
    log = io.StringIO()
    monkeypatch.setattr("sys.stderr", log)
    with Status("loading"):
        time.sleep(0.2)
    assert log.getvalue() == ""
    with Status(lambda: "2 of 3 files", log=True):
        time.sleep(0.2)
    assert log.getvalue().startswith("rag: 2 of 3 files\n")


def test_ctrl_c_while_it_begins_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    begin = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        begin(thread)
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt), Status("reading", log=True):
        pass

    begun = [thread for thread in threading.enumerate() if thread.name == "status"]
    for thread in begun:
        thread.join(timeout=10)
        assert not thread.is_alive()
