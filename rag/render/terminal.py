"""Answers and passages as text for a terminal."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Sequence

import click

from rag.render import view
from rag.render.status import clean, one_line, plural
from rag.types import Alternative, Answer, Citation, Hit, Passage, Piece

_MOST_COPIES = 3
_INDENT = " " * 6
_LONGEST_OTHER = 80
"""Characters of another candidate, which may be a list."""
_SPACES = re.compile(r"[ \t\n\r]+")


def answer(answer: Answer) -> str:
    """The answer and its numbered sources, or "not found", the reason, and the nearest passages."""
    lines = []
    if answer.understood:
        lines += [understood(answer.understood), ""]

    if answer.text is None:
        lines += _refusal(answer)
    elif answer.form == "span":
        lines += _span(answer)
    else:
        lines += _pieces(answer)

    if answer.truncated:
        found = len(answer.hits)
        lines += ["", f"Only {answer.passages_read} of the {found} passages found were read."]
    return "\n".join(lines)


def table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table of texts from documents; the first text of a row is its name. Each row is a line if
    all lines fit the terminal and no text is a list of several lines. Otherwise each row is a
    paragraph with the names of the columns.
    """
    names = [one_line(name) for name in heading]
    fields = [[clean(text) for text in row] for row in rows]
    widths = _widths([names, *fields])
    rule = ["-" * width for width in widths]

    lines = []
    for row in (names, rule, *fields):
        cells = map(str.ljust, row, widths)
        lines.append(f"| {' | '.join(cells)} |")
    has_lists = any("\n" in line for line in lines)
    if not has_lists and len(lines[0]) <= shutil.get_terminal_size().columns:
        return lines
    return _paragraphs(names, fields)


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    """The number of characters of each column's longest text."""
    return [max(map(len, column)) for column in zip(*rows, strict=True)]


