"""Measures the shape of the code: python -m eval.style [--check]

--check exits with status 1 if a bound is broken. A node is a node of Python's syntax tree: it
measures a function independently of line breaks. Starlette's functions have 41 nodes at the median
and 178 at the 90th percentile, click's 49 and 172. The bounds may only come down: to 55 nodes at
the median and 7.5 nodes a line.
"""

from __future__ import annotations

import argparse
import ast
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
_FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
_PAIRS = frozenset(("__init__.py", "__main__.py"))
_STORES = ("rag/store/local/", "rag/store/postgres/")
_FORMATS = "rag/parsing/"
_PRAGMA = re.compile(r"\s*# (?:noqa|type: ignore)\b.*")


@dataclass(frozen=True, slots=True)
class Figure:
    name: str
    value: float
    bound: float | None = None
    names: tuple[str, ...] = ()

    @property
    def is_kept(self) -> bool:
        return self.bound is None or self.value <= self.bound

    def __str__(self) -> str:
        bound = "" if self.bound is None else f"  (at most {self.bound:g})"
        names = "".join(f"\n      {name}" for name in self.names)
        return f"{'  ' if self.is_kept else '! '}{self.name:34}{self.value:>8g}{bound}{names}"


def figures(root: Path = ROOT) -> list[Figure]:
    files = _tracked(root)
    package = {name: text for name, text in files.items() if name.startswith("rag/")}
    tests = {name: text for name, text in files.items() if name.startswith("tests/")}
    trees = {name: ast.parse(text) for name, text in package.items()}
    sizes = sorted(
        sum(1 for _ in ast.walk(node))
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, _FUNCTION)
    )
    nodes = sum(1 for tree in trees.values() for _ in ast.walk(tree))
    lines = {name: text.count("\n") for name, text in package.items()}
    long_files = sorted((name for name in lines if lines[name] > 320), key=lambda name: lines[name])
    top = {name.split("/")[1] for name in package}
    classes, names = _twice(trees), _same_name(package)
    return [
        Figure("entries at the top of rag/", len(top), 24),
        Figure("nodes of the median function", sizes[len(sizes) // 2], 71),
        Figure("nodes of a function, 90th percentile", sizes[len(sizes) * 9 // 10], 189),
        Figure("nodes a line", round(nodes / sum(map(_code_lines, package.values())), 2), 8),
        Figure("characters of the longest line", max(map(_widest, files.values())), 100),
        Figure(
            "lines of the longest file",
            max(lines.values()),
            320,
            tuple(f"{name} {lines[name]}" for name in long_files),
        ),
        Figure("type names defined twice", len(classes), 0, classes),
        Figure("file names that occur twice", len(names), 0, names),
        Figure("lines in rag/", sum(lines.values())),
        Figure("lines in tests/", sum(text.count("\n") for text in tests.values())),
    ]


def _tracked(root: Path) -> dict[str, str]:
    listed = subprocess.run(
        ["git", "ls-files", "rag/*.py", "tests/*.py", "eval/*.py"],
        cwd=root, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return {
        name: (root / name).read_text(encoding="utf-8")
        for name in listed.stdout.split()
        if (root / name).exists()
    }


def _code_lines(text: str) -> int:
    return sum(1 for line in text.splitlines() if line.strip())


def _widest(text: str) -> int:
    """As ruff counts: without a comment that a tool reads, which cannot be broken."""
    return max((len(_PRAGMA.sub("", line)) for line in text.splitlines()), default=0)


def _twice(trees: dict[str, ast.Module]) -> tuple[str, ...]:
    """Classes and type aliases that more than one module defines at its top level."""
    homes = defaultdict(set)
    for path, tree in trees.items():
        for name in _types(tree.body):
            homes[name].add(path.removeprefix("rag/"))
    return _listed(homes)


def _types(body: Iterable[ast.stmt]) -> Iterable[str]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.If):  # if TYPE_CHECKING
            yield from _types(node.body)
        elif isinstance(node, ast.AnnAssign) and "TypeAlias" in ast.unparse(node.annotation):
            yield ast.unparse(node.target)


def _same_name(package: Iterable[str]) -> tuple[str, ...]:
    """File names in more than one folder, except one-per-format and one-per-store pairs."""
    homes = defaultdict(set)
    for path in package:
        folder, _, name = path.rpartition("/")
        if name not in _PAIRS:
            homes[name].add(f"{folder}/".removeprefix("rag/"))
    paired = {
        name
        for name, folders in homes.items()
        if len({"stores" if f"rag/{f}" in _STORES else "formats" if f"rag/{f}" == _FORMATS else f
                for f in folders}) == 1
    }  # fmt: skip
    return _listed({name: folders for name, folders in homes.items() if name not in paired})


def _listed(homes: dict[str, set[str]]) -> tuple[str, ...]:
    return tuple(
        f"{name}: {', '.join(sorted(found))}"
        for name, found in sorted(homes.items())
        if len(found) > 1
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--check", action="store_true", help="exit with 1 if a bound is broken")
    check = options.parse_args().check
    found = figures()
    print(*found, sep="\n")
    if check and not all(figure.is_kept for figure in found):
        sys.exit(1)


if __name__ == "__main__":
    main()
