"""Files into documents: which files, their bytes, their encoding, and the parser for their kind."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import charset_normalizer

from rag.errors import InputError, NotFoundError
from rag.loading import html, markdown, plain
from rag.types import Document, Section

Parser = Callable[[str], tuple[str, tuple[Section, ...], dict[str, str]]]
PARSERS: dict[str, Parser] = {
    ".txt": plain.parse,
    ".text": plain.parse,
    ".md": markdown.parse,
    ".markdown": markdown.parse,
    ".html": html.parse,
    ".htm": html.parse,
}
_BOMS = {b"\xff\xfe\0\0": "utf-32", b"\0\0\xfe\xff": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


class Unreadable(Exception):
    """Why one file cannot be a document. The others go on."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file and the id that its document has: the folder's name, then the path inside the folder."""

    path: Path
    document_id: str


def find(paths: list[Path], name: str | None = None) -> Iterator[Found]:
    """The files under `paths`, in order, hidden ones left out; `name` takes the place of the folder's own name in ids.

    Raises NotFoundError for a path that is not there.
    """
    for path in paths:
        if not path.exists():
            raise NotFoundError(f"no such file or folder: {path}", "check the path; rag ingest takes files and folders")
    for path in paths:
        root = path.resolve()
        if root.is_file():
            yield Found(root, _id(name or root.parent.name, root.name))
        else:
            yield from _walk(root, name or root.name)


def _id(folder: str, inside: str) -> str:
    return f"{folder}/{inside}" if folder else inside


def _walk(root: Path, name: str) -> Iterator[Found]:
    if not os.access(root, os.R_OK | os.X_OK):
        raise InputError(f"folder {root} cannot be read", f"give yourself access: chmod u+rx {root}")
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(inner for inner in folders if not inner.startswith("."))
        for file in sorted(file for file in names if not file.startswith(".")):
            path = Path(folder, file)
            if path.is_file():
                yield Found(path, _id(name, path.relative_to(root).as_posix()))


def read(found: Found) -> Document:
    """The document in a file. Raises Unreadable for another kind of file, binary content, or nothing to read."""
    parser = PARSERS.get(found.path.suffix.lower())
    if parser is None:
        raise Unreadable(f"unsupported kind {found.path.suffix or '(no suffix)'}")
    try:
        content = found.path.read_bytes()
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror}") from error
    text, sections, metadata = parser(decode(content))
    if not text.strip():
        raise Unreadable("holds no text")
    title = metadata.pop("title", "").strip() or found.path.stem
    digest = hashlib.sha256(content).hexdigest()
    metadata |= {"type": found.path.suffix.lower().lstrip(".")}
    return Document(found.document_id, text, title, str(found.path), digest, metadata, sections)


def decode(content: bytes) -> str:
    """Text of any common encoding: by its byte order mark, as UTF-8, or by the likeliest. Raises Unreadable if binary."""
    bom = next((codec for mark, codec in _BOMS.items() if content.startswith(mark)), None)
    if bom is None and b"\0" in content:
        raise Unreadable("is binary, not text")
    with contextlib.suppress(UnicodeDecodeError):
        return content.decode(bom or "utf-8-sig")
    best = charset_normalizer.from_bytes(content).best()
    if best is None:
        raise Unreadable("is not text in any known encoding")
    return str(best)