def _paragraphs(names: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The name of each row, and below it the name and the text of each field."""
    lines: list[str] = []
    for title, *texts in rows:
        if lines:
            lines.append("")
        lines.append(title)
        for name, text in zip(names[1:], texts, strict=True):
            first_line, *items = text.splitlines() or [""]
            if items:
                items.insert(0, first_line)
                first_line = ""
            lines += _wrap(f"{name}: {first_line}", "  ")
            for item in items:
                lines += _wrap(item, "    ")
    return lines


def understood(question: str) -> str:
    return f"Understood as: {clean(question)}  (--as-typed keeps your spelling)"


def why(answer: Answer) -> str:
    """How the answer was chosen, one reason a line, and the ranks of the passages."""
    reasons = [clean(line) for line in view.explain(answer)]
    lines = [
        *reasons,
        "",
        *_rank_table(answer),
        "",
        timings(answer),
    ]
    title = click.style("Why", bold=True)
    indented = [f"  {line}" if line else "" for line in lines]
    return "\n".join(["", "", title, *indented])


def _rank_table(answer: Answer) -> list[str]:
    """The ranks in columns. The last column is not padded."""
    rows = []
    for *numbers, place in ranks(answer):
        rows.append([*numbers, one_line(place)])

    widths = _widths(rows)
    widths[-1] = 0

    lines = []
    for row in rows:
        cells = map(str.ljust, row, widths)
        lines.append("  ".join(cells))
    return lines


def timings(answer: Answer) -> str:
    parts = []
    for stage, seconds in answer.timings.items():
        parts.append(f"{stage} {seconds * 1000:.0f} ms")
    return ", ".join(parts)


def ranks(answer: Answer) -> list[tuple[str, ...]]:
    """A table of the passages: rank, score, the score and rank by meaning and by words, place."""
    rows: list[tuple[str, ...]] = [("rank", "score", "meaning", "words", "passage")]
    for number, result in enumerate(answer.hits, 1):
        passage = result.passage
        heading = passage.innermost_heading or passage.title
        by_meaning = _rank(result.dense_rank)
        by_words = _rank(result.lexical_rank)
        row = (
            str(number),
            f"{result.score:.3f}",
            f"{result.dense:.2f}{by_meaning}",
            f"{result.lexical:.1f}{by_words}",
            f"{passage.document_id} > {heading}",
        )
        rows.append(row)
    return rows


def _rank(rank: int | None) -> str:
    return f" (#{rank})" if rank else ""


def _confidence(answer: Answer) -> str:
    return f"(confidence {answer.confidence:.0%})"


def _span(answer: Answer) -> list[str]:
    """The words of the answer, its sources, its value, conflicts and other candidates."""
    text = click.style(clean(answer.text or ""), bold=True)
    lines = [f"{text}  {_confidence(answer)}", ""]
    lines += _numbered_sources(answer.citations)

    typed = view.value_in_words(answer.value)
    if typed:
        lines.append("")
        lines.append(f"Read as {clean(typed)}")
    lines += _conflicts(answer)

    candidates = [_other_candidate(candidate) for candidate in view.other_candidates(answer)]
    if candidates:
        listed = "; ".join(candidates)
        lines.append("")
        lines += _wrap(f"Other candidates: {listed}", indent="")
    return lines


def _other_candidate(candidate: Alternative) -> str:
    """Another candidate with its confidence and its document."""
    text = clean(view.shortened(candidate.text, _LONGEST_OTHER))
    document_id = one_line(candidate.citations[0].document_id)
    return f"{text} ({candidate.confidence:.0%}, {document_id})"


def _pieces(answer: Answer) -> list[str]:
    """The pieces in the answer's form, the confidence, and the numbered sources."""
    is_catalogue = answer.form == "catalogue"
    lines = []

    lead = view.lead(answer)
    if lead:
        lines.append(click.style(clean(lead), bold=True))

    if is_catalogue:
        lines += _numbered_sources([piece.citation for piece in answer.pieces])
    else:
        for number, piece in enumerate(answer.pieces, 1):
            lines += _piece(number, piece, answer.form)

    if answer.more:
        lines.append(f"    … and {answer.more} more")
    lines.append(_confidence(answer))
    if is_catalogue:
        return lines

    lines.append("")
    for citation, numbers in view.sources(answer.pieces):
        label = ", ".join(str(number) for number in numbers)
        lines += _source(label, citation)
    lines += _conflicts(answer)
    lines += _grid(answer)
    return lines


def _grid(answer: Answer) -> list[str]:
    """What the documents say that are not quoted."""
    lines = [clean(line) for line in view.grid_lines(answer)]
    is_file = answer.grid is not None and not answer.grid.rows
    if is_file:  # its lines stay as they are
        return ["", *lines]
    if not lines:
        return []

    wrapped = [""]
    for line in lines:
        wrapped += _wrap(line, indent="")
    return wrapped


def _piece(number: int, piece: Piece, form: str) -> list[str]:
    """A numbered piece; headings are highlighted, lists keep their lines."""
    if piece.heading:
        heading = clean(piece.text)
        return [click.style(heading, bold=True)]

    if form in ("steps", "list"):
        lines = f"{piece.text} [{number}]".splitlines()
        return [f"    {clean(line)}" for line in lines]

    text = f"{piece.text}{view.GLUE}[{number}]"
    has_label = piece.label and form in ("comparison", "grid")
    if has_label:
        text = f"{piece.label}: {text}"
    follows_gap = piece.gap and form in ("sentences", "yes_no")
    if follows_gap:
        text = f"[…] {text}"
    return _wrap(clean(text), indent="    ")


def _conflicts(answer: Answer) -> list[str]:
    """All sides with the number of their documents, then a quote of each that disagrees."""
    if not answer.conflicts:
        return []

    sides = [_side(answer)]
    for conflict in answer.conflicts:
        sides.append(_side(conflict))

    title = click.style("The documents disagree: ", bold=True)
    lines = ["", title + "; ".join(sides)]
    for conflict in answer.conflicts:
        lines += _citation(conflict.text, conflict.citations[0])
    return lines


def _side(side: Answer | Alternative) -> str:
    """One of the answers that disagree; the day is said where a single document says it."""
    text = clean(side.text or "")
    documents = plural(side.documents, "document")
    words = f"{text} in {documents}"
    date = side.citations[0].date
    if date and side.documents == 1:
        words += f" of {date}"
    return words


def _refusal(answer: Answer) -> list[str]:
    """A reply to talk, or the reason why there is no answer and the nearest places."""
    reply = view.reply(answer)
    if reply:
        return [clean(line) for line in reply]

    title = click.style("not found", bold=True)
    reason = clean(answer.abstention_reason or "")
    lines = [f"{title}: {reason}"]
    lines += _grid(answer)

    if answer.hits:
        lines += ["", "Nearest:"]
    for number, place in enumerate(view.nearest_places(answer), 1):
        lines += _nearest_place(number, place)
    return lines


def _nearest_place(number: int, place: Citation | Hit) -> list[str]:
    """A place of a refusal: its source, and some lines of it around the quote."""
    columns = _width() - len(_INDENT)
    source, parts = view.source_and_text(number, place, columns)
    text_before, quote, text_after = map(clean, parts)
    if quote:
        quote = _mark(quote)
    text = f"{text_before}{quote}{text_after}".strip()

    lines = _source(number, source)
    lines += _wrap(text, _INDENT)
    return lines


def _numbered_sources(citations: Sequence[Citation]) -> list[str]:
    lines = []
    for number, citation in enumerate(citations, 1):
        lines += _citation(number, citation)
    return lines


def _citation(label: int | str, citation: Citation) -> list[str]:
    """The source, the sentence with the quote marked, and other documents that have it too."""
    lines = _source(label, citation)
    text_before, quote, text_after = map(clean, view.marked_sentence(citation))
    sentence = text_before + _mark(quote) + text_after
    lines += _wrap(sentence, _INDENT)

    names = [one_line(copy.document_id) for copy in citation.copies]
    names = list(dict.fromkeys(names))
    if names:
        listed = ", ".join(names[:_MOST_COPIES])
        unlisted = len(names) - _MOST_COPIES
        if unlisted > 0:
            listed += f" and {unlisted} more"
        lines.append(f"{_INDENT}the same in {listed}")
    return lines


def hit(number: int, result: Hit) -> list[str]:
    """A passage with its source and its score."""
    score = f"(score {result.score:.3f})"
    lines = _source(number, result.passage, score)
    lines += _wrap(clean(result.passage.text), _INDENT)
    return lines


def _source(label: int | str, cited: Citation | Passage, about: str = "") -> list[str]:
    """The number, the document's id in colour, the headings and the page, in lines of whole words.
    `about` is dimmed.
    """
    name = one_line(cited.document_id)
    words = name
    path = one_line(view.path_to(cited))
    if path:
        words += f" > {path}"
    if about:
        words += f" {about}"

    mark = f"  [{one_line(str(label))}] "
    first_line, *further_lines = _wrap(words, indent=" " * len(mark))
    lines = [mark + first_line.strip(), *further_lines]
    lines = _with_colour(lines, len(mark), name)

    last_line = lines[-1]
    if about and last_line.endswith(about):
        dimmed = click.style(about, dim=True)
        lines[-1] = last_line.removesuffix(about) + dimmed
    return lines


def _with_colour(lines: Sequence[str], start: int, name: str) -> list[str]:
    """The lines with a name in colour, which begins in each at `start` and may span several."""
    coloured = []
    letters_left = len(name.replace(" ", ""))
    for line in lines:
        end = _end_of(line, start, letters_left)
        line_start = line[:start]
        part = line[start:end]
        rest = line[end:]

        letters_left -= len(part.replace(" ", ""))
        if part:
            part = click.style(part, fg="cyan")
        coloured.append(line_start + part + rest)
    return coloured


def _end_of(line: str, start: int, count: int) -> int:
    """The end of the first `count` letters from `start` on, or of the line."""
    for end in range(start, len(line)):
        if count <= 0:
            return end
        if line[end] != " ":
            count -= 1
    return len(line)


def _mark(quote: str) -> str:
    """Bold and green with colour, in brackets without."""
    context = click.get_current_context(silent=True)
    is_plain = context is not None and context.obj == "plain"
    if is_plain:
        return f"[[{quote}]]"
    return click.style(quote, bold=True, fg="green")


def _width() -> int:
    """Characters of a line: two fewer than the terminal has, from 30 to 118."""
    columns = shutil.get_terminal_size().columns
    return max(30, min(columns, 120) - 2)


def _wrap(text: str, indent: str) -> list[str]:
    """Lines of whole words. A word that is longer than a line, as a path may be, is cut after a
    slash, where there is one.
    """
    room = _width() - len(indent)
    words = _SPACES.sub(" ", text).split(" ")
    parted_words = [_parted(word, room) for word in words]
    lines = textwrap.wrap(
        " ".join(parted_words),
        _width(),
        initial_indent=indent,
        subsequent_indent=indent,
        break_on_hyphens=False,
    )
    return [line.replace(view.GLUE, " ") for line in lines]


def _parted(word: str, room: int) -> str:
    """The word, with spaces after slashes where it is too long for a line."""
    if len(click.unstyle(word)) <= room:
        return word

    lines = [""]
    for part in re.findall(r"[^/]*/|[^/]+", word):
        length = len(lines[-1]) + len(part)
        if lines[-1] and length > room:
            lines.append("")
        lines[-1] += part
    return " ".join(lines)
