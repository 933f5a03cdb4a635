"""Answers and passages as text for a terminal."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Sequence

import click

from rag.render import view
from rag.render.status import clean, flat, plural
from rag.types import Alternative, Answer, Citation, Hit, Passage, Piece

_MOST_COPIES = 3
_INDENT = " " * 6
_LONGEST_OTHER = 80
"""Characters of another candidate, which may be a list."""
_SLACK = 16
"""Characters that two lines lose where words do not end at the margin."""
_SPACES = re.compile(r"[ \t\n\r]+")


def answer(answer: Answer) -> str:
    """The answer and its numbered sources, or "not found", the reason, and the nearest passages."""
    lines = [understood(answer.understood), ""] if answer.understood else []
    if answer.text is None:
        lines += _refusal(answer)
    elif answer.form == "span":
        lines += _span(answer)
    else:
        lines += _pieces(answer)

    if answer.truncated:
        count = len(answer.hits)
        lines += ["", f"Only {answer.passages_read} of the {count} passages found were read."]
    return "\n".join(lines)


def understood(question: str) -> str:
    return f"Understood as: {clean(question)}  (--as-typed keeps your spelling)"


def why(answer: Answer) -> str:
    """How the answer was chosen, one reason a line, and the ranks of the passages."""
    rows = [[*row[:-1], flat(row[-1])] for row in ranks(answer)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    widths[-1] = 0
    table = ["  ".join(map(str.ljust, row, widths)) for row in rows]

    lines = [*map(clean, view.explain(answer)), "", *table, "", timings(answer)]
    indented = [f"  {line}" if line else "" for line in lines]
    return "\n".join(["", "", click.style("Why", bold=True), *indented])


def timings(answer: Answer) -> str:
    return ", ".join(f"{stage} {spent * 1000:.0f} ms" for stage, spent in answer.timings.items())


def ranks(answer: Answer) -> list[tuple[str, ...]]:
    """A table of the passages: rank, score, the score and rank by meaning and by words, place."""
    rows: list[tuple[str, ...]] = [("rank", "score", "meaning", "words", "passage")]
    for number, result in enumerate(answer.hits, 1):
        passage = result.passage
        rows.append(
            (
                str(number),
                f"{result.score:.3f}",
                f"{result.dense:.2f}{_rank(result.dense_rank)}",
                f"{result.lexical:.1f}{_rank(result.lexical_rank)}",
                f"{passage.document_id} > {passage.innermost_heading or passage.title}",
            )
        )
    return rows


def _rank(rank: int | None) -> str:
    return f" (#{rank})" if rank else ""


def _confidence(answer: Answer) -> str:
    return f"(confidence {answer.confidence:.0%})"


def _span(answer: Answer) -> list[str]:
    text = click.style(clean(answer.text or ""), bold=True)
    lines = [f"{text}  {_confidence(answer)}", "", *_numbered(answer.citations)]

    typed = view.typed(answer.value)
    if typed:
        lines += ["", f"Read as {clean(typed)}"]
    lines += _conflicts(answer)

    others = [
        f"{clean(view.shortened(other.text, _LONGEST_OTHER))} "
        f"({other.confidence:.0%}, {flat(other.citations[0].document_id)})"
        for other in view.others(answer)
    ]
    if others:
        lines += ["", *_wrap(f"Other candidates: {'; '.join(others)}", "")]
    return lines


def _pieces(answer: Answer) -> list[str]:
    """The pieces in the answer's form, the confidence, and the numbered sources."""
    lead = view.lead(answer)
    lines = [click.style(clean(lead), bold=True)] if lead else []
    if answer.form == "catalogue":
        lines += _numbered([piece.citation for piece in answer.pieces])
    else:
        lines += [
            line
            for n, piece in enumerate(answer.pieces, 1)
            for line in _piece(n, piece, answer.form)
        ]
    if answer.more:
        lines.append(f"    … and {answer.more} more")
    lines.append(_confidence(answer))
    if answer.form == "catalogue":
        return lines

    lines.append("")
    for citation, numbers in view.sources(answer.pieces):
        lines += _source(", ".join(map(str, numbers)), citation)
    return lines + _conflicts(answer) + _grid(answer)


def _grid(answer: Answer) -> list[str]:
    """What the documents say that are not quoted."""
    lines = view.grid_lines(answer)
    if answer.grid and not answer.grid.rows:  # a file, whose lines stay as they are
        return ["", *map(clean, lines)]
    if not lines:
        return []
    return ["", *(wrapped for line in lines for wrapped in _wrap(clean(line), ""))]


def _piece(number: int, piece: Piece, form: str) -> list[str]:
    """A numbered piece; headings are highlighted, lists keep their lines."""
    if piece.heading:
        return [click.style(clean(piece.text), bold=True)]
    if form in ("steps", "list"):
        return [f"    {clean(line)}" for line in f"{piece.text} [{number}]".splitlines()]
    mark = f"{view.GLUE}[{number}]"
    label = f"{piece.label}: " if piece.label and form in ("comparison", "grid") else ""
    gap = "[…] " if piece.gap and form in ("sentences", "yes_no") else ""
    return _wrap(clean(f"{gap}{label}{piece.text}{mark}"), "    ")


