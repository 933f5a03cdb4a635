"""Answers and passages as text for a terminal."""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence

import click

from rag.render import view
from rag.render.status import clean, flat, plural
from rag.types import Answer, Citation, Copy, Hit, Piece

_MOST_COPIES = 3
_INDENT = " " * 6
_SPACES = re.compile(r"[ \t\n\r]+")


def print_paged(text: str) -> None:
    """Print the text, with the pager if it is longer than the terminal."""
    if sys.stdout.isatty() and text.count("\n") + 2 > shutil.get_terminal_size().lines:
        os.environ.setdefault("LESS", "FRX")  # the text stays on the screen after the pager
        click.echo_via_pager(text + "\n")
    else:
        click.echo(text)


def answer(shown: Answer) -> str:
    """The answer and its numbered sources, or "not found", the reason, and the nearest passages."""
    lines = [understood(shown.understood), ""] if shown.understood else []
    if shown.text is None:
        lines += _refusal(shown)
    else:
        lines += _span(shown) if shown.form == "span" else _pieces(shown)
    if shown.truncated:
        read, count = shown.passages_read, len(shown.hits)
        lines += ["", f"Only {read} of the {count} passages found were read."]
    return "\n".join(lines)


def understood(question: str) -> str:
    return f"Understood as: {clean(question)}  (--as-typed keeps your spelling)"


def why(shown: Answer) -> str:
    """How the answer was chosen, one reason a line, and the ranks of the passages."""
    rows = [f"  {'  '.join(row)}" for row in _columns(ranks(shown))]
    lines = (f"  {clean(line)}" for line in view.explain(shown))
    return "\n".join(
        ["", "", click.style("Why", bold=True), *lines, "", *rows, "", f"  {timings(shown)}"]
    )


def timings(shown: Answer) -> str:
    """The time of each stage."""
    return ", ".join(f"{stage} {spent * 1000:.0f} ms" for stage, spent in shown.timings.items())


def ranks(shown: Answer) -> list[tuple[str, ...]]:
    """A table of the passages: rank, score, the score and rank by meaning and by words, place."""
    rows: list[tuple[str, ...]] = [("rank", "score", "meaning", "words", "passage")]
    for number, result in enumerate(shown.hits, 1):
        heading = result.passage.innermost_heading or result.passage.title
        meaning = f"{result.dense:.2f}" + (f" (#{result.dense_rank})" if result.dense_rank else "")
        words = f"{result.lexical:.1f}" + (
            f" (#{result.lexical_rank})" if result.lexical_rank else ""
        )
        place = f"{result.passage.document_id} > {heading}"
        rows.append((str(number), f"{result.score:.3f}", meaning, words, place))
    return rows


def _columns(rows: Sequence[Sequence[str]]) -> Iterator[list[str]]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        padded = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)]
        yield [*padded, flat(row[-1])]


def _confidence(shown: Answer) -> str:
    return f"(confidence {shown.confidence:.0%})"


def _span(shown: Answer) -> list[str]:
    lines = [f"{click.style(clean(shown.text or ''), bold=True)}  {_confidence(shown)}", ""]
    for number, citation in enumerate(shown.citations, 1):
        lines += _citation(number, citation)
    if typed := view.typed(shown.value):
        lines += ["", f"Read as {clean(typed)}"]
    lines += _conflicts(shown)
    if other_candidates := view.others(shown):
        texts = [
            f"{clean(candidate.text)} ({candidate.confidence:.0%}, "
            f"{candidate.citations[0].document_id})"
            for candidate in other_candidates
        ]
        lines += ["", "Other candidates: " + "; ".join(texts)]
    return lines


def _pieces(shown: Answer) -> list[str]:
    """The pieces in the answer's form, the confidence, and the numbered sources."""
    lead = view.lead(shown)
    lines = [click.style(clean(lead), bold=True)] if lead else []
    unshown = [f"    … and {shown.more} more"] if shown.more else []
    if shown.form == "catalogue":
        for number, piece in enumerate(shown.pieces, 1):
            lines += _citation(number, piece.citation)
        return [*lines, *unshown, _confidence(shown)]
    for number, piece in enumerate(shown.pieces, 1):
        lines += _piece(number, piece, shown.form)
    lines += [*unshown, _confidence(shown), ""]
    for place, numbers in view.sources(shown.pieces):
        lines.append(f"  [{', '.join(map(str, numbers))}] {_place(place)}")
    return lines + _conflicts(shown)


