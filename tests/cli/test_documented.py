"""Every command that README and docs show in a block is run, in a home with the files that they
name. Those that serve, train, or need a database, a network or a writer are left out: they have
tests of their own.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import docx
import pytest

from rag import build
from rag.cli.main import main
from tests.fakes import BagOfWordsEmbedder, NameReader
from tests.parsing.pdfs import column, pdf
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
    commands: dict[str, None] = {}
    pages = set((ROOT / "docs").glob("*.md")) - {ROOT / "docs/cli-reference.md"}  # help's examples
    for path in (ROOT / "README.md", *sorted(pages)):
        for line in path.read_text(encoding="utf-8").splitlines():
            block = re.match(r"(?:    (?:\$ )?|\| [^|]+ \| `)(rag [a-z].*)", line)
            for part in re.split(r"; |`;? ?`?", block[1]) if block else ():
                command = re.split(r"\s+# | < | \|\s", part)[0].strip(" |")
                if command.startswith("rag ") and not NOT_RUN.search(command):
                    commands[command] = None
    return list(commands)


@pytest.fixture(scope="module")
def models() -> Iterator[pytest.MonkeyPatch]:
    """Small models."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAG_EMBEDDER", "bag-of-words")
        patch.setenv("RAG_THRESHOLD", "0")  # the judge knows no such reader
        patch.setattr(build, "embedder", lambda settings: BagOfWordsEmbedder(settings.embedder))
        patch.setattr(build, "reader", lambda settings: NameReader())
        yield patch


def run(command: str) -> tuple[int, str]:
    """The exit code of a command, and what it printed."""
    words = [word.replace("~", str(Path.cwd())) for word in shlex.split(command)[1:]]
    output = io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(output),
    ):
        patch.setattr("sys.argv", ["rag", *words])
        patch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(QUESTION)))
        try:
            main()
        except SystemExit as stop:
            return int(stop.code or 0), output.getvalue()
    return 0, output.getvalue()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, models: pytest.MonkeyPatch) -> Path:
    """Documents, questions, reports, an index of the documents, and an answer."""
    folder = tmp_path_factory.mktemp("home")
    leases = [f"leases/{name}.md" for name in ("oak", "elm", "ash")]
    other_leases = [f"{name}/lease.md" for name in ("notes", "notes/flat", "contracts", "docs")]
    (folder / "notes").mkdir()
    (folder / "notes/old.md").write_text(f"---\nyear: 2023\n---\n{LEASE}")
    for name in (*leases, *other_leases):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(LEASE)
    for name in ("report.md", "brief.md", "CHANGELOG.md"):
        (folder / name).write_text("The lease ends on 31 May 2027.")
    brief = docx.Document()
    brief.add_paragraph("It says “The lease ends on 31 May 2027.”")
    brief.save(str(folder / "brief.docx"))
    (folder / "brief.pdf").write_bytes(pdf([column(["The lease ends on 31 May 2027."], 40)]))
    (folder / "leases.toml").write_text(GRID)
    for name in ("questions.jsonl", "gold.jsonl"):
        (folder / name).write_text((json.dumps(GOLD) + "\n") * 70)
    with contextlib.chdir(folder):
        code, text = run("rag ingest notes")
        assert code == 0, text
        Path("answer.json").write_text(run('rag ask --json "When does the lease end?"')[1])
    return folder


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
def test_it_runs(command: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(home, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for start, prepared in PREPARED.items():
        if command.startswith(start):
            for preparation in prepared.split("; "):
                assert run(preparation)[0] == 0
    code, text = run(command)
    refused = "--risk" in command and "cannot certify" in text
    assert code in ((0, 1) if MAY_FAIL.match(command) else (0,)) or refused, text
    assert "Traceback" not in text
