"""The files that the scripts under eval write."""

import json
from pathlib import Path

import click
from click.testing import CliRunner

from eval.bench.peers.__main__ import main as peers
from eval.scripts import OUT, finished


@click.command()
@OUT
def _script(out: Path | None) -> None:
    finished({"right": 1}, out)


def test_the_folder_of_a_result_is_made(tmp_path: Path) -> None:
    out = tmp_path / "missing" / "result.json"
    assert CliRunner().invoke(_script, ["--out", str(out)]).exit_code == 0
    assert json.loads(out.read_text()) == {"right": 1}


def test_a_folder_that_cannot_be_made_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    outcome = CliRunner().invoke(_script, ["--out", str(tmp_path / "file" / "result.json")])
    assert outcome.exit_code == 2
    assert outcome.output.splitlines()[-1].endswith("file cannot be made: File exists")


def test_a_report_s_folder_is_no_file(tmp_path: Path) -> None:
    arguments = ["--work", str(tmp_path), "--out", str(tmp_path / "reports" / "peers.json")]
    outcome = CliRunner().invoke(peers, arguments)
    assert outcome.exit_code == 2
    assert "peers.json names a file: give the folder, such as" in outcome.output
