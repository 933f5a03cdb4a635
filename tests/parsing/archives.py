"""Files for tests: archives, and what other libraries save."""

from __future__ import annotations

import io
import zipfile
from typing import Any


def zipped(files: dict[str, bytes | str]) -> bytes:
    """A compressed .zip of these files."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()


def saved(made: Any) -> bytes:
    """The file of a document that its library writes with `save`."""
    kept = io.BytesIO()
    made.save(kept)
    return kept.getvalue()
