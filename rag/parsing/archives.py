"""Reads .zip and .gz files without unpacking more than allowed."""

import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from functools import partial
from typing import Any

from rag.parsing.base import Member, ParseError

_MOST_PARTS = 50_000
_STEP = 1 << 20
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Line breaks, control characters and signs of direction, which would disguise an id."""
_HIDDEN_NAME = re.compile(r"(?:^|/)(?:\.|__MACOSX/)")


def unpack(content: bytes, limit: int) -> bytes:
    """The unpacked .gz file. Raises ParseError if it is broken or has more than `limit` bytes."""
    output = bytearray()
    remaining_bytes = content
    while remaining_bytes.startswith(b"\x1f\x8b"):
        stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
        for step in _unpacked_bytes(stream, remaining_bytes):
            output += step
            if len(output) > limit:
                raise ParseError(f"unpacks to more than {limit / 1e6:,.0f} MB")
        remaining_bytes = stream.unused_data.lstrip(b"\0")  # padding, as on tapes
    return bytes(output)


def _unpacked_bytes(stream: Any, content: bytes) -> Iterator[bytes]:
    """The bytes of a `zlib.decompressobj`, step by step. Raises ParseError if it is broken."""
    tail = content
    while not stream.eof:
        try:
            step = stream.decompress(tail, _STEP)
        except zlib.error as error:
            raise ParseError(f"is not a readable gz file: {error}") from error
        yield step
        tail = stream.unconsumed_tail
        if not step and not tail and not stream.eof:
            raise ParseError("is a truncated gz file")


def parts(content: bytes) -> Iterator[Member]:
    """Files of a .zip that are not hidden. Raises ParseError if it is broken or has too many."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise ParseError(f"is not a readable zip file: {error}") from error
    files = [info for info in archive.infolist() if not info.is_dir()]
    if len(files) > _MOST_PARTS:
        raise ParseError(f"contains more than {_MOST_PARTS:,} files")

    for info in files:
        name = _safe_name(info.filename)
        if name and not _HIDDEN_NAME.search(name):
            yield Member(name, partial(_content, archive, info))


def _safe_name(path: str) -> str:
    """The path within the archive, with visible characters only."""
    folders = path.replace("\\", "/").split("/")
    named_folders = [folder for folder in folders if folder not in ("", ".", "..")]
    return _CONTROL.sub(lambda character: f"%{ord(character[0]):02X}", "/".join(named_folders))


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int) -> bytes:
    """The bytes of a file. Raises ParseError if it cannot be read, or has more than `limit`."""
    is_encrypted = info.flag_bits & 1
    if is_encrypted:
        raise ParseError("is encrypted")
    try:
        with archive.open(info) as file:
            content = file.read(limit + 1)
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, OSError, RuntimeError) as error:
        raise ParseError(f"is broken in the archive: {error}") from error
    if len(content) > limit:
        raise ParseError(f"unpacks, with the files before it, to more than {limit / 1e6:,.0f} MB")
    return content
