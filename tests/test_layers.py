"""Which module may import what: heavy libraries only where they run, concrete classes only in the composition root."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from rag.cli.main import _COMMANDS

PACKAGE = Path(__file__).parent.parent / "rag"
HEAVY = {"torch", "transformers", "sentence_transformers", "faiss", "tantivy", "psycopg", "numpy"}
HEAVY |= {"fastapi", "uvicorn", "pydantic"}
HOMES = {
    "torch": {
        "bert.py",
        "embedding.py",
        "packing.py",
        "reading/heads.py",
        "reading/precision.py",
        "training/embedder.py",
        "training/loss.py",
        "training/steps.py",
        "training/train.py",
        "build.py",
    },
    "transformers": {"packing.py", "reading/heads.py", "training/train.py"},
    "sentence_transformers": {"embedding.py", "training/embedder.py"},
    "faiss": {"store/dense.py"},
    "tantivy": {"store/lexical.py"},
    "pypdfium2": {"loading/pdf.py"},
    "docx": {"loading/word.py"},
    "pptx": {"loading/slides.py"},
    "openpyxl": {"loading/workbook.py"},
    "psycopg": {"store/postgres/changes.py", "store/postgres/connections.py", "store/postgres/schema.py"}
    | {"store/postgres/queue.py", "store/postgres/searches.py", "store/postgres/store.py", "store/postgres/upkeep.py"},
    "procrastinate": {"store/postgres/queue.py"},
    "pgvector": {"store/postgres/connections.py", "store/postgres/words.py"},
    "fastapi": {
        f"serving/{name}.py" for name in ("app", "asking", "documents", "openapi", "operations", "problems", "run", "service")
    }
    | {"server/routes/check.py", "server/routes/dify.py", "server/routes/openai.py"},
    "mcp": {"mcp/server.py", "mcp/tools.py", "server/routes/mcp.py"},
    "uvicorn": {"serving/run.py"},
    "prometheus_client": {"serving/metrics.py"},
    "ir_measures": {"evaluation/ranking.py"},
    "prompt_toolkit": {"repl/terminal.py", "repl/pager.py"},
    "rich": {"repl/screen.py", "repl/start.py"},
}
CONCRETE = {
    "rag.store.local",
    "rag.store.postgres.store",
    "rag.store.postgres.queue",
    "rag.embedding",
    "rag.mean_embedding",
    "rag.reading.reader",
    "rag.retrieval",
}


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


MODULES = {path.relative_to(PACKAGE).as_posix(): imports(path) for path in sorted(PACKAGE.rglob("*.py"))}


@pytest.mark.parametrize("library", HOMES)
def test_a_heavy_library_is_imported_only_where_it_runs(library: str) -> None:
    users = {name for name, found in MODULES.items() if any(i.split(".")[0] == library for i in found)}
    assert users
    assert users <= HOMES[library]


def test_only_the_composition_root_names_the_concrete_classes() -> None:
    users = {name for name, found in MODULES.items() if found & CONCRETE}
    assert users == {"build.py"}


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, rag.cli.main as m\n"
        "try: m.cli.main(['--help'], standalone_mode=False)\n"
        f"finally: print(sorted({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")


@pytest.mark.parametrize("command", sorted(_COMMANDS))
def test_the_help_of_every_command_is_light_too(command: str) -> None:
    code = (
        f"import sys, rag.cli.main as m\nm.cli.main(['{command}', '--help'], standalone_mode=False)\n"
        f"print(sorted({HEAVY - {'numpy'}!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")


def test_the_prompt_is_there_before_anything_heavy() -> None:
    code = f"import sys, rag.cli.repl, rag.repl.start, rag.repl.terminal\nprint(sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
