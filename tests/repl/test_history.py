import os
from pathlib import Path

from rag.repl import history
from rag.repl.history import Past, place


def test_lines_are_there_the_next_time_whatever_is_in_them(tmp_path: Path) -> None:
    file = tmp_path / "state" / "history"
    lines = ["When?", "two\nlines\r", "C:\\new\\\\n", "\u00fcber \u202e", "bad \udcff byte"]
    first = Past(file)
    for line in [*lines, lines[-1]]:
        first.add(line)
    assert first.lines() == Past(file).lines() == lines
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_long_file_is_cut(tmp_path: Path) -> None:
    file = tmp_path / "history"
    file.write_text("".join(f"{i}\n" for i in range(3 * history.MOST)))
    kept = [str(i) for i in range(2 * history.MOST, 3 * history.MOST)]
    assert Past(file).lines() == kept
    assert file.read_text().splitlines() == kept


def test_a_file_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    kept = Past(tmp_path / "file" / "history")
    kept.add("When?")
    assert kept.lines() == ["When?"]
    assert Past(None).lines() == []


def test_where_it_is_kept(tmp_path: Path) -> None:
    assert place("off") is None
    assert place("auto", {"XDG_STATE_HOME": str(tmp_path)}) == tmp_path / "rag" / "history"
    assert place("auto", {}) == Path.home() / ".local/state/rag/history"
    assert place(f"{tmp_path}{os.sep}h") == tmp_path / "h"
