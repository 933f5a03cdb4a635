from pathlib import Path

import pytest

from rag.repl.terminals import history


def test_any_line_is_restored(tmp_path: Path) -> None:
    lines = ["When?", "two\nlines", "C:\\new\\\\n", "\u00fcber \u202e"]
    state = {"XDG_STATE_HOME": str(tmp_path)}
    written = history(state)
    for line in [*lines, "bad \udcff byte"]:
        written.store_string(line)
    restored = list(history(state).load_history_strings())
    assert [line for line in restored if not line.startswith("bad")] == lines[::-1]
    assert (tmp_path / "rag" / "history").stat().st_mode & 0o777 == 0o600


def test_an_unwritable_file_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    unwritable = history({"XDG_STATE_HOME": str(tmp_path / "file")})
    unwritable.append_string("When?")
    assert unwritable.get_strings() == ["When?"]


def test_the_place_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    history({"XDG_STATE_HOME": str(tmp_path)}).store_string("When?")
    history({}).store_string("When?")
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("history")} == {
        "rag/history",
        ".local/state/rag/history",
    }