def _piece(number: int, piece: Piece, form: str) -> list[str]:
    """A numbered piece; headings are highlighted, lists keep their lines."""
    if piece.heading:
        return [click.style(clean(piece.text), bold=True)]
    if form in ("steps", "list"):
        return [f"    {clean(line)}" for line in f"{piece.text} [{number}]".splitlines()]
    mark = f"{view.GLUE}[{number}]"
    label = f"{piece.label}: " if piece.label and form == "comparison" else ""
    gap = "[…] " if piece.gap and form in ("sentences", "yes_no") else ""
    return _wrap(clean(f"{gap}{label}{piece.text}{mark}"), "    ")


def _conflicts(shown: Answer) -> list[str]:
    if not shown.conflicts:
        return []
    sides = [(shown.text or "", shown.documents, shown.citations[0].date)]
    sides += [(side.text, side.documents, side.citations[0].date) for side in shown.conflicts]
    counts = [
        f"{clean(text)} in {plural(count, 'document')}"
        + (f" of {date}" if date and count == 1 else "")
        for text, count, date in sides
    ]
    lines = ["", click.style("The documents disagree: ", bold=True) + "; ".join(counts)]
    for side in shown.conflicts:
        lines += _citation(side.text, side.citations[0])
    return lines


def _refusal(shown: Answer) -> list[str]:
    if reply := view.reply(shown):
        return [clean(line) for line in reply]
    reason = clean(shown.abstention_reason or "")
    lines = [f"{click.style('not found', bold=True)}: {reason}"]
    if shown.hits:
        lines += ["", "Nearest:"]
    for number, citation in enumerate(view.near_citations(shown), 1):
        lines += _citation(number, citation)
    for number, result in enumerate(view.near_hits(shown), 1):
        lines += hit(number, result, scored=False)
    return lines


def _citation(number: int | str, citation: Citation) -> list[str]:
    before, quote, after = map(clean, view.marked(citation))
    return [
        f"  [{clean(str(number))}] {_place(view.place_of(citation))}",
        *_wrap(before + _mark(quote) + after, _INDENT),
        *_copies(citation.copies),
    ]


def _copies(copies: Sequence[Copy]) -> list[str]:
    """Other documents that contain the same passage."""
    names = list(dict.fromkeys(flat(copy.document_id) for copy in copies))
    unlisted = f" and {len(names) - _MOST_COPIES} more" if len(names) > _MOST_COPIES else ""
    return [f"{_INDENT}the same in {', '.join(names[:_MOST_COPIES])}{unlisted}"] if names else []


def hit(number: int, result: Hit, scored: bool = True) -> list[str]:
    """A passage with its source and, if `scored`, its score."""
    place = _place(view.place_of(result.passage))
    score = click.style(f"  score {result.score:.3f}", dim=True) if scored else ""
    return [f"  [{number}] {place}{score}", *_wrap(clean(result.passage.text), _INDENT)]


def _place(place: view.CitedPlace) -> str:
    path = place.path()
    return click.style(flat(place.document_id), fg="cyan") + clean(f" > {path}" if path else "")


def _mark(quote: str) -> str:
    """Bold and green with colour, in brackets without."""
    context = click.get_current_context(silent=True)
    is_plain = context is not None and context.obj == "plain"
    return f"[[{quote}]]" if is_plain else click.style(quote, bold=True, fg="green")


def _wrap(text: str, indent: str) -> list[str]:
    width = max(30, min(shutil.get_terminal_size().columns, 120) - 2)
    wrapped = textwrap.wrap(
        _SPACES.sub(" ", text),
        width,
        initial_indent=indent,
        subsequent_indent=indent,
        break_on_hyphens=False,
    )
    return [part.replace(view.GLUE, " ") for part in wrapped]
