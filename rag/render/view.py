"""The words that show an answer, the same at the terminal, at the prompt, in a saved session and in
a chat; and those that explain an answer or a refusal: passages, ranking, agreement and confidence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from rag.meaning.words import WORD, content_words
from rag.render.status import plural
from rag.types import (
    GRID,
    LEADS,
    LEAST_SHOWN,
    TALK,
    Alternative,
    Answer,
    Citation,
    Hit,
    Passage,
    Piece,
    Value,
    in_a_cell,
    title_and_headings,
)

_FORMS = {
    "yes_no": "yes, no or on a condition, with the sentence that says so",
    "sentences": "the sentences that answer",
    "steps": "the steps as the document lists them",
    "list": "the list as the document has it",
    "comparison": "one piece for each side",
    "overview": "headings and central sentences",
    "catalogue": "what titles, metadata and counts say",
    "grid": "what the documents say one by one",
}


def explain(answer: Answer) -> list[str]:
    """Lines in plain words, the most important first."""
    value = [f"Read as {in_words(answer.value)}."] if answer.value else []
    return [*_outcome(answer), *_evidence(answer), *_agreement(answer), *value, *_search(answer)]


def _outcome(answer: Answer) -> Iterator[str]:
    receipt = answer.receipt
    if answer.text is None:
        yield f"Not answered: {answer.abstention_reason}."
    else:
        needed = float(receipt.settings.get("threshold", -1)) if receipt else -1.0
        threshold = f" (threshold {needed:.0%})" if needed >= 0 else ""
        yield f'"{shortened(answer.text, 120)}": confidence {answer.confidence:.0%}{threshold}.'
    if answer.form not in ("span", TALK):
        as_requested = " as requested" if receipt and receipt.form else ""
        contents = "nothing reached the required confidence"
        if answer.pieces:
            documents = len({piece.citation.document_id for piece in answer.pieces})
            unshown = f", {answer.more} more are not shown" if answer.more else ""
            count = plural(len(answer.pieces), "piece")
            contents = f"{count} of {plural(documents, 'document')}{unshown}"
        yield f"The answer is given as {_FORMS[answer.form]}{as_requested}: {contents}."


def _evidence(answer: Answer) -> Iterator[str]:
    """Where the answer, or the best guess, is, and how search ranked its passage."""
    if answer.citations:
        place, subject = answer.citations[0], "It is"
    elif answer.alternatives and answer.confidence >= LEAST_SHOWN:
        guess = answer.alternatives[0]
        place, subject = guess.citations[0], f'"{guess.text}" is'
    else:
        return
    where = f"{subject} in {place.document_id}"
    for number, hit in enumerate(answer.hits, 1):
        passage, ranks = hit.passage, {"meaning": hit.dense_rank, "words": hit.lexical_rank}
        is_same = passage.document_id == place.document_id
        if is_same and passage.start <= place.start and place.end <= passage.end:
            found = [f"{_nth(rank)} by {retriever}" for retriever, rank in ranks.items() if rank]
            by_retrievers = f" ({', '.join(found)})" if found else ""
            yield f"{where}, the {_nth(number)} closest passage{by_retrievers}."
            return
    yield f"{where}."


def _agreement(answer: Answer) -> Iterator[str]:
    if answer.text is None or answer.form in ("overview", "catalogue", GRID):
        return
    read = len({hit.passage.document_id for hit in answer.hits_read})
    if answer.documents > 1:
        yield f"{answer.documents} of the {read} documents read support it."
    elif answer.documents == 1:
        yield f"One of the {plural(read, 'document')} read supports it."
    for side in answer.conflicts:
        count, place = plural(side.documents, "document"), side.citations[0].document_id
        yield f'Conflicts with: "{side.text}" in {count} ({place}).'
    for rival in _rivals(answer)[:1]:
        share, place = f"{rival.confidence:.0%}", rival.citations[0].document_id
        yield f'The next candidate is "{rival.text}" with {share}, in {place}.'


def in_words(value: Value) -> str:
    """A value for people: "date 2015-07-14", "quantity about 11 metric_ton"."""
    if value.verdict:
        return f'{in_a_cell(value.verdict)}, as "{value.text}" says'
    if value.iso and value.number is None:
        bound = f" ({value.bound})" if value.bound else ""
        resolved = f": {value.resolved}" if value.resolved else ""
        return f"{value.kind} {value.iso}{bound}{resolved}"
    bounds = [f"{number:,.12g}" for number in (value.number, value.upper) if number is not None]
    iso = f"({value.iso})" if value.iso else ""
    per = f"per {value.per}" if value.per else ""
    parts = (value.kind, value.bound, " to ".join(bounds), value.unit, per, iso)
    return " ".join(part for part in parts if part)


def _search(answer: Answer) -> Iterator[str]:
    if answer.grid:
        questions = " ".join(f"{column['question']}" for column in answer.grid.columns)
        yield f"Each document was asked: {questions}"
        yield from grid_lines(answer)
        return
    if not answer.hits:
        yield "No passages were found."
        return
    documents = plural(len({hit.passage.document_id for hit in answer.hits_read}), "document")
    count = f"{answer.passages_read} of the " if answer.truncated else ""
    read = f"{count}{len(answer.hits)} passages of {documents} were read"
    yield f"{read}; the closest is in {answer.hits[0].passage.document_id}."
    if answer.text is None:
        stems = {stem for hit in answer.hits for stem in content_words(hit.passage.in_context)}
        words = dict.fromkeys(WORD.findall(answer.question))
        if absent := [f'"{word}"' for word in words if content_words(word) - stems]:
            yield f"These words of the question are in none of the passages: {', '.join(absent)}."


def _nth(number: int) -> str:
    """The ordinal, as in "2nd"."""
    is_teen = 10 <= number % 100 <= 20
    return f"{number}{'th' if is_teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


MOST_CONFLICTS = 3
"""Maximum number of conflicting answers shown."""
GLUE = "\ue000"
"""The space before a citation mark while text is wrapped: a mark never has a line of its own."""
NEAREST = 3
"""Maximum number of candidates or passages shown with a refusal."""
NEAREST_LINES = 2
"""Number of lines that each of them gets."""
LINED_FORMS = frozenset(("steps", "list", "comparison", "overview", "catalogue", GRID))
"""Forms whose pieces have lines of their own; others are running text."""


def path_to(cited: Citation | Passage, separator: str = " > ") -> str:
    """Title, headings, outermost first, and page, if it is known."""
    path = separator.join(title_and_headings(cited.title, cited.headings))
    page = cited.page if isinstance(cited, Citation) else None
    return f"{path}, page {page}" if page else path


def marked(citation: Citation) -> tuple[str, str, str]:
    """The cited sentence: what is before the quote, the quote, and what is after it."""
    start, end = citation.start - citation.sentence_start, citation.end - citation.sentence_start
    return citation.sentence[:start], citation.sentence[start:end], citation.sentence[end:]


def excerpt(text_before: str, quote: str, text_after: str, room: int) -> tuple[str, str, str]:
    """What is around a quote, on one line of about `room` characters, cut at words. An ellipsis
    stands for what is left out.
    """
    text_before, quote, text_after = (
        re.sub(r"\s+", " ", part) for part in (text_before, quote, text_after)
    )
    if len(quote) > room:
        return "… " if text_before.strip() else "", _first_words(quote, room), ""

    available = room - len(quote)
    room_before = min(len(text_before), max(available // 2, available - len(text_after)))
    room_after = available - room_before
    if room_before < len(text_before):
        text_before = "… " + text_before[len(text_before) - room_before :].partition(" ")[2]
    if room_after < len(text_after):
        text_after = _first_words(text_after, room_after)
    return text_before, quote, text_after


def _first_words(text: str, room: int) -> str:
    """As many words as fit, with an ellipsis."""
    words = text[:room].rpartition(" ")[0] or text[:room]
    return f"{words.rstrip()} …"


def lead(answer: Answer) -> str:
    """The words before the pieces: one of `LEADS`, the count of a catalogue, what a grid comes to,
    or "".
    """
    if answer.form == GRID:
        return (answer.text or "").partition("\n")[0]
    if answer.verdict:
        return LEADS[answer.verdict]
    titles = "\n".join(piece.label for piece in answer.pieces)
    return "" if answer.form != "catalogue" or answer.text == titles else answer.text or ""


def typed(value: Value | None) -> str:
    """The value in words if it says more than the answer, or ""."""
    if value is None:
        return ""
    is_more = value.resolved or value.verdict or value.iso not in (None, value.text)
    return in_words(value) if is_more else ""


def _rivals(answer: Answer) -> list[Alternative]:
    """The candidates that do not conflict."""
    conflicting = {conflict.text for conflict in answer.conflicts}
    return [rival for rival in answer.alternatives if rival.text not in conflicting]


def others(answer: Answer) -> list[Alternative]:
    """Further candidates that are worth showing."""
    return [rival for rival in _rivals(answer) if rival.confidence >= LEAST_SHOWN]


def nearest(answer: Answer) -> Sequence[Citation | Hit]:
    """The best candidates of a refusal, or without any its best passages."""
    citations = [
        rival.citations[0] for rival in answer.alternatives if rival.confidence >= LEAST_SHOWN
    ]
    return citations[:NEAREST] or answer.hits[:NEAREST]


def reply(answer: Answer) -> list[str]:
    """The lines of a reply to talk: the reply, and questions to ask instead; [] for an answer."""
    if answer.form != TALK:
        return []
    offered = ["You can ask, for example:"] if answer.suggestions else []
    return [f"{answer.abstention_reason}.", *offered, *(f"- {q}" for q in answer.suggestions)]


_SAID = {
    "counted": "counted",
    "other": "something else",
    "unsure": "unsure",
    "silent": "silent",
    "unreadable": "unreadable",
    "waiting": "not asked in time",
}
"""Outcomes of documents for people."""
_NAMED_OUTCOMES = ("unsure", "silent", "unreadable", "waiting")
_MOST_NAMED = 5


def grid_lines(answer: Answer) -> list[str]:
    """What the documents say that are not quoted: how many say something else, and which are unsure
    or silent; and of a question that asks too many, the file of a grid that asks them.
    """
    grid = answer.grid
    if grid is None:
        return []
    if not grid.rows:
        return ["As a grid: rag grid run FILE.toml, with this FILE.toml:", *_grid_file(answer)]
    counts = [f"{count} {_SAID[name]}" for name, count in grid.counts.items() if count]
    lines = [f"{plural(len(grid.rows), 'document')} asked: {', '.join(counts)}."]
    for name in _NAMED_OUTCOMES:
        titles = [row.title for row in grid.rows if row.outcome == name]
        more = f" and {len(titles) - _MOST_NAMED} more" if len(titles) > _MOST_NAMED else ""
        if titles:
            lines.append(f"{_SAID[name].capitalize()}: {'; '.join(titles[:_MOST_NAMED])}{more}.")
    return lines


def _grid_file(answer: Answer) -> list[str]:
    """The lines of a grid file; JSON's texts and lists are TOML's, too."""
    definition = answer.grid.definition if answer.grid else {}
    lines = [f"{name} = {json.dumps(definition[name])}" for name in ("name", "filter")]
    for column in definition["columns"]:
        lines += ["", "[[columns]]", *(f"{name} = {json.dumps(v)}" for name, v in column.items())]
    return lines


def numbered(answer: Answer) -> Sequence[Citation | Hit]:
    """The sources that are shown with a number, in order; for a refusal, the nearest."""
    if answer.text is None:
        return nearest(answer)
    conflicting = [conflict.citations[0] for conflict in answer.conflicts[:MOST_CONFLICTS]]
    return [*answer.citations, *conflicting]


def sources(pieces: Sequence[Piece]) -> list[tuple[Citation, list[int]]]:
    """The pieces' citations with their numbers; neighbours from the same document, page and
    headings share an entry.
    """
    shared: list[tuple[Citation, list[int]]] = []
    for number, piece in enumerate(pieces, 1):
        if piece.heading:
            continue
        if shared and _is_same_source(shared[-1][0], piece.citation):
            shared[-1][1].append(number)
        else:
            shared.append((piece.citation, [number]))
    return shared


def _is_same_source(citation: Citation, other_citation: Citation) -> bool:
    return citation.document_id == other_citation.document_id and path_to(citation) == path_to(
        other_citation
    )


def body(hit: Hit) -> str:
    """The passage's text without the heading that is shown above it."""
    passage = hit.passage
    innermost = title_and_headings(passage.title, passage.headings)[-1:]
    return passage.text.removeprefix("".join(innermost)).strip()


def shortened(text: str, limit: int = 600) -> str:
    """Text on one line, cut at `limit` characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 1].rstrip()}…"
