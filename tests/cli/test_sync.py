"""`rag sync` on the command line."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import IO, cast

import pytest

from tests.cli.helpers import Run
from tests.store.helpers import ROOT


def test_sync_reports_its_changes(run: Run) -> None:
    assert run("sync", "docs") == (0, "index: 2 added\n", "")
    assert run("sync", "docs") == (0, "index: 2 unchanged; the index has not changed\n", "")
    Path("docs/oman.txt").rename("docs/muscat.txt")
    Path("docs/iran.txt").write_text("Tehran.")
    changed = "index: 1 added, 1 renamed, 1 unchanged"
    assert run.out("sync", "docs", "--dry-run") == (
        f"{changed}; nothing was changed (dry run)\n"
        "  + docs/iran.txt\n  > docs/oman.txt -> docs/muscat.txt\n"
    )
    assert run("sync", "docs") == (0, f"{changed}\n", "")
    changes = run.json("sync", "docs")
    assert changes["unchanged"] == ["docs/deal.md", "docs/iran.txt", "docs/muscat.txt"]


def test_a_suddenly_empty_folder_needs_confirmation(run: Run) -> None:
    run("sync", "docs")
    for path in Path("docs").iterdir():
        path.unlink()
    err = run.error("sync", "docs")
    assert "2 of the 2 documents of" in err
    assert "--allow-mass-delete" in err
    assert run("sync", "docs", "--allow-mass-delete") == (0, "index: 2 removed\n", "")


def test_invalid_options_are_reported(run: Run) -> None:
    assert run("sync", "none")[0] == 2
    assert "no such folder: none" in run("sync", "none")[2]
    message = run("sync", "docs/deal.md")[2]
    assert message.startswith(
        "rag: docs/deal.md is a file, and sync takes a folder\n  add it with: rag "
    )
    assert run("sync", "docs", "--dry-run", "--watch")[0] == 2
    err = run.error("sync", "docs", "--dry-run", code=3)
    assert f"no index in {Path('index').absolute()}" in err


@pytest.mark.slow
def test_watch_follows_what_changes_but_not_its_own_index(tmp_path: Path) -> None:
    docs, index = tmp_path / "docs", tmp_path / "docs" / "index"
    docs.mkdir()
    (docs / "a.txt").write_text("Sardines.")
    # processes of a shell's background job ignore SIGINT
    hears, pipe = partial(signal.signal, signal.SIGINT, signal.SIG_DFL), subprocess.PIPE
    rag = [sys.executable, "-m", "tests.repl.faked", "sync", str(docs), "--watch"]
    command = [*rag, "--index", str(index)]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True, preexec_fn=hears
    ) as process:
        try:
            lines = cast(IO[str], process.stdout)
            assert lines.readline().endswith("index: 1 added\n")
            (docs / "b.txt").write_text("Herring.")
            assert lines.readline().endswith("index: 1 added, 1 unchanged\n")
            (docs / "b.txt").rename(docs / "c.txt")
            assert lines.readline().endswith("index: 1 renamed, 1 unchanged\n")
            time.sleep(1)  # events of the sync's own writes have arrived
            writer_time = (index / "writer").stat().st_mtime_ns
            time.sleep(2)
            assert (index / "writer").stat().st_mtime_ns == writer_time
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=20) == 130
        finally:
            process.kill()
