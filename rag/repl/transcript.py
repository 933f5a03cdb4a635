"""A session as Markdown: questions with answers, and citations with sentence and source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rag.errors import InputError, writing_to
from rag.render import view
from rag.render.status import clean
from rag.repl.session import Exchange
from rag.types import Citation, path_of

_MARKUP = str.maketrans({sign: f"\\{sign}" for sign in "\\`*_[]<>#|~&"})


def save(exchanges: Sequence[Exchange], path: Path) -> None:
    """Write the session atomically. Raises InputError."""
    if not exchanges:
        raise InputError("no question has been asked yet", "ask a question first")
    partial = path.with_name(f".{path.name}.partial")
    with writing_to(path, "choose another file"):
        partial.write_text(markdown(exchanges), encoding="utf-8")
        partial.replace(path)


def markdown(exchanges: Sequence[Exchange]) -> str:
    lines = [line for exchange in exchanges for line in _exchange(exchange)]
    return "\n".join(["# Questions and answers", "", *lines])


def _exchange(exchange: Exchange) -> Iterator[str]:
    answer = exchange.answer
    yield from (f"## {_escaped(exchange.asked)}", "")
    if answer.question != exchange.asked:
        yield from (f"Understood as: {_escaped(answer.question)}", "")

    if reply := view.reply(answer):
        yield from (*map(_escaped, reply), "")
        return

    if answer.text is None:
        yield from (f"**Not found**: {_escaped(answer.abstention_reason or '')}", "")
        yield from (f"{_escaped(line)}  " for line in view.grid_lines(answer))
        for place in view.nearest(answer)[:1]:
            if isinstance(place, Citation):
                yield from ("Nearest:", "", *_citation(1, place))
        return

    confidence = f"(confidence {answer.confidence:.0%})"
    if answer.form in view.LINED_FORMS:
        lines = (f"> {_escaped(line)}  " for line in answer.text.splitlines())
        yield from (*lines, "", confidence, "")
    else:
        yield from (f"**{_escaped(answer.text)}** {confidence}", "")

    for line in view.grid_lines(answer):
        yield from (_escaped(line), "")

    for number, citation in enumerate(answer.citations, 1):
        yield from _citation(number, citation)

    for conflict in answer.conflicts:
        yield from (f"But **{_escaped(conflict.text)}** ({conflict.confidence:.0%}):", "")
        yield from _citation(1, conflict.citations[0])


def _citation(number: int, citation: Citation) -> list[str]:
    text_before, quote, text_after = map(_escaped, view.marked(citation))
    page = f", page {citation.page}" if citation.page else ""
    place = f"`{clean(citation.document_id)}`, characters {citation.start} to {citation.end}{page}"
    heading = f"{_escaped(path_of(citation.headings) or citation.title)}: "
    source = f"{number}. {heading}{place}, sha256 `{citation.sha256[:12]}`"
    return [source, "", f"   > {text_before}**{quote}**{text_after}", ""]


def _escaped(text: str) -> str:
    """Text on one line with its markup escaped."""
    spaced = "".join(" " if letter.isspace() else letter for letter in clean(text))
    return spaced.translate(_MARKUP)
