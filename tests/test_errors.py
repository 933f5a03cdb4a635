"""The commands in error hints are valid."""

import shlex
import tomllib
from pathlib import Path

from rag.errors import DISTRIBUTION, install_line

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_install_command_names_this_packages_source() -> None:
    assert PROJECT["name"] == DISTRIBUTION
    assert shlex.split(install_line("office")) == ["pip", "install", "-e", f"{ROOT}[office]"]
    assert shlex.split(install_line()) == ["pip", "install", "-e", str(ROOT)]


def test_no_message_names_the_package_indexs_rag() -> None:
    for path in [*(ROOT / "rag").rglob("*.py"), ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        assert "install 'rag" not in path.read_text(encoding="utf-8"), path
        assert "install rag" not in path.read_text(encoding="utf-8"), path