def _conflicts(answer: Answer) -> list[str]:
    if not answer.conflicts:
        return []
    sides: list[Answer | Alternative] = [answer, *answer.conflicts]
    counts = []
    for side in sides:
        date = side.citations[0].date
        day = f" of {date}" if date and side.documents == 1 else ""
        counts.append(f"{clean(side.text or '')} in {plural(side.documents, 'document')}{day}")
    lines = ["", click.style("The documents disagree: ", bold=True) + "; ".join(counts)]
    for conflict in answer.conflicts:
        lines += _citation(conflict.text, conflict.citations[0])
    return lines


def _refusal(answer: Answer) -> list[str]:
    reply = view.reply(answer)
    if reply:
        return [clean(line) for line in reply]

    reason = clean(answer.abstention_reason or "")
    lines = [f"{click.style('not found', bold=True)}: {reason}", *_grid(answer)]
    if answer.hits:
        lines += ["", "Nearest:"]
    for number, place in enumerate(view.nearest(answer), 1):
        lines += _near(number, place)
    return lines


def _near(number: int, place: Citation | Hit) -> list[str]:
    """A passage of a refusal: its source, and two lines of it around the quote."""
    parts = ("", "", view.body(place)) if isinstance(place, Hit) else view.marked(place)
    source = place.passage if isinstance(place, Hit) else place
    room = view.NEAREST_LINES * (_width() - len(_INDENT)) - _SLACK
    text_before, quote, text_after = map(clean, view.excerpt(*parts, room))
    text = text_before + (_mark(quote) if quote else "") + text_after
    return [*_source(number, source), *_wrap(text.strip(), _INDENT)]


def _numbered(citations: Sequence[Citation]) -> list[str]:
    return [line for number, one in enumerate(citations, 1) for line in _citation(number, one)]


def _citation(label: int | str, citation: Citation) -> list[str]:
    """The source, the sentence with the quote marked, and other documents that have it too."""
    text_before, quote, text_after = map(clean, view.marked(citation))
    lines = [*_source(label, citation), *_wrap(text_before + _mark(quote) + text_after, _INDENT)]

    names = list(dict.fromkeys(flat(copy.document_id) for copy in citation.copies))
    if names:
        listed = ", ".join(names[:_MOST_COPIES])
        unlisted = f" and {len(names) - _MOST_COPIES} more" if len(names) > _MOST_COPIES else ""
        lines.append(f"{_INDENT}the same in {listed}{unlisted}")
    return lines


def hit(number: int, result: Hit) -> list[str]:
    """A passage with its source and its score."""
    source = _source(number, result.passage, f"(score {result.score:.3f})")
    return [*source, *_wrap(clean(result.passage.text), _INDENT)]


def _source(label: int | str, cited: Citation | Passage, about: str = "") -> list[str]:
    """The number, the document's id in colour, the headings and the page, in lines of whole words.
    `about` is dimmed.
    """
    name = flat(cited.document_id)
    path = flat(view.path_to(cited))
    words = f"{name}{f' > {path}' if path else ''}{f' {about}' if about else ''}"
    mark = f"  [{flat(str(label))}] "
    opening, *continuation = _wrap(words, " " * len(mark))
    lines = [mark + opening.strip(), *continuation]

    start, unstyled = len(mark), len(name.replace(" ", ""))
    for number, line in enumerate(lines):
        end = _end_of(line, start, unstyled)
        unstyled -= len(line[start:end].replace(" ", ""))
        styled = line[:start] + (click.style(line[start:end], fg="cyan") if end > start else "")
        lines[number] = styled + line[end:]
    if about and lines[-1].endswith(about):
        lines[-1] = lines[-1].removesuffix(about) + click.style(about, dim=True)
    return lines


def _end_of(line: str, start: int, count: int) -> int:
    """The end of the first `count` letters from `start` on, or of the line."""
    for end in range(start, len(line)):
        if count <= 0:
            return end
        count -= line[end] != " "
    return len(line)


def _mark(quote: str) -> str:
    """Bold and green with colour, in brackets without."""
    context = click.get_current_context(silent=True)
    is_plain = context is not None and context.obj == "plain"
    return f"[[{quote}]]" if is_plain else click.style(quote, bold=True, fg="green")


def _width() -> int:
    return max(30, min(shutil.get_terminal_size().columns, 120) - 2)


def _wrap(text: str, indent: str) -> list[str]:
    """Lines of whole words. A word that is longer than a line, as a path may be, is cut after a
    slash, where there is one.
    """
    room = _width() - len(indent)
    words = (_parted(word, room) for word in _SPACES.sub(" ", text).split(" "))
    wrapped = textwrap.wrap(
        " ".join(words),
        _width(),
        initial_indent=indent,
        subsequent_indent=indent,
        break_on_hyphens=False,
    )
    return [part.replace(view.GLUE, " ") for part in wrapped]


def _parted(word: str, room: int) -> str:
    """The word, with spaces after slashes where it is too long for a line."""
    if len(click.unstyle(word)) <= room:
        return word
    lines = [""]
    for part in re.findall(r"[^/]*/|[^/]+", word):
        if lines[-1] and len(lines[-1]) + len(part) > room:
            lines.append("")
        lines[-1] += part
    return " ".join(lines)
