"""Mail: a message is a document with its subject as title; a mailbox contains messages."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from email.message import EmailMessage, Message
from email.parser import BytesParser
from email.policy import EmailPolicy
from functools import partial
from typing import Any

from rag.parsing.base import Member, Parsed, ParseError, Part, join, one_line
from rag.parsing.encoding import decode_as
from rag.parsing.html import fragment

_FROM = re.compile(rb"(?:\A|(?<=\n\n)|(?<=\n\r\n))From [^\r\n]*\r?\n")
_ESCAPED = re.compile(rb"^>(>*From )", re.MULTILINE)
_HEADERS = "message headers"
_QUOTED = "quoted text"
_SIGNATURE = "signature"
"""Sections of a message that its sender did not write."""
_ALL_BELOW = re.compile(
    r"(?i)-{2,} ?(?:Original Message|Forwarded message|Original-Nachricht)|Begin forwarded message:"
)
_QUOTED_BELOW = re.compile(r"(?i)(?:On|Am|Le) .{6,200}(?:wrote|schrieb.{0,100}|écrit) ?:\s*\Z")
"""What introduces quotations: all lines below it, or those that are marked."""
_LONGEST_HEADER = 4000
_SHOWN_HEADERS = ("From", "To", "Cc", "Date")
_METADATA = {"From": "author", "Date": "date", "Subject": "title", "To": "to"}


def parts(content: bytes) -> Iterator[Member]:
    """Messages of a mailbox, numbered from 1. Raises ParseError if it is not a mailbox."""
    from_lines = list(_FROM.finditer(content))
    if not from_lines or content[: from_lines[0].start()].strip():
        raise ParseError("is not a mailbox: it does not begin with a From line")

    ends = [line.start() for line in from_lines[1:]]
    ends.append(len(content))
    for number, (line, end) in enumerate(zip(from_lines, ends, strict=True), 1):
        message = _ESCAPED.sub(rb"\1", content[line.end() : end])
        yield Member(f"{number:05}.eml", partial(_whole_message, message))


def _whole_message(message: bytes, limit: int) -> bytes:
    """A message; it is a part of a file that was short enough."""
    return message


class _Bounded(EmailPolicy):
    """Keeps long headers unparsed, since the library needs quadratic time for their grammar."""

    def header_fetch_parse(self, name: str, value: str) -> Any:
        """A header that is read: its text if it is long, else an object with its parts."""
        if len(value) > _LONGEST_HEADER:
            return value
        return super().header_fetch_parse(name, value)


def parse(content: bytes) -> Parsed:
    """Subject, headers and body, preferably plain. Raises ParseError if it has no headers."""
    message: Any = BytesParser(policy=_Bounded()).parsebytes(content)
    headers = _headers(message)
    if not any(headers.values()):
        raise ParseError("is not a message: it has no headers")

    parts = [
        Part(headers["Subject"], 1),
        Part(_lines(headers, _SHOWN_HEADERS), context=(_HEADERS,)),
        *_body(message),
    ]
    attached = [name for name in map(_name, message.walk()) if name]
    if attached:
        parts.append(Part(f"Attachments: {', '.join(attached)}"))
    text, blocks = join(parts)

    metadata: dict[str, str] = {}
    for name, key in _METADATA.items():
        if headers[name]:
            metadata[key] = headers[name]
    return Parsed(text, blocks, metadata)


def _headers(message: Message) -> dict[str, str]:
    """The headers that are read, "" for those that the message lacks."""
    return {name: _header(message, name) for name in ("Subject", *_SHOWN_HEADERS)}


def _lines(headers: Mapping[str, str], names: Iterable[str]) -> str:
    """A line for each of the headers that has a value."""
    lines = [f"{name}: {headers[name]}" for name in names if headers[name]]
    return "\n".join(lines)


def _header(message: Message, name: str) -> str:
    """A header as text; broken ones, which the library rejects, unchanged."""
    try:
        return one_line(str(message.get(name, "")))
    except Exception:
        return one_line(_unparsed_header(message, name))


def _unparsed_header(message: Message, name: str) -> str:
    for key, value in message.raw_items():
        if key.lower() == name.lower():
            return str(value)
    return ""


def _name(part: Message) -> str:
    """The file name of a part; "" if it is no attachment."""
    try:
        return part.get_filename() or ""
    except Exception:
        return ""


def _body(message: EmailMessage) -> Iterator[Part]:
    """Every readable part that is not an attachment; the plain one of several alternatives."""
    stack: list[Message] = [message]
    while stack:
        part = stack.pop()
        kind = part.get_content_type()
        if part.is_multipart():
            inner_parts = [child for child in part.get_payload() if isinstance(child, Message)]
            if kind == "message/rfc822":  # an attached one keeps its headers
                for child in inner_parts:
                    headers = _headers(child)
                    yield Part(_lines(headers, headers))
            if kind == "multipart/alternative":
                inner_parts = _preferred(inner_parts)
            stack += reversed(inner_parts)
        elif kind in ("text/plain", "text/html") and not _name(part):
            text = _text(part)
            is_page = kind == "text/html"
            yield from fragment(text) if is_page else _text_parts(text)


def _preferred(alternatives: list[Message]) -> list[Message]:
    """The ones in plain text, if any has text; else all."""
    plain_parts: list[Message] = []
    for part in alternatives:
        if part.get_content_type() == "text/plain" and _text(part).strip():
            plain_parts.append(part)
    return plain_parts or alternatives


def _text_parts(text: str) -> Iterator[Part]:
    """The sender's text, and separately the quoted text and the signature."""
    lines: list[str] = []
    context: tuple[str, ...] = ()
    for line in text.split("\n"):
        last_context = context
        context = _context(line, last_context, lines)
        if context != last_context and lines:
            yield Part("\n".join(lines), context=last_context)
            lines = []
        lines.append(line)
    yield Part("\n".join(lines), context=context)


def _context(line: str, last_context: tuple[str, ...], part: Sequence[str]) -> tuple[str, ...]:
    """The section that a line is in, after the lines of a part that are in `last_context`."""
    if line.startswith(">") or _QUOTED_BELOW.match(line) or _ALL_BELOW.match(line):
        return (_QUOTED,)
    if line in ("-- ", "--"):
        return (_SIGNATURE,)

    is_own_line = line.strip() and last_context == (_QUOTED,)
    if is_own_line and not (part and _ALL_BELOW.match(part[0])):
        return ()
    return last_context


def _text(part: Message) -> str:
    """The decoded text of a part; "" if it has none."""
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return ""
    return decode_as(payload, part.get_content_charset()).replace("\r\n", "\n")
