"""Pins what the image installs, with hashes:

    python -m eval.lock --out docs/scale-out/requirements.lock

Asks pip to resolve `rag[office,postgres]` for this Python and system, and writes every distribution
with its version and the SHA-256 of the chosen file. `pip install --require-hashes -r
requirements.lock` then installs exactly these files.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from eval.sbom import normalised

_ROOT = Path(__file__).parents[1]


def wanted(extras: str) -> list[str]:
    """The project's requirements from pyproject.toml; an extra of the project is replaced by its
    requirements."""
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements: list[str] = list(project["dependencies"])
    for extra in extras.split(","):
        for requirement in project["optional-dependencies"][extra]:
            own = re.fullmatch(r"\w+\[(.*)\]", requirement)
            requirements += wanted(own[1])[len(project["dependencies"]) :] if own else [requirement]
    return requirements


def resolved(extras: str) -> list[dict[str, Any]]:
    """pip's report of what it would install."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        options = f"-m pip install --quiet --dry-run --ignore-installed --report {report}".split()
        subprocess.run([sys.executable, *options, *wanted(extras)], check=True)
        distributions: list[dict[str, Any]] = json.loads(report.read_text(encoding="utf-8"))[
            "install"
        ]
    return distributions


def lines(installed: list[dict[str, Any]]) -> list[str]:
    """One requirement per distribution, except the project itself."""
    pinned = []
    for row in installed:
        name, version = normalised(row["metadata"]["name"]), row["metadata"]["version"]
        if name != "rag":
            digest = row["download_info"]["archive_info"]["hashes"]["sha256"]
            pinned.append(f"{name}=={version} --hash=sha256:{digest}")
    return sorted(pinned)


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--extras", default="office,postgres")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    pinned = lines(resolved(arguments.extras))
    major, minor, _ = platform.python_version_tuple()
    system = f"Python {major}.{minor}, {platform.system()} {platform.machine()}"
    head = [f"# rag[{arguments.extras}] on {system}; written by: python -m eval.lock"]
    arguments.out.write_text("\n".join(head + pinned) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
