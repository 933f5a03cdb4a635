"""docs/tutorial.md is true: its commands are run in an empty folder, with the shipped models, and
say what the page shows.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "tutorial.md"
BLOCKS = re.compile(r"```(sh|text)\n(.*?)```\n", re.DOTALL)
STATUS = re.compile(r"  # exit status (\d)$", re.MULTILINE)


@pytest.mark.slow
def test_every_command_of_the_tutorial_says_what_the_page_shows(tmp_path: Path) -> None:
    environment = {**os.environ, "COLUMNS": "100", "PYTHONPATH": str(PAGE.parents[1])}
    command = f'rag() {{ "{sys.executable}" -m rag "$@"; }}\n'
    ran, printed = 0, ""
    for kind, block in BLOCKS.findall(PAGE.read_text(encoding="utf-8")):
        if kind == "sh":
            process = subprocess.run(
                ["bash", "-c", command + block],
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=300,
            )
            status = STATUS.search(block)
            assert process.returncode == int(status[1] if status else 0), (block, process.stderr)
            printed = process.stdout + process.stderr
            ran += 1
            continue
        place = 0
        for line in block.splitlines():
            assert line in printed[place:], (line, printed)
            place = printed.index(line, place)
    assert ran >= 8
    assert (tmp_path / "proof.zip").stat().st_size > 1000
