"""A session as Markdown: each question with its answer, and each citation with its sentence and
source.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from rag.errors import InputError, writing_to
from rag.render.sanitize import clean
from rag.repl.session import Exchange
from rag.types import Alternative, Answer, Citation

_MARKUP = re.compile(r"([\\`*_\[\]<>#|~&])")


def save(exchanges: Sequence[Exchange], path: Path, again: bool = False) -> None:
    """Write the session atomically. Raises InputError if that fails, or if the file exists and
    `again` is false.
    """
    if not exchanges:
        raise InputError("no question has been asked yet", "ask a question first")
    if path.exists() and not again:
        raise InputError(f"{path} exists already", "choose another file")
    partial = path.with_name(f".{path.name}.partial")
    with writing_to(path, "choose another file"):
        partial.write_text(markdown(exchanges), encoding="utf-8")
        partial.replace(path)


def markdown(exchanges: Sequence[Exchange]) -> str:
    return "\n".join(
        [
            "# Questions and answers",
            "",
            *(line for exchange in exchanges for line in _exchange(exchange)),
        ]
    )


def _exchange(exchange: Exchange) -> list[str]:
    answer = exchange.answer
    lines = [f"## {_escaped(exchange.asked)}", ""]
    if answer.question != exchange.asked:
        lines += [f"Understood as: {_escaped(answer.question)}", ""]
    return lines + (_given(answer) if answer.text is not None else _refused(answer))


def _given(answer: Answer) -> list[str]:
    lines = _said(answer)
    for number, citation in enumerate(answer.citations, 1):
        lines += _citation(str(number), citation)
    for other in answer.conflicts:
        lines += _conflict(other)
    return lines


def _said(answer: Answer) -> list[str]:
    """The answer's text; list items and headings keep their lines."""
    sure = f"(confidence {answer.confidence:.0%})"
    if answer.form in ("span", "sentences", "yes_no"):
        return [f"**{_escaped(answer.text or '')}** {sure}", ""]
    return [sure, "", *(f"> {_escaped(line)}  " for line in (answer.text or "").splitlines()), ""]


def _conflict(other: Alternative) -> list[str]:
    return [
        f"But **{_escaped(other.text)}** ({other.confidence:.0%}):",
        "",
        *_citation("1", other.citations[0]),
    ]


def _refused(answer: Answer) -> list[str]:
    lines = [f"**Not found**: {_escaped(answer.abstention_reason or '')}", ""]
    if answer.alternatives:
        lines += ["Nearest:", "", *_citation("1", answer.alternatives[0].citations[0])]
    return lines


def _citation(number: str, citation: Citation) -> list[str]:
    at, end = citation.start - citation.sentence_start, citation.end - citation.sentence_start
    sentence = citation.sentence
    before, quote, after = (
        _escaped(part) for part in (sentence[:at], sentence[at:end], sentence[end:])
    )
    page = f", page {citation.page}" if citation.page else ""
    place = f"`{clean(citation.document_id)}`, characters {citation.start} to {citation.end}{page}"
    heading = f"{_escaped(citation.heading or citation.title)}: "
    return [
        f"{number}. {heading}{place}, sha256 `{citation.sha256[:12]}`",
        "",
        f"   > {before}**{quote}**{after}",
        "",
    ]


def _escaped(text: str) -> str:
    """Text on one line with its markup escaped."""
    return _MARKUP.sub(r"\\\1", re.sub(r"\s", " ", clean(text)))
