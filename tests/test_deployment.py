"""The files for one service agree with the package: docs/deployment/, .github/, and the wheel in an
index of packages.
"""

import os
import re
import shutil
import site
import subprocess
import sys
import threading
import tomllib
import venv
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from rag import __version__
from rag.cli.main import COMMANDS
from rag.server.routes import operations

ROOT = Path(__file__).parents[1]
DEPLOYMENT = ROOT / "docs/deployment"
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def dockerfile() -> dict[str, list[str]]:
    """The instructions of the image, with their arguments."""
    text = (DEPLOYMENT / "Dockerfile").read_text().replace("\\\n", " ")
    instructions: dict[str, list[str]] = {}
    for word, arguments in re.findall(r"^([A-Z]+) +(.+)$", text, re.MULTILINE):
        instructions.setdefault(word, []).append(" ".join(arguments.split()))
    return instructions


def test_the_image_runs_as_nobody_special_and_looks_after_its_health() -> None:
    image = dockerfile()
    assert image["USER"] == ["10001"]
    paths = {getattr(route, "path", "") for route in operations.router.routes}
    (probed_path,) = re.findall(r"http://127\.0\.0\.1:8000(/\w+)", image["HEALTHCHECK"][0])
    assert probed_path in paths
    assert image["ENTRYPOINT"] == ['["rag"]']
    assert re.findall(r'"(\w+)"', image["CMD"][0])[0] in COMMANDS
    for line in image["COPY"]:
        if "--from" not in line:
            assert all((ROOT / name).exists() for name in line.split()[:-1]), line


def test_the_compose_file_keeps_rights_small() -> None:
    compose = yaml.safe_load((DEPLOYMENT / "compose.yaml").read_text())
    service = compose["services"]["rag"]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert "ports" not in service, "only the proxy is open"
    assert compose["services"]["caddy"]["depends_on"]["rag"]["condition"] == "service_healthy"
    assert (ROOT / "docs/deployment" / service["build"]["context"]).resolve() == ROOT
    assert (ROOT / service["build"]["dockerfile"]).is_file()


def workflow(path: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_run_what_exists_with_few_rights(path: Path) -> None:
    content = workflow(path)
    assert content["permissions"] == {"contents": "read"}
    text = path.read_text()
    for named_file in re.findall(r"(?:^|[ :])(\.ci/\w+|docs/[\w./-]+|rag/[\w./-]+\.py)", text):
        assert (ROOT / named_file).exists(), named_file
    for job in content["jobs"].values():
        assert set(job.get("needs", "").split()) <= set(content["jobs"])


def test_workflows_pass_actionlint() -> None:
    program = shutil.which(os.environ.get("ACTIONLINT", "actionlint"))
    if program is None:
        pytest.skip("actionlint is not installed; ACTIONLINT may name it")
    process = subprocess.run([program, *map(str, WORKFLOWS)], capture_output=True, text=True)
    assert process.returncode == 0, process.stdout


WEIGHTS = ROOT / "rag/models/accurate"


def test_new_weights_have_a_new_version() -> None:
    """Change the version with the digest: a published version is never replaced."""
    stated = tomllib.loads((WEIGHTS / "pyproject.toml").read_text())
    assert stated["tool"]["quoterag"]["sha256"] == (WEIGHTS / "model.sha256").read_text().strip()


@pytest.fixture(scope="module")
def package_index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an index of packages that has this project's two wheels alone."""
    folder = tmp_path_factory.mktemp("packages")
    source = folder / "source"
    subprocess.run([ROOT / ".ci/split", source], check=True)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir"]
    for name, built in (("quoterag", source), ("quoterag-accurate", WEIGHTS)):
        wheels = folder / "simple" / name
        subprocess.run([*build, str(wheels), str(built)], check=True, timeout=1200)
        (wheel,) = wheels.iterdir()
        assert wheel.stat().st_size < 100_000_000, "PyPI takes no larger files"
        (wheels / "index.html").write_text(f'<a href="{wheel.name}">{wheel.name}</a>')
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/simple/"
        server.shutdown()
        thread.join()


def required(folder: Path) -> None:
    """Links to all packages of this environment but our own, so that pip need not load them."""
    for packages in map(Path, site.getsitepackages()):
        for path in packages.iterdir():
            if "quoterag" not in path.name:
                (folder / path.name).symlink_to(path)


@pytest.mark.soak
@pytest.mark.slow
def test_the_package_is_installed_from_an_index_and_answers(
    package_index: str, tmp_path: Path
) -> None:
    """As pipx and uvx do it: an environment of its own, and the package's commands. What it
    requires of others is linked from this environment, since PyTorch alone takes minutes to
    download.
    """
    environment_folder = tmp_path / "environment"
    venv.create(environment_folder, with_pip=True)
    (packages,) = environment_folder.glob("lib/python*/site-packages")
    for package in packages.glob("setuptools*"):
        shutil.rmtree(package)  # Python 3.11's own is older than PyTorch requires
    names = ("PATH", "HOME", "LANG", "OMP_NUM_THREADS")
    environment = {name: os.environ[name] for name in names if name in os.environ}

    def run(name: str, *arguments: str, code: int = 0, **variables: str) -> str:
        process = subprocess.run(
            [str(environment_folder / "bin" / name), *arguments],
            cwd=tmp_path,
            env={**environment, **variables},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert process.returncode == code, process.stderr
        return process.stderr if code else process.stdout

    linked = tmp_path / "required"
    linked.mkdir()
    required(linked)
    (packages / "required.pth").write_text(str(linked))
    run("pip", "install", "--quiet", "--index-url", package_index, "quoterag")
    where = run(
        "python", "-c", "import rag, quoterag_accurate as a; print(rag.__file__, *a.__path__)"
    )
    assert all(Path(path).is_relative_to(packages) for path in where.split())
    assert __version__ in run("quoterag", "--version")
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers/lease.md").write_text("# Lease\n\nThe lease ends on 31 March 2028.\n")
    assert "1 added" in run("rag", "ingest", "papers")
    question = "When does the lease end?"
    assert run("quoterag", "ask", question).startswith("31 March 2028")

    run("pip", "uninstall", "--quiet", "--yes", "quoterag-accurate")
    version = tomllib.loads((WEIGHTS / "pyproject.toml").read_text())["project"]["version"]
    line = (
        f"run: pip install quoterag-accurate=={version}; or use the small reader: RAG_READER=fast"
    )
    assert line in run("quoterag", "ask", question, code=4)
    assert run("quoterag", "ask", question, RAG_READER="fast").startswith("31 March 2028")
