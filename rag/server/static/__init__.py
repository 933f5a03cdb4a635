"""The page at `/`: a single document assembled from its parts, which loads nothing else."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

_HERE = Path(__file__).parent
SCRIPTS = (
    "dom.js",
    "text.js",
    "threads.js",
    "answer.js",
    "render.js",
    "viewer.js",
    "sources.js",
    "check.js",
    "grids.js",
    "app.js",
)


@dataclass(frozen=True)
class Page:
    style: str
    script: str
    body: str

    @cached_property
    def html(self) -> str:
        return self.body.replace("/* style */", self.style).replace("/* script */", self.script)

    @cached_property
    def policy(self) -> str:
        """Content security policy: only the page's own script and style, by digest, and requests to
        its own service.
        """
        return "; ".join(
            [
                "default-src 'none'",
                f"script-src {_digest(self.script)}",
                f"style-src {_digest(self.style)}",
                "connect-src 'self'",
                "img-src data: blob:",
                "base-uri 'none'",
                "form-action 'none'",
                "frame-ancestors 'none'",
                "require-trusted-types-for 'script'",
            ]
        )


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


PAGE = Page(_read("style.css"), "\n".join(_read(name) for name in SCRIPTS), _read("index.html"))
