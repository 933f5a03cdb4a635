"""The REPL in a pipe: one question per line in, one answer per line out, without buffering."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import BinaryIO, TextIO

from rag.errors import InputError
from rag.render.sanitize import clean, flat, takes_all
from rag.repl.session import Session
from rag.types import Answer, plain

_BYTE_ORDER_MARK = "\ufeff"


def run(session: Session, lines: Iterable[bytes] | BinaryIO, out: TextIO) -> int:
    """Returns 0 if every question was answered, 1 if one was not, 2 if one was invalid. Blank lines
    are skipped.

    Raises RagError for problems with the index or a model.
    """
    worst = 0
    for number, line in enumerate(lines):
        asked = (
            line.decode("utf-8", "surrogateescape")
            .removeprefix("" if number else _BYTE_ORDER_MARK)
            .strip()
        )
        if asked:
            code, said = _one(session, asked, not takes_all(out))
            worst = max(worst, code)
            out.write(said + "\n")
            out.flush()
    return worst


def _one(session: Session, asked: str, escaped: bool) -> tuple[int, str]:
    try:
        answer = session.ask(asked, session.understand(asked).question)
    except InputError as error:
        return 2, _wrong(
            asked, error, escaped
        ) if session.as_json else f"error\t\t{clean(error.message)}"
    session.exchanges.clear()  # the input may be long
    said = (
        json.dumps({"asked": asked, **plain(answer)}, ensure_ascii=escaped)
        if session.as_json
        else _line(answer)
    )
    return int(answer.text is None), said


def _wrong(asked: str, error: InputError, escaped: bool) -> str:
    said = asked.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return json.dumps(
        {"question": said, "error": error.message, "hint": error.hint}, ensure_ascii=escaped
    )


def _line(answer: Answer) -> str:
    """Answer, confidence, and source or reason, separated by tabs."""
    if answer.text is None:
        return f"not found\t{answer.confidence:.2f}\t{flat(answer.abstention_reason or '')}"
    first = answer.citations[0]
    source = f"{flat(first.document_id)}:{first.start}-{first.end}"
    return f"{flat(answer.text)}\t{answer.confidence:.2f}\t{source}"
