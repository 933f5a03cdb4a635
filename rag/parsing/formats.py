"""Chooses the parser for a file, and imports it on use, since some need heavy libraries."""

import hashlib
import importlib
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from rag.errors import install_line
from rag.parsing.base import ParseError


@dataclass(frozen=True, slots=True)
class Format:
    """A file format; the filter "type" compares `name`. Its module in this package has, by
    category, for

    - text: `parse(text) -> Parsed`
    - binary: `parse(content) -> Parsed`
    - container: `parts(content) -> Iterator[Member]`; for "gz", `unpack(content, limit) -> bytes`

    `parse` of HTML and PDF drops boilerplate, unless it gets True as second argument.
    """

    name: str
    module: str
    category: str

    def load(self) -> Any:
        """Import the module. Raises ParseError if a library of an extra is missing."""
        try:
            return importlib.import_module(f"rag.parsing.{self.module}")
        except ModuleNotFoundError as error:
            needed = _EXTRAS.get((error.name or "").split(".")[0])
            if needed is None:
                raise
            raise ParseError(
                f"needs a library that is not installed: {install_line(needed)}"
            ) from error


FORMATS = {
    suffix: Format(suffix, module, category)
    for category, module, suffixes in (
        ("text", "plain_text", "txt text log"),
        ("text", "rst", "rst"),
        ("text", "markdown", "md markdown"),
        ("text", "html", "html htm xhtml"),
        ("text", "delimited", "csv tsv"),
        ("text", "jsonl", "json jsonl ndjson"),
        *(("binary", module, module) for module in ("pdf", "docx", "pptx", "xlsx", "epub")),
        ("binary", "mail", "eml"),
        ("binary", "ocr", "png jpg jpeg tif tiff"),
        ("container", "archives", "gz zip"),
        ("container", "mail", "mbox"),
    )
    for suffix in suffixes.split()
}
"""By the suffix of a file's name."""
SUPPORTED = ", ".join(f".{suffix}" for suffix in FORMATS)
UNSUPPORTED = "unsupported format"
"""How the reason begins why a file of another format is not read."""
_EXTRAS = {
    **dict.fromkeys(("docx", "pptx", "openpyxl"), "office"),
    **dict.fromkeys(("rapidocr", "onnxruntime", "PIL"), "ocr"),
}
"""The extra that provides each optional library."""
_OFFICE = {b"word/": "docx", b"ppt/": "pptx", b"xl/": "xlsx"}


def format_of(name: str, content: bytes) -> Format:
    """The format by unmistakable content, else by the name's suffix; a name without one is text.
    Raises ParseError for unsupported formats.
    """
    suffix = _suffix(name)
    extension = _by_content(content, suffix) or suffix or "txt"
    if name.endswith(".rst.txt"):  # Sphinx stores its sources like this
        extension = "rst"
    if extension not in FORMATS:
        raise ParseError(f"{UNSUPPORTED} .{extension}")
    return FORMATS[extension]


def _suffix(name: str) -> str:
    """What follows the last point of a file's name, but not the point of a hidden file."""
    file_name = name.rsplit("/", 1)[-1]
    if "." not in file_name.lstrip("."):
        return ""
    return file_name.rsplit(".", 1)[-1].lower()


def _by_content(content: bytes, suffix: str) -> str | None:
    """The format by content, for the few that are unmistakable."""
    if suffix and suffix not in FORMATS:
        return None  # a disk image may contain anything
    if content.startswith(b"PK\x03\x04"):
        return _zipped(content, suffix)
    if content.startswith(b"%PDF-"):
        return "pdf"
    if content.startswith(b"\x1f\x8b"):
        return "gz"
    return None


def _zipped(content: bytes, suffix: str) -> str:
    """The format of a zip file: an office file or a book is a zip, too."""
    if content[30:58] == b"mimetypeapplication/epub+zip":
        return "epub"
    if suffix in ("docx", "pptx", "xlsx", "epub", "zip"):
        return suffix

    directory = content[-65_536:]  # the directory is at the end
    if b"[Content_Types].xml" not in directory:
        return "zip"
    for folder, kind in _OFFICE.items():
        if folder in directory:
            return kind
    return "zip"


_LIBRARIES = (
    "pypdfium2 markdown-it-py python-docx python-pptx openpyxl lxml pyyaml rapidocr onnxruntime"
).split()


def identity(*limits: int) -> str:
    """A digest of the limits, this package's parsers and the versions of their libraries; it
    changes with any of them, and then an unreadable file may be readable.
    """
    sources: list[tuple[str, int, int]] = []
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        status = path.stat()
        sources.append((path.name, status.st_size, status.st_mtime_ns))
    versions = [_version(name) for name in _LIBRARIES]
    record = repr((limits, sources, versions))
    return hashlib.sha256(record.encode()).hexdigest()[:16]


def _version(library: str) -> str:
    """The version of a library; "" if it is not installed."""
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return ""
