"""The gate before texts are shared: the hook for pre-commit and the GitHub action, each run."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

ROOT = Path(__file__).parents[2]
LEASE = "# Lease\n\nThe lease ends on 31 March 2028. The rent is 2,400 euros a month.\n"
FALSE = "The lease ends on 31 March 2029.\n"
TRUE = "The lease ends on 31 March 2028.\n"
pytestmark = pytest.mark.slow


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The variables of a person with `rag` on the path, and with the small reader."""
    programs = Path(sys.executable).parent
    return {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "HOME": str(tmp_path),
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
        "RAG_READER": "fast",
        "GIT_CONFIG_NOSYSTEM": "1",
        "PRE_COMMIT_HOME": str(tmp_path / "pre-commit"),
        **{f"GIT_{who}_NAME": "Ada" for who in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{who}_EMAIL": "ada@example.org" for who in ("AUTHOR", "COMMITTER")},
    }


def ran(
    command: list[str], folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )


def write(folder: Path, **texts: str) -> None:
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}.md").write_text(text, encoding="utf-8")


def committed(folder: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    ran(["git", "add", "."], folder, environment).check_returncode()
    return ran(["git", "commit", "--quiet", "-m", "A note"], folder, environment)


def test_the_hook_stops_a_commit_with_a_false_claim(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    pytest.importorskip("pre_commit")
    hooks, notes = tmp_path / "rag", tmp_path / "notes"
    hooks.mkdir()
    manifest = (ROOT / ".pre-commit-hooks.yaml").read_text()
    (hooks / ".pre-commit-hooks.yaml").write_text(manifest)
    for folder in (hooks, notes):
        ran(["git", "init", "--quiet", str(folder)], tmp_path, environment).check_returncode()
    committed(hooks, environment).check_returncode()
    revision = ran(["git", "rev-parse", "HEAD"], hooks, environment).stdout.strip()
    hook = {"id": "rag-check-installed", "exclude": "^sources/"}
    configured = {"repos": [{"repo": str(hooks), "rev": revision, "hooks": [hook]}]}
    (notes / ".pre-commit-config.yaml").write_text(yaml.safe_dump(configured))
    (notes / ".gitignore").write_text("/index/\n")
    write(notes / "sources", lease=LEASE)
    ran(["rag", "ingest", "sources"], notes, environment).check_returncode()
    ran([sys.executable, "-m", "pre_commit", "install"], notes, environment).check_returncode()

    write(notes, note=FALSE, heading="# Only a heading\n")
    refused = committed(notes, environment)
    assert refused.returncode == 1, refused.stderr
    assert 'says "31 March 2029", sources/lease.md says "31 March 2028"' in refused.stderr
    assert ran(["git", "log"], notes, environment).returncode != 0, "nothing was committed"

    write(notes, note=TRUE)
    passed = committed(notes, environment)
    assert passed.returncode == 0, passed.stderr


def test_both_hooks_run_the_same_command() -> None:
    installs, is_installed = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert (installs["language"], is_installed["language"]) == ("python", "system")
    assert installs["entry"] == is_installed["entry"]


ACTION = yaml.safe_load((ROOT / "action.yml").read_text())


def acted(
    folder: Path, environment: Mapping[str, str], **inputs: str
) -> subprocess.CompletedProcess[str]:
    """The action's steps up to the first that fails, as a runner runs them; the last one's result.

    Inputs have "_" for "-".
    """
    chosen = {name: declared.get("default", "") for name, declared in ACTION["inputs"].items()}
    chosen |= {name.replace("_", "-"): value for name, value in inputs.items()}
    values = {f"inputs.{name}": value for name, value in chosen.items()}
    values["github.action_path"] = str(ROOT)
    runner = folder.parent / "runner"
    runner.mkdir(exist_ok=True)
    files = {name: str(runner / name) for name in ("GITHUB_PATH", "GITHUB_OUTPUT")}
    for step in ACTION["runs"]["steps"]:
        step_variables = {
            name: re.sub(r"\$\{\{ ([\w.-]+) \}\}", lambda match: values[match[1]], value)
            for name, value in step["env"].items()
        }
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        variables = {**environment, **files, "RUNNER_TEMP": str(runner), **step_variables}
        process = ran(command, folder, variables)
        if process.returncode:
            break
    return process


def test_the_action_fails_on_a_false_claim_and_names_it(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    workspace = tmp_path / "work"
    write(workspace)
    write(workspace / "sources", lease=LEASE)
    write(workspace / "a folder", note=FALSE)
    refused = acted(
        workspace, environment, documents="sources\n", files="a folder/**/*.md\nabsent/*.md"
    )
    assert refused.returncode == 1, refused.stderr
    assert 'says "31 March 2029", sources/lease.md says "31 March 2028"' in refused.stdout
    output = dict(
        line.split("=") for line in (tmp_path / "runner/GITHUB_OUTPUT").read_text().splitlines()
    )
    (suite,) = ElementTree.parse(output["junit"]).getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("1", "1")
    assert not (tmp_path / "runner/rag").exists(), "what is installed is used"

    write(workspace / "a folder", note=TRUE)
    assert (
        acted(workspace, environment, documents="sources", files="a folder/note.md").returncode == 0
    )
    nothing = acted(workspace, environment, documents="sources", files="absent/*.md")
    assert (nothing.returncode, nothing.stderr) == (2, "rag: no file matches: absent/*.md\n")


def test_an_input_of_the_action_is_never_run_as_a_command(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step["run"]
    workspace = tmp_path / "work"
    write(workspace)
    write(workspace / "sources", lease=LEASE)
    (workspace / "$(touch made).md").write_text("# Nothing\n")
    process = acted(
        workspace, environment, documents="sources", files="*.md", quotations_only="true"
    )
    assert process.returncode == 0, process.stderr
    assert not (workspace / "made").exists()
