"""Answers and hits as text for a terminal."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Callable, Sequence

import click

from rag.answering.explain import explain, in_words
from rag.render.sanitize import clean as clean
from rag.render.sanitize import flat
from rag.types import LEAST_SHOWN, Alternative, Answer, Citation, Copy, Hit, Piece

_COPIES_NAMED = 3


def answer(found: Answer) -> str:
    """The answer and its numbered citations, or "not found", the reason, and the closest
    candidates.
    """
    lines = _given(found) if found.text is not None else _refused(found)
    if found.understood:
        lines = f"{understood(found.understood)}\n\n{lines}"
    return (
        f"{lines}\n\nOnly {found.passages_read} of the {len(found.hits)} passages found were read."
        if found.truncated
        else lines
    )


def understood(question: str) -> str:
    return f"Understood as: {clean(question)}  (--as-typed keeps your spelling)"


def _given(found: Answer) -> str:
    if found.form != "span":
        return "\n".join(_formed(found))
    lines = [
        f"{click.style(clean(found.text or ''), bold=True)}  (confidence {found.confidence:.0%})",
        "",
    ]
    for number, citation in enumerate(found.citations, 1):
        lines += _citation(number, citation)
    lines += _beside(found)
    shown = {other.text for other in found.conflicts}
    others = [
        other
        for other in found.alternatives
        if other.confidence >= LEAST_SHOWN and other.text not in shown
    ]
    if others:
        lines += ["", "Other candidates: " + "; ".join(_alternative(other) for other in others)]
    return "\n".join(lines)


def _formed(found: Answer) -> list[str]:
    """Pieces in the answer's form, then the numbered sources."""
    sure = f"(confidence {found.confidence:.0%})"
    lead = (
        {True: "Yes.", False: "No."}.get(found.value.yes)
        if found.value and found.value.yes is not None
        else None
    )
    if found.form == "catalogue":
        head = (
            [f"{click.style(clean(found.text or ''), bold=True)}"]
            if found.text != "\n".join(p.label for p in found.pieces)
            else []
        )
        return [
            *head,
            *(
                line
                for n, piece in enumerate(found.pieces, 1)
                for line in _citation(n, piece.citation)
            ),
            *_more(found),
        ]
    lines = [f"{click.style(lead, bold=True)}  {sure}" if lead else sure, ""]
    for number, piece in enumerate(found.pieces, 1):
        lines += _piece(number, piece, found.form)
    lines += [*_more(found), ""]
    return [*lines, *_places(found)]


def _piece(number: int, piece: Piece, form: str) -> list[str]:
    """A numbered piece; headings are highlighted, lists keep their lines."""
    if piece.heading:
        return [click.style(clean(piece.text), bold=True)]
    label = (
        f"{click.style(clean(piece.label), bold=True)}: "
        if piece.label and form == "comparison"
        else ""
    )
    gap = "[…] " if piece.gap and form in ("sentences", "yes_no") else ""
    if form in ("steps", "list"):
        return [f"    {clean(line)}" for line in piece.text.splitlines()[:-1]] + [
            f"    {clean(piece.text.splitlines()[-1])} {click.style(f'[{number}]', dim=True)}"
        ]
    wrapped = _wrap(
        f"{gap}{clean(piece.label) + ': ' if label else ''}{clean(piece.text)} [{number}]"
    )
    return wrapped


def _more(found: Answer) -> list[str]:
    return [f"    … and {found.more} more"] if found.more else []


def _places(found: Answer) -> list[str]:
    """Sources of the pieces; neighbours from one source share a line."""
    lines: list[tuple[str, list[int]]] = []
    for number, piece in enumerate(found.pieces, 1):
        citation = piece.citation
        place = _place(citation.document_id, citation.title, citation.heading, citation.page)
        if piece.heading:
            continue
        if lines and lines[-1][0] == place:
            lines[-1][1].append(number)
        else:
            lines.append((place, [number]))
    return [f"[{', '.join(map(str, numbers))}] {place}" for place, numbers in lines]


