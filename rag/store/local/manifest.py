"""`derived.json`: state of the saved search indexes, with the digest of each file. Files that do
not match are not used.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rag.parsing.version import sha256_file

NAME, VECTORS, LEXICAL = "derived.json", "vectors.faiss", "lexical"
_FORMAT = 4
OLDER = "they have an older format"


@dataclass(frozen=True, slots=True)
class Manifest:
    """`generation` is the generation of the full text, with no passage id above `last`; `vectors`
    is that of the vectors' file, which lacks `behind` changed passages. Generations are decimal, or
    "" if nothing is saved.
    """

    generation: str = ""
    last: int = 0
    vectors: str = ""
    behind: int = 0
    files: Mapping[str, str] = field(default_factory=dict)
    older: bool = False
    """whether the saved files have an older version's format"""

    def __bool__(self) -> bool:
        return self.generation != ""

    def problem(self, folder: Path) -> str:
        """Description of the first file that does not match its digest, or "". Raises OSError."""
        if self.older:
            return OLDER
        if not self:
            return f"{NAME} is missing, broken or from another index"
        for name, known in self.files.items():
            if sha256_file(folder / name) != known:
                return f"{name} has changed since it was written"
        return ""


def read(folder: Path, store: str) -> Manifest:
    """The manifest; empty if there is none, or if it belongs to another store or version."""
    try:
        found = json.loads((folder / NAME).read_bytes())
        if found["store"] != store or int(found["format"]) > _FORMAT:
            return Manifest()
        if int(found["format"]) < _FORMAT:
            return Manifest(older=True)
        files = {str(name): str(known) for name, known in found["files"].items()}
        return Manifest(
            str(found["generation"]),
            int(found["last"]),
            str(found["vectors"]),
            int(found["behind"]),
            files,
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return Manifest()


def sign(folder: Path, store: str, manifest: Manifest, vectors_saved: bool) -> None:
    """Write the manifest with the digests of new files. Segments of the full text never change once
    they are written.

    `manifest.files` holds the digests known so far.
    """
    _open_to_readers(folder)
    known, names = manifest.files, _segments(folder)
    files = {name: known.get(name) or sha256_file(folder / name) for name in names}
    for name, changed in ((VECTORS, vectors_saved), (f"{LEXICAL}/meta.json", True)):
        files[name] = sha256_file(folder / name) if changed or name not in known else known[name]
    values: dict[str, Any] = {
        "format": str(_FORMAT),
        "store": store,
        "generation": manifest.generation,
        "last": manifest.last,
    }
    values |= {"vectors": manifest.vectors, "behind": manifest.behind, "files": files}
    partial = folder / "derived.partial"
    partial.write_text(json.dumps(values))
    partial.replace(folder / NAME)


def _open_to_readers(folder: Path) -> None:
    """Give Tantivy's file lists, which only their creator can read, the permissions of the
    database.
    """
    mode = (folder / VECTORS).stat().st_mode & 0o666
    for path in (folder / LEXICAL).glob("*.json"):
        with suppress(OSError):
            if path.stat().st_mode & 0o666 != mode:
                path.chmod(mode)


def _segments(folder: Path) -> list[str]:
    names = (path.name for path in (folder / LEXICAL).iterdir())
    return [f"{LEXICAL}/{name}" for name in names if not name.endswith((".json", ".lock"))]
