"""Every command that README and docs show in a block is run, in a home with the files that they
name; except those that serve, train, or need a database, a network or a writer, which have tests of
their own.
"""

from __future__ import annotations

import io
import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from rag import build
from rag.cli.main import main
from tests.fakes import BagOfWordsEmbedder, NameReader
from tests.store.helpers import ROOT

NOT_RUN = re.compile(
    r"rag (serve|mcp|worker|train|connect|index migrate|eval compare)|--watch|--enqueue|--write "
    r"|https?:|FILE|FOLDER|NAME|GOLD|QUESTIONS|DOCUMENT|[\[…|]"
)
LEASE = "# The lease\n\nThe lease ends on 31 May 2027. The rent is 900 euros. Zrinyi signed it.\n"
GOLD = {
    "question": "When does the lease end?",
    "answers": ["31 May 2027"],
    "evidence": [{"document": "notes/lease.md", "sentence": "The lease ends on 31 May 2027."}],
}
GRID = """
filter = ["source:leases"]

[[columns]]
name = "End"
question = "When does the lease end?"
"""
QUESTION = b"When does the lease end?\n"
MAY_FAIL = re.compile(r"rag (ask|check|eval|verify|index doctor|grid changes)")
"""Exit code 1 says that nothing was found, or that something is wrong; the pages say so."""


def _shown() -> list[str]:
    found: dict[str, None] = {}
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        for line in path.read_text(encoding="utf-8").splitlines():
            block = re.match(r"(?:    (?:\$ )?|\| [^|]+ \| `)(rag [a-z].*)", line)
            for part in re.split(r"; |`;? ?`?", block[1]) if block else ():
                command = re.split(r"\s+# | < | \|\s", part)[0].strip(" |")
                if command.startswith("rag ") and not NOT_RUN.search(command):
                    found[command] = None
    return list(found)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Documents, questions, reports, and an index of the documents."""
    folder = tmp_path_factory.mktemp("home")
    leases = [f"leases/{name}.md" for name in ("oak", "elm", "ash")]
    for name in (
        *leases,
        "notes/lease.md",
        "notes/flat/lease.md",
        "contracts/lease.md",
        "docs/lease.md",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(LEASE)
    for name in ("report.md", "brief.md", "CHANGELOG.md"):
        (folder / name).write_text("The lease ends on 31 May 2027.")
    (folder / "leases.toml").write_text(GRID)
    for name in ("questions.jsonl", "gold.jsonl"):
        (folder / name).write_text((json.dumps(GOLD) + "\n") * 70)
    return folder


@pytest.fixture
def run(
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[[str], tuple[int, str]]:
    shutil.copytree(home, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RAG_EMBEDDER", "bag-of-words")
    monkeypatch.setattr(build, "embedder", lambda settings: BagOfWordsEmbedder(settings.embedder))
    monkeypatch.setattr(build, "reader", lambda settings: NameReader())
    monkeypatch.setenv("RAG_THRESHOLD", "0")  # the judge knows no such reader

    def call(command: str) -> tuple[int, str]:
        words = [word.replace("~", str(tmp_path)) for word in shlex.split(command)[1:]]
        monkeypatch.setattr("sys.argv", ["rag", *words])
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(QUESTION)))
        try:
            main()
        except SystemExit as stop:
            return int(stop.code or 0), "".join(capsys.readouterr())
        return 0, "".join(capsys.readouterr())

    return call


PREPARED = {
    "rag index restore": "rag index snapshot backup.rag",
    "rag keys": "rag collection create contracts; rag keys add crm; rag keys add page",
    "rag ingest --collection": "rag collection create contracts",
    "rag grid": "rag ingest leases; rag grid run leases.toml",
    "rag export leases": "rag ingest leases; rag grid run leases.toml",
    "rag eval run leases": (
        "rag ingest leases; rag grid run leases.toml; "
        "rag grid rate leases leases/oak.md End confirmed; "
        "rag grid show leases --out leases.gold.jsonl"
    ),
}


@pytest.mark.parametrize("command", _shown())
def test_it_runs(command: str, run: Callable[[str], tuple[int, str]]) -> None:
    code, text = run("rag ingest notes")
    assert code == 0, text
    for begin, first in PREPARED.items():
        if command.startswith(begin):
            for one in first.split("; "):
                assert run(one)[0] == 0
    Path("answer.json").write_text(run('rag ask --json "When does the lease end?"')[1])
    code, text = run(command)
    refused = "--risk" in command and "cannot certify" in text
    assert code in ((0, 1) if MAY_FAIL.match(command) else (0,)) or refused, text
    assert "Traceback" not in text
