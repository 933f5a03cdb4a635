"""Scans on a terminal: the page that is recognised, and clean results."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.parsing.test_ocr import LETTER, SECOND, saved
from tests.store.helpers import ROOT

pytestmark = pytest.mark.slow


def test_a_terminal_shows_the_page_that_is_recognised(tmp_path: Path) -> None:
    (tmp_path / "scan.pdf").write_bytes(saved("pdf", LETTER, SECOND))
    mine, terminal = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.repl.faked", "ingest", "--json", str(tmp_path / "scan.pdf")],
        cwd=ROOT,
        env={**os.environ, "RAG_INDEX": str(tmp_path / "index"), "TERM": "xterm"},
        stdout=subprocess.PIPE,
        stderr=terminal,
        text=True,
    )
    os.close(terminal)
    output = b""
    with process, os.fdopen(mine, "rb", buffering=0) as screen:
        with contextlib.suppress(OSError):  # how Linux reports that a terminal has ended
            while part := screen.read(4096):
                output += part
        results = process.communicate()[0]
    assert b"recognising the text of scan.pdf, page 1 of 2" in output
    assert b"recognising the text of scan.pdf, page 2 of 2" in output
    assert len(json.loads(results)["added"]) == 1
