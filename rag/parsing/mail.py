"""Mail: a message is a document with its subject as title; a mailbox contains messages."""

import re
from collections.abc import Iterable, Iterator, Mapping
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
_HEADERS, _QUOTED, _SIGNATURE = "message headers", "quoted text", "signature"
"""Sections of a message that its sender did not write."""
_ALL_BELOW = re.compile(
    r"(?i)-{2,} ?(?:Original Message|Forwarded message|Original-Nachricht)|Begin forwarded message:"
)
_QUOTED_BELOW = re.compile(r"(?i)(?:On|Am|Le) .{6,200}(?:wrote|schrieb.{0,100}|écrit) ?:\s*\Z")
"""What introduces quotations: all lines below it, or those that are marked."""
_LONGEST_HEADER = 4000
_SHOWN = ("From", "To", "Cc", "Date")
_METADATA = {"From": "author", "Date": "date", "Subject": "title", "To": "to"}


def parts(content: bytes) -> Iterator[Member]:
    """Messages of a mailbox, numbered from 1. Raises ParseError if it is not a mailbox."""
    starts = [(match.start(), match.end()) for match in _FROM.finditer(content)]
    if not starts or content[: starts[0][0]].strip():
        raise ParseError("is not a mailbox: it does not begin with a From line")
    ends = [start for start, _ in starts[1:]] + [len(content)]
    for number, ((_, begin), end) in enumerate(zip(starts, ends, strict=True), 1):
        message = _ESCAPED.sub(rb"\1", content[begin:end])
        yield Member(f"{number:05}.eml", partial(lambda mail, limit: mail, message))


class _Bounded(EmailPolicy):
    """Keeps long headers unparsed, since the library needs quadratic time for their grammar."""

    def header_fetch_parse(self, name: str, value: str) -> Any:
        return value if len(value) > _LONGEST_HEADER else super().header_fetch_parse(name, value)


def parse(content: bytes) -> Parsed:
    """Subject, headers and body, preferably plain. Raises ParseError if it has no headers."""
    message: Any = BytesParser(policy=_Bounded()).parsebytes(content)
    headers = _headers(message)
    if not any(headers.values()):
        raise ParseError("is not a message: it has no headers")
    attached = ", ".join(name for part in message.walk() if (name := _name(part)))
    parts = [
        Part(headers["Subject"], 1),
        Part(_lines(headers, _SHOWN), context=(_HEADERS,)),
        *_body(message),
        Part(f"Attachments: {attached}" if attached else ""),
    ]
    metadata = {key: headers[name] for name, key in _METADATA.items() if headers[name]}
    return Parsed(*join(parts), metadata)


def _headers(message: Message) -> dict[str, str]:
    return {name: _header(message, name) for name in ("Subject", *_SHOWN)}


def _lines(headers: Mapping[str, str], names: Iterable[str]) -> str:
    return "\n".join(f"{name}: {headers[name]}" for name in names if headers[name])


def _header(message: Message, name: str) -> str:
    """A header as text; broken ones, which the library rejects, unchanged."""
    try:
        value = str(message.get(name, ""))
    except Exception:
        values = (value for key, value in message.raw_items() if key.lower() == name.lower())
        value = str(next(values, ""))
    return one_line(value)


def _name(part: Message) -> str:
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
            children = [child for child in part.get_payload() if isinstance(child, Message)]
            if kind == "message/rfc822":  # an attached one keeps its headers
                headers = (_headers(child) for child in children)
                yield from (Part(_lines(values, values)) for values in headers)
            as_text = [
                c for c in children if c.get_content_type() == "text/plain" and _text(c).strip()
            ]
            stack += (as_text if kind == "multipart/alternative" and as_text else children)[::-1]
        elif kind in ("text/plain", "text/html") and not _name(part):
            text = _text(part)
            yield from fragment(text) if kind == "text/html" else _plain(text)


def _plain(text: str) -> Iterator[Part]:
    """The sender's text, and separately the quoted text and the signature."""
    part: list[str] = []
    context: tuple[str, ...] = ()
    for line in text.split("\n"):
        quoted = context
        if line.startswith(">") or _QUOTED_BELOW.match(line) or _ALL_BELOW.match(line):
            quoted = (_QUOTED,)
        elif line in ("-- ", "--") or (context == (_SIGNATURE,) and line.strip()):
            quoted = (_SIGNATURE,)
        elif line.strip() and context == (_QUOTED,) and not _ALL_BELOW.match(line):
            quoted = (_QUOTED,) if part and _ALL_BELOW.match(part[0]) else ()
        if quoted != context and part:
            yield Part("\n".join(part), context=context)
            part = []
        context = quoted
        part.append(line)
    yield Part("\n".join(part), context=context)


def _text(part: Message) -> str:
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return ""
    return decode_as(payload, part.get_content_charset()).replace("\r\n", "\n")
