"""The REPL in a pipe: one question per line in, one answer per line out, without buffering."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, BinaryIO, TextIO

from rag.errors import InputError
from rag.render.status import clean, flat, takes_all
from rag.repl.session import ReplSession
from rag.types import plain

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
            code, output = _one(session, question)
            worst = max(worst, code)
            is_text = isinstance(output, str)
            out.write(output if is_text else json.dumps(output, ensure_ascii=not takes_all(out)))
            out.write("\n")
            out.flush()
    return worst


def _one(session: ReplSession, question: str) -> tuple[int, Any]:
    """The exit code and, as JSON or separated by tabs, answer, confidence, and source or reason."""
    try:
        answer = session.ask(question, session.understand(question))
    except InputError as error:
        text = question.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        value = {"question": text, "error": error.message, "hint": error.hint}
        return 2, value if session.as_json else f"error\t\t{clean(error.message)}"
    session.exchanges.clear()  # the input may be long
    code, sure = int(answer.text is None), f"{answer.confidence:.2f}"
    if session.as_json:
        return code, {"asked": question, **plain(answer)}
    if answer.text is None:
        return code, f"not found\t{sure}\t{flat(answer.abstention_reason or '')}"
    first = answer.citations[0]
    source = f"{flat(first.document_id)}:{first.start}-{first.end}"
    return code, f"{flat(answer.text)}\t{sure}\t{source}"
