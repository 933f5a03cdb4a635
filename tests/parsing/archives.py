"""Files for tests: archives, and what other libraries save."""

import io
import zipfile
from typing import Any


def zipped(files: dict[str, bytes | str]) -> bytes:
    """A compressed .zip of these files."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def saved_bytes(document: Any) -> bytes:
    """The file of a document that its library writes with `save`."""
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()
