"""What tells one file from another, and one way of reading files from another: what one could not
read, the other may.
"""

from __future__ import annotations

import hashlib
from importlib import metadata
from pathlib import Path

_LIBRARIES = ("pypdfium2", "markdown-it-py", "python-docx", "python-pptx", "openpyxl", "lxml")


def identity(*limits: int) -> str:
    """Changes with the limits, this package's parsers, and the libraries they use, including
    missing ones.
    """
    sources = [
        (path.name, path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(Path(__file__).parent.glob("*.py"))
    ]
    said = repr((limits, sources, [_version(name) for name in _LIBRARIES]))
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def sha256_file(path: Path) -> str:
    """The SHA-256 of the file's bytes, in hex. Raises OSError."""
    with path.open("rb") as file:
        digest: str = hashlib.file_digest(file, "sha256").hexdigest()
    return digest


def _version(library: str) -> str:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return ""
