"""Child processes: hostile working folders, secrets, limits, and no network."""

import json
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from rag import child_process
from rag.parsing.files import FoundFile
from rag.parsing.load import Loaded
from rag.parsing.pool import ParseTask, Pool
from rag.server.pdf_pages import layout, picture
from tests.parsing.pdfs import column, pdf

MODULES = ["struct", "json", "zlib", "unicodedata", "rag", "pypdfium2", "sitecustomize", "ctypes"]


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with modules that leave a trace when they are imported."""
    for name in MODULES:
        code = f"from pathlib import Path\nPath({str(tmp_path / 'executed')!r}).touch()\n"
        (tmp_path / f"{name}.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", "")
    return tmp_path / "executed"


def test_modules_in_the_working_folder_are_not_imported_to_show_a_page(hostile: Path) -> None:
    page = pdf([column(["Sardines swim."], 50)])
    assert picture(page, 1, 100).startswith(b"\x89PNG")
    ((box,),), ((line, _),) = layout(page, 1, [("Sardines", "", "")])
    assert box[0] < box[2]
    assert line == "Sardines swim."
    assert not hostile.exists()


def test_modules_in_the_working_folder_are_not_imported_to_parse(hostile: Path) -> None:
    file = hostile.with_name("a.md")
    file.write_text("Sardines swim.")
    with Pool(1) as pool:
        ((_, result),) = pool([ParseTask(FoundFile(file, "a.md"))])
    assert isinstance(result, Loaded)
    assert not hostile.exists()


def child(*arguments: str, memory: int = 500, seconds: int = 20) -> tuple[int, str]:
    process = child_process.run("tests.child", *arguments, data=b"", memory=memory, seconds=seconds)
    return process.returncode, process.stdout.decode()


def test_secrets_stay_with_the_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAG_WRITER_KEY", "RAG_STORE", "PGPASSWORD", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "secret-of-the-parent")
    code, output = child("environment")
    assert code == 0
    assert "secret-of-the-parent" not in output
    assert not [name for name in json.loads(output) if name.startswith("RAG_")]


def test_memory_and_time_are_limited() -> None:
    assert child("memory", "100") == (0, f"{100 << 20}\n")
    assert child("memory", "600")[0] == 1
    with pytest.raises(subprocess.TimeoutExpired):
        child("spin", seconds=1)
    process = child_process.start("tests.child", "spin", memory=500, seconds=1)
    with process:
        assert process.wait(timeout=60) == -signal.SIGXCPU


def test_time_is_added_to_a_limit_but_makes_none() -> None:
    code = (
        "import resource as r; from rag.child_process import add_time, limit_time\n"
        "soft = lambda: r.getrlimit(r.RLIMIT_CPU)[0]\n"
        "add_time(15); unlimited = soft(); limit_time(100); limit = soft(); add_time(15)\n"
        "print(unlimited == r.RLIM_INFINITY, soft() - limit)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (run.stdout, run.stderr) == ("True 15\n", "")


def _can_leave_network() -> bool:
    code = "import rag.child_process as c, sys; sys.exit(not c.leave_network())"
    command = [sys.executable, "-P", "-c", code]
    return subprocess.run(command, env=child_process.environment()).returncode == 0


@pytest.mark.skipif(not _can_leave_network(), reason="the system allows no network namespace")
def test_a_child_has_no_network() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        socket.create_connection(("127.0.0.1", port)).close()
        assert child("connect", str(port)) == (1, "")


def test_every_python_process_is_started_by_the_launcher() -> None:
    """Other modules start only programs that a person names: git, ssh-keygen and a pager."""
    package = Path(child_process.__file__).parent
    calls = re.compile(
        r"\bsubprocess\.(?:Popen|run|call|check_\w+)\(|\bos\.exec|\bmultiprocessing\b"
    )
    starting = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if calls.search(path.read_text())
    }
    expected = {"child_process.py", "desk/bundle.py", "evaluation/runs.py", "repl/terminals.py"}
    assert starting == expected
