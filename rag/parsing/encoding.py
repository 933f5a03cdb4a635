"""Decodes bytes in any common encoding."""

import codecs
import re

import charset_normalizer

from rag.parsing.base import ParseError

_BOMS = {
    b"\xff\xfe\0\0": "utf-32",
    b"\0\0\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
_LEGACY = (
    "cp1252 cp1250 cp1251 cp1253 cp1254 cp1255 cp1256 iso8859_2 koi8_r cp932 euc_jp gb18030 big5 "
    "cp949"
).split()
"""Encodings of old text files; with all codecs to try, "Café" would be read as EBCDIC."""

_WEB = {
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "gb2312": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
}
"""Encodings that labels mean in practice (WHATWG, "Encoding Standard")."""
_DECLARED = re.compile(rb"(?:charset|encoding)\s*=\s*+(?:[\"']\s*+)?([\w.:-]+)", re.IGNORECASE)
_DECLARING = 2048
"""Number of bytes at the start of a page that may declare its encoding."""


def decode(content: bytes, declared: str | None = None) -> str:
    """Decode text by its byte order mark, as UTF-8, in the `declared` encoding, or in the most
    likely one. Raises ParseError if it is binary.
    """
    codec = _codec_of_mark(content)
    if codec is None and b"\0" in content:
        codec = _utf16_without_mark(content)
    try:
        text = content.decode(codec or "utf-8-sig")
    except UnicodeDecodeError:
        decoded = _decode_named(content, declared)
        text = _decode_legacy(content) if decoded is None else decoded
    if "\0" in text:
        raise ParseError("is binary, not text")
    return text


def _codec_of_mark(content: bytes) -> str | None:
    """The codec that the byte order mark at the beginning means."""
    for mark, codec in _BOMS.items():
        if content.startswith(mark):
            return codec
    return None


def _utf16_without_mark(content: bytes) -> str:
    """UTF-16 without a byte order mark has a zero in nearly every second byte, and nowhere else.
    Raises ParseError for other bytes.
    """
    at_even, at_odd = content[::2], content[1::2]
    for zeros, letters, codec in ((at_odd, at_even, "utf-16-le"), (at_even, at_odd, "utf-16-be")):
        is_whole = len(zeros) == len(letters)
        if is_whole and zeros.count(0) > 0.7 * len(zeros) and not letters.count(0):
            return codec
    raise ParseError("is binary, not text")


def decode_page(content: bytes) -> str:
    """Decode a web page, as it declares if it is not UTF-8. Raises ParseError if it is binary."""
    declared = _DECLARED.search(content[:_DECLARING])
    return decode(content, declared[1].decode() if declared else None)


def decode_as(content: bytes, charset: str | None) -> str:
    """Decode text in the named encoding, if it is valid. Raises ParseError if it is not text."""
    text = _decode_named(content, charset)
    return decode(content) if text is None else text


def _decode_named(content: bytes, charset: str | None) -> str | None:
    """None if the name is unknown, adds nothing to UTF-8, or does not fit."""
    try:
        codec = codecs.lookup(charset).name if charset else "ascii"
        if codec not in ("utf-8", "ascii", "rot13"):
            return content.decode(_WEB.get(codec, codec)).replace("\0", "")
    except (LookupError, ValueError, TypeError):  # TypeError: codecs that do not produce text
        pass
    return None


def _decode_legacy(content: bytes) -> str:
    """Decode in the most likely encoding, or an equally likely Windows-1252; or ParseError."""
    matches = charset_normalizer.from_bytes(content, cp_isolation=_LEGACY)
    guess = matches.best()
    if guess is None:
        raise ParseError("is not text in any known encoding")

    codec = guess.encoding
    western = next((match for match in matches if "cp1252" in match.could_be_from_charset), None)
    if western and western.chaos <= guess.chaos:
        is_as_coherent = western.coherence >= guess.coherence - 0.05
        if is_as_coherent:
            codec = "cp1252"
    try:
        return content.decode(codec)
    except UnicodeDecodeError:  # it tests only samples of large files
        raise ParseError("is not text in any known encoding") from None
