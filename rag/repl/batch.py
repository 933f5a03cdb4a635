"""The REPL in a pipe: one question per line in, one answer per line out, without buffering."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import BinaryIO, TextIO

from rag.errors import InputError
from rag.render.status import clean, flat, takes_all
from rag.repl.session import ReplSession
from rag.types import Answer, plain

_BYTE_ORDER_MARK = "\ufeff"


def run(session: ReplSession, lines: Iterable[bytes] | BinaryIO, out: TextIO) -> int:
    """Returns 0 if every question was answered, 1 if one was not, 2 if one was invalid. Blank lines
    are skipped.

    Raises RagError for problems with the index or a model.
    """
    worst = 0
    for number, line in enumerate(lines):
        text = line.decode("utf-8", "surrogateescape")
        if question := text.removeprefix("" if number else _BYTE_ORDER_MARK).strip():
            code, output = _one(session, question, not takes_all(out))
            worst = max(worst, code)
            out.write(output + "\n")
            out.flush()
    return worst


def _one(session: ReplSession, question: str, escaped: bool) -> tuple[int, str]:
    try:
        answer = session.ask(question, session.understand(question))
    except InputError as error:
        if not session.as_json:
            return 2, f"error\t\t{clean(error.message)}"
        text = question.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        value = {"question": text, "error": error.message, "hint": error.hint}
        return 2, json.dumps(value, ensure_ascii=escaped)
    session.exchanges.clear()  # the input may be long
    if not session.as_json:
        return int(answer.text is None), _line(answer)
    value = {"asked": question, **plain(answer)}
    return int(answer.text is None), json.dumps(value, ensure_ascii=escaped)


def _line(answer: Answer) -> str:
    """Answer, confidence, and source or reason, separated by tabs."""
    if answer.text is None:
        return f"not found\t{answer.confidence:.2f}\t{flat(answer.abstention_reason or '')}"
    first = answer.citations[0]
    source = f"{flat(first.document_id)}:{first.start}-{first.end}"
    return f"{flat(answer.text)}\t{answer.confidence:.2f}\t{source}"
