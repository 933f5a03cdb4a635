"""Import rules: heavy libraries only where they run, concrete classes only in the
composition root.
"""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rag.cli.main import COMMANDS

PACKAGE = Path(__file__).parent.parent / "rag"
HEAVY = {"torch", "transformers", "sentence_transformers", "faiss", "tantivy", "psycopg", "numpy"}
HEAVY |= {"fastapi", "uvicorn", "pydantic"}
HOMES = {
    "torch": {
        "models/bert.py",
        "models/device.py",
        "models/embedders.py",
        "models/qa_heads.py",
        "training/train_embedder.py",
        "training/loss.py",
        "training/trainer.py",
        "training/initial_model.py",
        "training/train_reader.py",
        "build.py",
    },
    "transformers": {"models/qa_heads.py", "training/initial_model.py"},
    "sentence_transformers": {"models/embedders.py", "training/train_embedder.py"},
    "faiss": {"store/local/faiss_index.py"},
    "tantivy": {"store/local/tantivy_index.py"},
    "pypdfium2": {"parsing/pdf/characters.py", "server/pdf_pages.py"},
    "docx": {"parsing/docx.py"},
    "pptx": {"parsing/pptx.py"},
    "openpyxl": {"parsing/xlsx.py", "desk/grid_export.py"},
    "psycopg": {
        "store/postgres/writes.py",
        "store/postgres/connection_pool.py",
        "store/postgres/schema.py",
    }
    | {
        "store/postgres/collection_queues.py",
        "store/postgres/collections.py",
        "store/postgres/queue.py",
        "store/postgres/search.py",
        "store/postgres/store.py",
        "store/postgres/maintenance.py",
        "store/postgres/grids.py",
    },
    "procrastinate": {"store/postgres/collection_queues.py", "store/postgres/queue.py"},
    "pgvector": {"store/postgres/connection_pool.py", "store/postgres/sparse_bm25.py"},
    "fastapi": {
        f"server/{name}.py"
        for name in (
            "app",
            "openapi",
            "problems",
            "serve",
            "state",
            "routes/questions",
            "routes/documents",
            "routes/operations",
        )
    }
    | {
        f"server/routes/{name}.py"
        for name in (
            "check collection_routes dify grids ratings openai page_data rerank searxng threads"
        ).split()
    },
    "mcp": {
        "server/mcp/results.py",
        "server/mcp/server.py",
        "server/mcp/skill.py",
        "server/routes/mcp.py",
    },
    "uvicorn": {"server/serve.py", "server/connections.py"},
    "prometheus_client": {"server/prometheus.py"},
    "ir_measures": {"evaluation/ranking.py"},
    "jinja2": {"evaluation/report/page.py"},
    "prompt_toolkit": {"repl/full_terminal.py", "repl/plain_terminal.py", "repl/history.py"},
    "rich": {"repl/printer.py", "repl/screen.py", "repl/run.py"},
}
CONCRETE = {
    "rag.store.local.collections",
    "rag.store.local.store",
    "rag.store.postgres.collection_queues",
    "rag.store.postgres.collections",
    "rag.store.postgres.store",
    "rag.store.postgres.queue",
    "rag.models.embedders",
    "rag.models.reader",
    "rag.retrieval.HybridRetriever",
}


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


MODULES = {
    path.relative_to(PACKAGE).as_posix(): imports(path) for path in sorted(PACKAGE.rglob("*.py"))
}


@pytest.mark.parametrize("library", HOMES)
def test_a_heavy_library_is_imported_only_where_it_runs(library: str) -> None:
    users = {
        name for name, found in MODULES.items() if any(i.split(".")[0] == library for i in found)
    }
    assert users
    assert users <= HOMES[library]


ORDER = (
    "types errors child_process sockets digest | meaning structure packed_blocks | filters settings"
    " | parsing | protocols | models ingestion "
    "retrieval"
    " | answering store | engine render | claims desk | evaluation | training | build | "
    "repl | server | client | cli"
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
    used = {
        (name, found.split(".")[1])
        for name, all_found in MODULES.items()
        if top(name) == package
        for found in all_found
        if found.startswith("rag.") and found.split(".")[1] in RANK
    }
    upward = {
        (name, other) for name, other in used if other != package and RANK[other] >= RANK[package]
    }
    assert not upward


def test_no_files_import_each_other_in_a_circle() -> None:
    files = {dotted(name): name for name in MODULES}
    graph = {
        name: {files[found] for found in all_found if found in files}
        for name, all_found in MODULES.items()
    }
    while leaves := {name for name, others in graph.items() if not others & graph.keys()}:
        graph = {name: others for name, others in graph.items() if name not in leaves}
    assert not graph


def test_only_the_composition_root_names_the_concrete_classes() -> None:
    users = {name for name, found in MODULES.items() if found & CONCRETE}
    # the queues of all collections are made of the queue and the collections of the same store
    assert users == {"build.py", "store/postgres/collection_queues.py"}


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, rag.cli.main as m\n"
        "try: m.cli.main(['--help'], standalone_mode=False)\n"
        f"finally: print(sorted({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_the_help_of_every_command_is_light(command: str) -> None:
    code = (
        f"import sys, rag.cli.main as m\nm.cli.main(['{command}', '--help'], "
        f"standalone_mode=False)\n"
        f"print(sorted({HEAVY - {'numpy'}!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")


def test_the_prompt_appears_before_heavy_imports() -> None:
    code = (
        f"import sys, rag.cli.cmd_repl, rag.repl.run, rag.repl.full_terminal\n"
        f"print(sorted({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


EXTRAS = (
    "mcp openai langchain langchain_core llama_index opentelemetry.sdk opentelemetry.exporter "
    "onnxruntime rapidocr psycopg psycopg_pool pgvector procrastinate docx pptx openpyxl httpx"
).split()
AT_THE_END = f"""
import atexit, sys
atexit.register(lambda: print(sorted({set(EXTRAS)!r} & set(sys.modules)), file=sys.stderr))
"""
SHIPPED = "from rag.cli.main import main\nmain()"
FAKED = "from tests.repl.faked import fake\nfake()\n"


def test_a_service_and_a_question_do_without_the_extras() -> None:
    code = f"{AT_THE_END}import rag.server.app, rag.cli.cmd_ask, rag.build"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


@pytest.mark.slow
@pytest.mark.parametrize("models", [FAKED, ""])
def test_no_command_imports_an_unneeded_extra(tmp_path: Path, models: str) -> None:
    (tmp_path / "oman.txt").write_text("The talks were led by William Burns in Muscat.")
    environment = {**os.environ, "RAG_INDEX": str(tmp_path / "index"), "RAG_THRESHOLD": "0"}
    run = [sys.executable, "-c", AT_THE_END + models + SHIPPED]
    for arguments in (
        ["ask", "--help"],
        ["ingest", str(tmp_path / "oman.txt")],
        ["ask", "Who led the talks?"],
    ):
        done = subprocess.run(
            [*run, *arguments], capture_output=True, text=True, env=environment, check=True
        )
        assert done.stderr.splitlines()[-1] == "[]"
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
