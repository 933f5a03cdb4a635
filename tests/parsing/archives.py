"""Archives for tests."""

from __future__ import annotations

import io
import zipfile


def zipped(files: dict[str, bytes | str]) -> bytes:
    """A compressed .zip of these files."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()
