"""Files into documents: which files, their bytes, their encoding, and the parser for their kind."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import charset_normalizer
from bs4.exceptions import ParserRejectedMarkup

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
_LEGACY = ("cp1252 cp1250 cp1251 cp1253 cp1254 cp1255 cp1256 iso8859_2 koi8_r cp932 euc_jp gb18030 big5 cp949").split()
"""What old text files are in. Left to choose among all of Python's codecs, charset-normalizer reads "Caf\u00e9" as EBCDIC."""


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
        if not os.path.exists(path):  # not Path.exists: that raises for a name too long or a folder without access
            raise NotFoundError(f"no such file or folder: {path}", "check the path; rag ingest takes files and folders")
    for path in paths:
        root = path.resolve()
        if root.is_file():
            yield Found(root, _id(name or root.parent.name, root.name))
        else:
            yield from _walk(root, name or root.name)


def _id(folder: str, inside: str) -> str:
    """Folder and path; bytes of a file name that are not UTF-8 are written as \\xe9."""
    return os.fsencode(f"{folder}/{inside}" if folder else inside).decode("utf-8", "backslashreplace")


def _walk(root: Path, folder_name: str) -> Iterator[Found]:
    if not os.access(root, os.R_OK | os.X_OK):
        raise InputError(f"folder {root} cannot be read", f"give yourself access: chmod u+rx {root}")
    closed: list[OSError] = []
    for folder, folders, names in os.walk(root, onerror=closed.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(name for name in names if not name.startswith(".")):
            path = Path(folder, name)
            if os.path.isfile(path):
                yield Found(path, _id(folder_name, path.relative_to(root).as_posix()))
    for path in (Path(error.filename) for error in closed):  # found too, so that it is reported and not passed over
        yield Found(path, _id(folder_name, path.relative_to(root).as_posix()))


def read(found: Found) -> Document:
    """The document in a file. Raises Unreadable for another kind of file, binary content, or nothing to read."""
    if os.path.isdir(found.path):
        raise Unreadable("is a folder that cannot be opened")
    parser = PARSERS.get(found.path.suffix.lower())
    if parser is None:
        raise Unreadable(f"unsupported kind {found.path.suffix or '(no suffix)'}")
    if not _is_utf8(str(found.path)):
        raise Unreadable("has a name that is not UTF-8; rename it")
    try:
        content = found.path.read_bytes()
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror}") from error
    try:
        text, sections, metadata = parser(decode(content))
    except RecursionError:
        raise Unreadable("is nested too deeply") from None
    except ParserRejectedMarkup as error:
        raise Unreadable("is not HTML") from error
    if not text.strip():
        raise Unreadable("holds no text")
    title = " ".join(metadata.pop("title", "").split()) or found.path.stem
    digest = hashlib.sha256(content).hexdigest()
    metadata |= {"type": found.path.suffix.lower().lstrip(".")}
    return Document(found.document_id, text, title, str(found.path), digest, metadata, sections)


def _is_utf8(name: str) -> bool:
    try:
        return bool(name.encode())
    except UnicodeEncodeError:
        return False


def decode(content: bytes) -> str:
    """Text of any common encoding: by its byte order mark, as UTF-8, or by the likeliest. Raises Unreadable if binary."""
    bom = next((codec for mark, codec in _BOMS.items() if content.startswith(mark)), None)
    if bom is None and b"\0" in content:
        raise Unreadable("is binary, not text")
    try:
        text = content.decode(bom or "utf-8-sig")
    except UnicodeDecodeError:
        text = _decode_legacy(content)
    if "\0" in text:
        raise Unreadable("is binary, not text")
    return text


def _decode_legacy(content: bytes) -> str:
    """By the likeliest encoding; by Windows-1252, the commonest by far, where that is as likely. Raises Unreadable."""
    matches = charset_normalizer.from_bytes(content, cp_isolation=_LEGACY)
    best = matches.best()
    if best is None:
        raise Unreadable("is not text in any known encoding")
    western = next((match for match in matches if "cp1252" in match.could_be_from_charset), None)
    is_western = western and western.chaos <= best.chaos and western.coherence >= best.coherence - 0.05
    try:
        return content.decode("cp1252" if is_western else best.encoding)
    except UnicodeDecodeError:  # of a large file it has tried only samples
        raise Unreadable("is not text in any known encoding") from None
