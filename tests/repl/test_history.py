import os
from pathlib import Path

from rag.repl.history import history, place


def test_any_line_is_restored(tmp_path: Path) -> None:
    file = tmp_path / "state" / "history"
    lines = ["When?", "two\nlines", "C:\\new\\\\n", "\u00fcber \u202e"]
    first = history(str(file))
    for line in [*lines, "bad \udcff byte"]:
        first.store_string(line)
    kept = list(history(str(file)).load_history_strings())
    assert [line for line in kept if not line.startswith("bad")] == lines[::-1]
    assert file.stat().st_mode & 0o777 == 0o600


def test_an_unwritable_file_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for setting in (str(tmp_path / "file" / "history"), str(tmp_path), "off"):
        kept = history(setting)
        kept.append_string("When?")
        assert kept.get_strings() == ["When?"]


def test_the_place_of_the_file(tmp_path: Path) -> None:
    assert place("off") is None
    assert place("auto", {"XDG_STATE_HOME": str(tmp_path)}) == tmp_path / "rag" / "history"
    assert place("auto", {}) == Path.home() / ".local/state/rag/history"
    assert place(f"{tmp_path}{os.sep}h") == tmp_path / "h"
