"""Folders of small files."""

from pathlib import Path

from rag.protocols import Store

ALL = ["docs/a.txt", "docs/b.md", "docs/sub/c.html"]
"""The documents of the fixture `docs`."""


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"Sardines swim near {Path(name).name}.\n")
    return folder


def sources(store: Store) -> dict[str, str]:
    return {document.id: document.source for document in store.documents()}


def content(folder: Path) -> bytes:
    """The content of all files below the folder."""
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())
