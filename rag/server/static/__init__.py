"""The page at `/`: a single document assembled from its parts, which loads nothing else."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

_FOLDER = Path(__file__).parent
_NAMES = "dom text threads answer render viewer sources proofs writer check grids app"
SCRIPTS = tuple(f"{name}.js" for name in _NAMES.split())
"""Concatenated in this order."""


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


STYLE = _read("style.css")
SCRIPT = "\n".join(map(_read, SCRIPTS))
HTML = _read("index.html").replace("/* style */", STYLE).replace("/* script */", SCRIPT)
POLICY = "; ".join(
    [
        "default-src 'none'",
        f"script-src {_digest(SCRIPT)}",
        f"style-src {_digest(STYLE)}",
        "connect-src 'self'",
        "img-src data: blob:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    ]
)
"""Content security policy: the page's own script and style, and its own service."""
