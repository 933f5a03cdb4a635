"""A session as Markdown: questions with answers, and citations with sentence and source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rag.errors import InputError, writing_to
from rag.render import view
from rag.render.status import clean
from rag.repl.session import Exchange
from rag.types import Answer, Citation, path_of

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
    lines = ["# Questions and answers", ""]
    for exchange in exchanges:
        lines.extend(_exchange(exchange))
    return "\n".join(lines)


def _exchange(exchange: Exchange) -> Iterator[str]:
    """The lines of a question and what came of it."""
    answer = exchange.answer
    yield f"## {_escaped(exchange.asked)}"
    yield ""
    if answer.question != exchange.asked:
        yield f"Understood as: {_escaped(answer.question)}"
        yield ""

    reply = view.reply(answer)
    if reply:
        for line in reply:
            yield _escaped(line)
        yield ""
    elif answer.text is None:
        yield from _refusal(answer)
    else:
        yield from _answer(answer, answer.text)


def _refusal(answer: Answer) -> Iterator[str]:
    """The reason, what the documents say one by one, and the nearest quote."""
    reason = _escaped(answer.abstention_reason or "")
    yield f"**Not found**: {reason}"
    yield ""

    for line in view.grid_lines(answer):
        yield f"{_escaped(line)}  "

    for place in view.nearest_places(answer)[:1]:
        if isinstance(place, Citation):
            yield "Nearest:"
            yield ""
            yield from _citation(1, place)


def _answer(answer: Answer, text: str) -> Iterator[str]:
    """The answer's text and confidence, its citations, and the conflicting answers."""
    confidence = f"(confidence {answer.confidence:.0%})"
    if answer.form in view.LINED_FORMS:
        for line in text.splitlines():
            yield f"> {_escaped(line)}  "
        yield ""
        yield confidence
    else:
        yield f"**{_escaped(text)}** {confidence}"
    yield ""

    for line in view.grid_lines(answer):
        yield _escaped(line)
        yield ""

    for number, citation in enumerate(answer.citations, 1):
        yield from _citation(number, citation)

    for conflict in answer.conflicts:
        conflicting = _escaped(conflict.text)
        yield f"But **{conflicting}** ({conflict.confidence:.0%}):"
        yield ""
        yield from _citation(1, conflict.citations[0])


def _citation(number: int, citation: Citation) -> list[str]:
    """A numbered source with its place and digest, and the sentence with the quote in bold."""
    heading = _escaped(path_of(citation.headings) or citation.title)
    name = clean(citation.document_id)
    page = f", page {citation.page}" if citation.page else ""
    place = f"`{name}`, characters {citation.start} to {citation.end}{page}"
    digest = citation.sha256[:12]

    text_before, quote, text_after = map(_escaped, view.marked_sentence(citation))
    return [
        f"{number}. {heading}: {place}, sha256 `{digest}`",
        "",
        f"   > {text_before}**{quote}**{text_after}",
        "",
    ]


def _escaped(text: str) -> str:
    """Text on one line with its markup escaped."""
    letters = [" " if letter.isspace() else letter for letter in clean(text)]
    return "".join(letters).translate(_MARKUP)
