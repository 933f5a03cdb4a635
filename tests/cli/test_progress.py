import sys
import time

import pytest

from rag.cli import progress


def test_without_a_terminal_lines_are_printed_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "EVERY", 0.05)
    with progress.progress(3) as seen:
        seen()
        seen()
        time.sleep(0.2)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("rag: 2 of 3 files done after 0 s\n")
    assert not sys.stderr.isatty()


def test_a_short_run_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.progress(3) as seen:
        seen()
    assert capsys.readouterr() == ("", "")
