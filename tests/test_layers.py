"""Import rules: an order of packages, concrete classes only in the composition root, and nothing
heavy before it is needed.
"""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rag.cli.main import COMMANDS

PACKAGE = Path(__file__).parent.parent / "rag"
HEAVY = {
    "torch",
    "transformers",
    "sentence_transformers",
    "faiss",
    "tantivy",
    "psycopg",
    "numpy",
    "fastapi",
    "uvicorn",
    "pydantic",
}
CONCRETE = {
    "rag.store.local.collections",
    "rag.store.local.store",
    "rag.store.postgres.collection_queues",
    "rag.store.postgres.collections",
    "rag.store.postgres.store",
    "rag.store.postgres.queue",
    "rag.models.embedders",
    "rag.models.lazy_embedder",
    "rag.models.reader",
}


def imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


MODULES = {
    path.relative_to(PACKAGE).as_posix(): imports(path) for path in sorted(PACKAGE.rglob("*.py"))
}


ORDER = (
    "types errors child_process files sockets | meaning packed_blocks | structure originals | facts"
    " | filters settings | query | parsing | protocols | models ingestion fusion | retrieval"
    " | answering store | engine render | session | claims desk | evaluation | training | build | "
    "background | repl | server | client | cli"
)
RANK = {name: rank for rank, names in enumerate(ORDER.split("|")) for name in names.split()}
TOP = {
    path.stem
    for path in PACKAGE.iterdir()
    if path.name not in ("__pycache__", "__init__.py", "__main__.py", "py.typed")
}


def top(name: str) -> str:
    return name.removesuffix(".py").split("/")[0]


def dotted(name: str) -> str:
    return "rag." + name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def test_every_package_has_its_place_in_the_order() -> None:
    assert set(RANK) == TOP


@pytest.mark.parametrize("package", sorted(RANK))
def test_a_package_imports_only_what_is_below_it(package: str) -> None:
    imported = {
        (name, module.split(".")[1])
        for name, all_found in MODULES.items()
        if top(name) == package
        for module in all_found
        if module.startswith("rag.") and module.split(".")[1] in RANK
    }
    upward = {
        (name, imported_package)
        for name, imported_package in imported
        if imported_package != package and RANK[imported_package] >= RANK[package]
    }
    assert not upward


def test_no_files_import_each_other_in_a_circle() -> None:
    files = {dotted(name): name for name in MODULES}
    graph = {
        name: {files[module] for module in all_found if module in files}
        for name, all_found in MODULES.items()
    }
    while leaves := {
        name for name, imported_files in graph.items() if not imported_files & graph.keys()
    }:
        graph = {
            name: imported_files for name, imported_files in graph.items() if name not in leaves
        }
    assert not graph


def test_only_the_composition_root_names_the_concrete_classes() -> None:
    users = {name for name, imported in MODULES.items() if imported & CONCRETE}
    # the queues of all collections are made of the queue and the collections of the same store
    assert users == {"build.py", "store/postgres/collection_queues.py"}


EXTRAS = (
    "mcp openai langchain langchain_core llama_index opentelemetry.sdk opentelemetry.exporter "
    "onnxruntime rapidocr psycopg psycopg_pool pgvector procrastinate docx pptx openpyxl httpx"
).split()
NOT_FOR_EACH_QUESTION = {
    "rag.answering.catalogue",
    "rag.answering.computed",
    "rag.answering.overview",
    "rag.answering.shelf",
    "rag.answering.suggestions",
    "rag.answering.verification",
    "rag.claims",
    "rag.desk",
    "rag.ingestion",
    "rag.parsing",
    "rag.store.postgres",
}
AT_THE_END = f"""
import atexit, sys
atexit.register(lambda: print(sorted({set(EXTRAS)!r} & set(sys.modules)), file=sys.stderr))
"""
SHIPPED = "from rag.cli.main import main\nmain()"


def printed(code: str) -> str:
    """The last line that Python prints in a process of its own."""
    command = [sys.executable, "-c", code]
    process = subprocess.run(command, capture_output=True, text=True, check=True)
    return process.stdout.strip().splitlines()[-1]


def test_help_is_light() -> None:
    """The help of `rag`, then of each command; names the first that imports something heavy."""
    code = (
        "import sys, rag.cli.main as m\n"
        f"for command in ([], *([one] for one in {sorted(COMMANDS)!r})):\n"
        "    m.cli.main([*command, '--help'], standalone_mode=False)\n"
        f"    found = sorted({HEAVY!r} & set(sys.modules) - ({{'numpy'}} if command else set()))\n"
        "    if found: break\n"
        "print([*found, *command] if found else found)"
    )
    assert printed(code) == "[]"


@pytest.mark.parametrize(
    ("modules", "unwanted"),
    [
        ("rag.cli.cmd_repl, rag.repl.run, rag.repl.terminals", HEAVY),
        ("rag.server.app, rag.cli.cmd_ask, rag.build", set(EXTRAS)),
        ("rag.cli.cmd_ask, rag.build, rag.render.terminal", NOT_FOR_EACH_QUESTION),
    ],
    ids=["the prompt", "a service and a question", "a question"],
)
def test_it_imports_nothing_heavy_at_first(modules: str, unwanted: set[str]) -> None:
    assert printed(f"import sys, {modules}\nprint(sorted({unwanted!r} & set(sys.modules)))") == "[]"


@pytest.mark.slow
def test_an_ingest_of_unchanged_files_loads_no_model(tmp_path: Path) -> None:
    (tmp_path / "oman.txt").write_text("The talks were led by William Burns in Muscat.")
    code = (
        "import sys, rag.cli.main as m\n"
        f"m.cli.main(['ingest', {str(tmp_path / 'oman.txt')!r}, '--index', "
        f"{str(tmp_path / 'index')!r}], standalone_mode=False)\n"
        "print('torch' in sys.modules)"
    )
    assert [printed(code), printed(code)] == ["True", "False"]


@pytest.mark.slow
def test_no_command_imports_an_unneeded_extra(tmp_path: Path) -> None:
    (tmp_path / "oman.txt").write_text("The talks were led by William Burns in Muscat.")
    variables = {"RAG_INDEX": str(tmp_path / "index"), "RAG_THRESHOLD": "0", "RAG_READER": "fast"}
    environment = {**os.environ, **variables}
    run = [sys.executable, "-c", AT_THE_END + SHIPPED]
    for arguments in (
        ["ask", "--help"],
        ["ingest", str(tmp_path / "oman.txt")],
        ["ask", "Who led the talks?"],
    ):
        process = subprocess.run(
            [*run, *arguments], capture_output=True, text=True, env=environment, check=True
        )
        assert process.stderr.splitlines()[-1] == "[]"
    environment["RAG_PORT"] = "0"
    with subprocess.Popen(
        [*run, "serve", "--no-key"], stderr=subprocess.PIPE, text=True, env=environment
    ) as served:
        assert served.stderr
        lines = iter(served.stderr)
        assert next(lines).startswith("rag: http://")
        assert any("models are warm" in line for line in lines)
        served.terminate()
        assert list(lines)[-1].strip() == "[]"
