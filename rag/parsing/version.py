"""A digest of how files are read: after a parser changed, an unreadable file may be readable."""

from __future__ import annotations

import hashlib
from importlib import metadata
from pathlib import Path

_LIBRARIES = (
    "pypdfium2 markdown-it-py python-docx python-pptx openpyxl lxml pyyaml rapidocr onnxruntime"
).split()


def identity(*limits: int) -> str:
    """A digest of the limits, this package's parsers and the versions of their libraries; it
    changes with any of them."""
    sources = [
        (path.name, path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(Path(__file__).parent.rglob("*.py"))
    ]
    record = repr((limits, sources, [_version(name) for name in _LIBRARIES]))
    return hashlib.sha256(record.encode()).hexdigest()[:16]


def _version(library: str) -> str:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return ""