def _beside(found: Answer) -> list[str]:
    """Additions to the answer: a typed value that adds information, and conflicts."""
    lines = []
    said = in_words(found.value) if found.value else ""
    if found.value and (
        found.value.resolved
        or found.value.yes is not None
        or found.value.iso not in (None, found.value.text)
    ):
        lines.append(f"Read as {clean(said)}")
    if found.conflicts:
        sides = [
            (found.text or "", found.documents),
            *((side.text, side.documents) for side in found.conflicts),
        ]
        counts = "; ".join(
            f"{clean(text)} in {count} document{'' if count == 1 else 's'}" for text, count in sides
        )
        lines.append(click.style("The documents disagree: ", bold=True) + counts)
        for side in found.conflicts:
            lines += _citation(side.text, side.citations[0])
    return ["", *lines] if lines else []


def reasons(found: Answer) -> list[str]:
    """How the answer was chosen, or why there is none."""
    return explain(found)


def print_paged(text: str) -> None:
    """Print the text, with the pager if it is longer than the terminal."""
    if sys.stdout.isatty() and text.count("\n") + 2 > shutil.get_terminal_size().lines:
        os.environ.setdefault("LESS", "FRX")  # the text stays on the screen after the pager
        click.echo_via_pager(text + "\n")
    else:
        click.echo(text)


def why(found: Answer) -> str:
    """The explanation of the answer, one reason per line."""
    return "\n".join(
        ["", "", click.style("Why", bold=True), *(f"  {clean(line)}" for line in explain(found))]
    )


def _refused(found: Answer) -> str:
    lines = [click.style("not found", bold=True) + f": {clean(found.abstention_reason or '')}"]
    near = [other for other in found.alternatives if other.confidence >= LEAST_SHOWN][:3]
    if near:
        lines += [
            "",
            "Nearest:",
            *(line for n, other in enumerate(near, 1) for line in _citation(n, other.citations[0])),
        ]
    elif found.hits:
        lines += [
            "",
            "Nearest:",
            *(line for number, one in enumerate(found.hits[:3], 1) for line in hit(number, one)),
        ]
    return "\n".join(lines)


def _alternative(other: Alternative) -> str:
    return f"{clean(other.text)} ({other.confidence:.0%}, {other.citations[0].document_id})"


def _citation(number: int | str, citation: Citation) -> list[str]:
    before = citation.sentence[: citation.start - citation.sentence_start]
    after = citation.sentence[citation.end - citation.sentence_start :]
    marked = clean(before) + _mark(clean(citation.quote)) + clean(after)
    return [
        f"[{clean(str(number))}] "
        f"{_place(citation.document_id, citation.title, citation.heading, citation.page)}",
        *_wrap(marked),
        *_copies(citation.copies),
    ]


def _copies(copies: Sequence[Copy]) -> list[str]:
    """Other documents that contain the same passage."""
    names = list(dict.fromkeys(flat(copy.document_id) for copy in copies))
    more = f" and {len(names) - _COPIES_NAMED} more" if len(names) > _COPIES_NAMED else ""
    return [f"    the same in {', '.join(names[:_COPIES_NAMED])}{more}"] if names else []


def hit(number: int, found: Hit) -> list[str]:
    """A passage with its source and scores."""
    passage = found.passage
    scores = click.style(
        f"score {found.score:.3f}  dense {found.dense:.3f}  lexical {found.lexical:.2f}", dim=True
    )
    place = _place(passage.document_id, passage.title, passage.heading)
    return [f"[{number}] {place}  {scores}", *_wrap(clean(passage.text))]


def _place(document_id: str, title: str, heading: str, page: int | None = None) -> str:
    inner = heading.removeprefix(title).removeprefix(" > ")
    parts = "".join(f" > {part}" for part in (title, inner) if part) + (
        f", page {page}" if page else ""
    )
    return click.style(flat(document_id), fg="cyan") + clean(parts)


def _mark(quote: str) -> str:
    """Bold and green with colour, in brackets without."""
    context = click.get_current_context(silent=True)
    plain = context is not None and context.obj == "plain"
    return f"[[{quote}]]" if plain else click.style(quote, bold=True, fg="green")


def _wrap(text: str) -> list[str]:
    width = max(30, min(shutil.get_terminal_size().columns, 120) - 6)
    wrapper: Callable[[str], list[str]] = textwrap.TextWrapper(
        width, break_long_words=True, break_on_hyphens=False
    ).wrap
    return ["    " + line for line in wrapper(" ".join(text.split()))]
