"""The words that show an answer, the same at the terminal, at the prompt, in a saved session and in
a chat. Also the words that explain an answer or a refusal: passages, ranking, agreement and
confidence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from rag.meaning.identifiers import day_in_words
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
    lines = [
        *_outcome(answer),
        *_evidence(answer),
        *_agreement(answer),
    ]
    if answer.value:
        lines.append(f"Read as {in_words(answer.value)}.")
    lines.extend(_search(answer))
    return lines


def _outcome(answer: Answer) -> Iterator[str]:
    """What the answer is, how certain, and in which form; or why there is none."""
    receipt = answer.receipt
    if answer.text is None:
        yield f"Not answered: {answer.abstention_reason}."
    else:
        needed = -1.0
        if receipt:
            needed = float(receipt.settings.get("threshold", -1))
        threshold = f" (threshold {needed:.0%})" if needed >= 0 else ""
        text = shortened(answer.text, 120)
        yield f'"{text}": confidence {answer.confidence:.0%}{threshold}.'

    if answer.form not in ("span", TALK):
        form = _FORMS[answer.form]
        if receipt and receipt.form:
            form += " as requested"
        yield f"The answer is given as {form}: {_contents(answer)}."


def _contents(answer: Answer) -> str:
    """The number of pieces, and of the documents that they are from."""
    if not answer.pieces:
        return "nothing reached the required confidence"

    document_ids = {piece.citation.document_id for piece in answer.pieces}
    pieces = plural(len(answer.pieces), "piece")
    documents = plural(len(document_ids), "document")
    unshown = f", {answer.more} more are not shown" if answer.more else ""
    return f"{pieces} of {documents}{unshown}"


def _evidence(answer: Answer) -> Iterator[str]:
    """Where the answer, or the best guess, is, and how search ranked its passage."""
    if answer.citations:
        place = answer.citations[0]
        subject = "It"
    elif answer.alternatives and answer.confidence >= LEAST_SHOWN:
        guess = answer.alternatives[0]
        place = guess.citations[0]
        subject = f'"{guess.text}"'
    else:
        return

    where = f"{subject} is in {place.document_id}"
    for number, hit in enumerate(answer.hits, 1):
        if hit.contains(place):
            yield f"{where}, the {_nth(number)} closest passage{_by_retrievers(hit)}."
            return
    yield f"{where}."


def _by_retrievers(hit: Hit) -> str:
    """The ranks of a passage by meaning and by words, in parentheses, or ""."""
    ranks = []
    if hit.dense_rank:
        ranks.append(f"{_nth(hit.dense_rank)} by meaning")
    if hit.lexical_rank:
        ranks.append(f"{_nth(hit.lexical_rank)} by words")

    listed = ", ".join(ranks)
    return f" ({listed})" if listed else ""


def _agreement(answer: Answer) -> Iterator[str]:
    """How many documents support the answer, what contradicts it, and the next candidate."""
    if answer.text is None or answer.form in ("overview", "catalogue", GRID):
        return

    count_read = len({hit.passage.document_id for hit in answer.hits_read})
    if answer.documents > 1:
        yield f"{answer.documents} of the {count_read} documents read support it."
    elif answer.documents == 1:
        documents = plural(count_read, "document")
        yield f"One of the {documents} read supports it."

    for conflict in answer.conflicts:
        documents = plural(conflict.documents, "document")
        source = conflict.citations[0]
        yield f'Conflicts with: "{conflict.text}" in {documents} ({source.document_id}).'

    for rival in _rivals(answer)[:1]:
        source = rival.citations[0]
        share = f"{rival.confidence:.0%}"
        yield f'The next candidate is "{rival.text}" with {share}, in {source.document_id}.'


def in_words(value: Value) -> str:
    """A value for people: "date 2015-07-14", "quantity about 11 metric_ton"."""
    if value.verdict:
        verdict = in_a_cell(value.verdict)
        return f'{verdict}, as "{value.text}" says'

    if value.iso and value.number is None:
        words = f"{value.kind} {_days_in_words(value.iso)}"
        if value.bound:
            words += f" ({value.bound})"
        if value.resolved:
            words += f": {value.resolved}"
        return words

    numbers = []
    for number in (value.number, value.upper):
        if number is not None:
            numbers.append(f"{number:,.12g}")

    unit = (value.unit or "").replace("_", " ")
    if value.kind == "duration" and numbers != ["1"]:
        unit = _PLURALS.get(unit, f"{unit}s")
    parts = [
        value.kind,
        value.bound,
        " to ".join(numbers),
        unit,
    ]
    if value.per:
        parts.append(f"per {value.per}")
    return " ".join(part for part in parts if part)


_PLURALS = {"century": "centuries"}
_YEARLY = re.compile(r"--\d\d-\d\d")
"""A day without its year."""


def _days_in_words(iso: str) -> str:
    """A date as it is, but days without a year and both ends of a period in words: "8 to 26
    July".
    """
    start, _, end = iso.partition("/")
    if not end and not _YEARLY.fullmatch(start):
        return iso
    start_words = _day_in_words(start)
    if not end:
        return start_words

    end_words = _day_in_words(end)
    if start.count("-") == end.count("-") and "-" in start:
        start_parts, end_parts = start_words.split(), end_words.split()
        while len(start_parts) > 1 and start_parts[-1] == end_parts[-1]:
            start_parts.pop()
            end_parts.pop()
        start_words = " ".join(start_parts)
    return f"{start_words} to {end_words}"


def _day_in_words(iso: str) -> str:
    """ "8 July 2024" for a day; a month, a year or another date as it is."""
    try:
        return day_in_words(iso)
    except ValueError:
        return iso


def _search(answer: Answer) -> Iterator[str]:
    """What was asked of each document; or what was read, and which words are not in it."""
    if answer.grid:
        questions = " ".join(str(column["question"]) for column in answer.grid.columns)
        yield f"Each document was asked: {questions}"
        yield from grid_lines(answer)
        return
    if not answer.hits:
        yield "No passages were found."
        return

    document_ids = {hit.passage.document_id for hit in answer.hits_read}
    documents = plural(len(document_ids), "document")
    count = f"{len(answer.hits)} passages"
    if answer.truncated:
        count = f"{answer.passages_read} of the {count}"
    closest_id = answer.hits[0].passage.document_id
    yield f"{count} of {documents} were read; the closest is in {closest_id}."

    absent = _absent_words(answer) if answer.text is None else []
    if absent:
        listed = ", ".join(f'"{word}"' for word in absent)
        yield f"These words of the question are in none of the passages: {listed}."


def _absent_words(answer: Answer) -> list[str]:
    """The question's words, each once, that no passage has in any form."""
    stems: set[str] = set()
    for hit in answer.hits:
        stems.update(content_words(hit.passage.in_context))

    words = dict.fromkeys(WORD.findall(answer.question))
    return [word for word in words if content_words(word) - stems]


def _nth(number: int) -> str:
    """The ordinal, as in "2nd"."""
    is_teen = 10 <= number % 100 <= 20
    if is_teen:
        return f"{number}th"
    ending = _ORDINAL_ENDINGS.get(number % 10, "th")
    return f"{number}{ending}"


_ORDINAL_ENDINGS = {1: "st", 2: "nd", 3: "rd"}


MOST_CONFLICTS = 3
"""Maximum number of conflicting answers shown."""
GLUE = "\ue000"
"""The space before a citation mark while text is wrapped: a mark never has a line of its own."""
REFUSAL_CANDIDATES = 3
"""Maximum number of candidates or passages shown with a refusal."""
REFUSAL_LINES = 2
"""Number of lines that each of them gets, but for the best candidate."""
LEAD_LINES = 8
"""Number of lines for the best candidate, which a person may take for the answer: its sentence."""
_RAGGED = 8
"""Characters that a line loses where words do not end at the margin."""
LINED_FORMS = frozenset(("steps", "list", "comparison", "overview", "catalogue", GRID))
"""Forms whose pieces have lines of their own; others are running text."""


def path_to(cited: Citation | Passage, separator: str = " > ") -> str:
    """Title, headings, outermost first, and page, if it is known."""
    path = separator.join(title_and_headings(cited.title, cited.headings))
    if isinstance(cited, Citation) and cited.page:
        return f"{path}, page {cited.page}"
    return path


def marked_sentence(citation: Citation) -> tuple[str, str, str]:
    """The cited sentence: what is before the quote, the quote, and what is after it."""
    sentence = citation.sentence
    start = citation.start - citation.sentence_start
    end = citation.end - citation.sentence_start
    return sentence[:start], sentence[start:end], sentence[end:]


def excerpt(text_before: str, quote: str, text_after: str, room: int) -> tuple[str, str, str]:
    """What is around a quote, on one line of about `room` characters, cut at words. An ellipsis
    replaces what is left out.
    """
    text_before = _in_one_line(text_before)
    quote = _in_one_line(quote)
    text_after = _in_one_line(text_after)
    if len(quote) > room:
        has_more = bool(text_before.strip())
        return "… " if has_more else "", _first_words(quote, room), ""

    # each side may have half of the room, and what the other side does not need
    available = room - len(quote)
    most_before = max(available // 2, available - len(text_after))
    room_before = min(len(text_before), most_before)
    room_after = available - room_before

    if room_before < len(text_before):
        text_before = _last_words(text_before, room_before)
    if room_after < len(text_after):
        text_after = _first_words(text_after, room_after)
    return text_before, quote, text_after


def _in_one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def _first_words(text: str, room: int) -> str:
    """As many words as fit, with an ellipsis."""
    words = text[:room].rpartition(" ")[0] or text[:room]
    return f"{words.rstrip()} …"


def _last_words(text: str, room: int) -> str:
    """As many words as fit before the end, after an ellipsis."""
    fitting = text[len(text) - room :]
    _, _, whole_words = fitting.partition(" ")
    return f"… {whole_words}"


def lead(answer: Answer) -> str:
    """The words before the pieces: one of `LEADS`, the count of a catalogue, what a grid comes to,
    or "".
    """
    text = answer.text or ""
    if answer.form == GRID:
        return text.partition("\n")[0]
    if answer.verdict:
        return LEADS[answer.verdict]
    if answer.form != "catalogue":
        return ""

    titles = "\n".join(piece.label for piece in answer.pieces)
    return "" if text == titles else text


def value_in_words(value: Value | None) -> str:
    """The value in words if it says more than the answer, or ""."""
    if value is None:
        return ""
    says_more = bool(value.resolved or value.verdict)
    if value.kind == "date" and value.iso:
        written = (value.iso, _days_in_words(value.iso))
        says_more = says_more or bool(value.bound) or value.text not in written
    return in_words(value) if says_more else ""


def _rivals(answer: Answer) -> list[Alternative]:
    """The candidates that do not conflict."""
    conflicting = {conflict.text for conflict in answer.conflicts}
    return [rival for rival in answer.alternatives if rival.text not in conflicting]


def other_candidates(answer: Answer) -> list[Alternative]:
    """Further candidates that are worth showing."""
    return [rival for rival in _rivals(answer) if _is_shown(rival)]


def _is_shown(candidate: Alternative) -> bool:
    return candidate.confidence >= LEAST_SHOWN


def nearest_places(answer: Answer) -> Sequence[Citation | Hit]:
    """The best candidates of a refusal, one of each sentence, or without any its best passages."""
    citations: dict[tuple[str, int], Citation] = {}
    for candidate in answer.alternatives:
        if _is_shown(candidate):
            citation = candidate.citations[0]
            citations.setdefault((citation.document_id, citation.sentence_start), citation)
    return list(citations.values())[:REFUSAL_CANDIDATES] or answer.hits[:REFUSAL_CANDIDATES]


def source_and_text(
    number: int, place: Citation | Hit, columns: int
) -> tuple[Citation | Passage, tuple[str, str, str]]:
    """One of the `nearest_places`, counted from 1: its source, and what is before the quote, the
    quote, and what is after it, on some lines of so many columns. A passage has no quote.
    """
    source: Citation | Passage
    if isinstance(place, Hit):
        source = place.passage
        text_before, quote, text_after = "", "", body(place)
        lines = REFUSAL_LINES
    else:
        source = place
        text_before, quote, text_after = marked_sentence(place)
        lines = LEAD_LINES if number == 1 else REFUSAL_LINES

    room = lines * (columns - _RAGGED)
    return source, excerpt(text_before, quote, text_after, room)


def reply(answer: Answer) -> list[str]:
    """The lines of a reply to talk: the reply, and questions to ask instead; [] for an answer."""
    if answer.form != TALK:
        return []

    lines = [f"{answer.abstention_reason}."]
    if answer.suggestions:
        lines.append("You can ask, for example:")
    for question in answer.suggestions:
        lines.append(f"- {question}")
    return lines


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

    counts = []
    for outcome, count in grid.counts.items():
        if count:
            counts.append(f"{count} {_SAID[outcome]}")
    documents = plural(len(grid.rows), "document")
    listed = ", ".join(counts)
    lines = [f"{documents} asked: {listed}."]

    for outcome in _NAMED_OUTCOMES:
        titles = [row.title for row in grid.rows if row.outcome == outcome]
        if not titles:
            continue
        named = "; ".join(titles[:_MOST_NAMED])
        unnamed = len(titles) - _MOST_NAMED
        remainder = f" and {unnamed} more" if unnamed > 0 else ""
        lines.append(f"{_SAID[outcome].capitalize()}: {named}{remainder}.")
    return lines


def _grid_file(answer: Answer) -> list[str]:
    """The lines of a grid file; JSON's texts and lists are TOML's, too."""
    definition = answer.grid.definition if answer.grid else {}
    lines = [_toml_line(name, definition[name]) for name in ("name", "filter")]
    for column in definition["columns"]:
        lines += ["", "[[columns]]"]
        for name, value in column.items():
            lines.append(_toml_line(name, value))
    return lines


def _toml_line(name: str, value: object) -> str:
    return f"{name} = {json.dumps(value)}"


def numbered_sources(answer: Answer) -> Sequence[Citation | Hit]:
    """The sources that are shown with a number, in order; for a refusal, the nearest."""
    if answer.text is None:
        return nearest_places(answer)
    shown_conflicts = answer.conflicts[:MOST_CONFLICTS]
    conflicting = [conflict.citations[0] for conflict in shown_conflicts]
    return [*answer.citations, *conflicting]


def sources(pieces: Sequence[Piece]) -> list[tuple[Citation, list[int]]]:
    """The pieces' citations with their numbers; neighbours from the same document, page and
    headings share an entry.
    """
    entries: list[tuple[Citation, list[int]]] = []
    for number, piece in enumerate(pieces, 1):
        if piece.heading:
            continue

        citation = piece.citation
        if entries:
            last_citation, last_numbers = entries[-1]
            if _is_same_source(last_citation, citation):
                last_numbers.append(number)
                continue
        entries.append((citation, [number]))
    return entries


def _is_same_source(citation: Citation, other_citation: Citation) -> bool:
    if citation.document_id != other_citation.document_id:
        return False
    return path_to(citation) == path_to(other_citation)


def body(hit: Hit) -> str:
    """The passage's text without the heading that is shown above it."""
    passage = hit.passage
    innermost = title_and_headings(passage.title, passage.headings)[-1:]
    return passage.text.removeprefix("".join(innermost)).strip()


def shortened(text: str, limit: int = 600) -> str:
    """Text on one line, cut at `limit` characters."""
    line = " ".join(text.split())
    if len(line) <= limit:
        return line
    return line[: limit - 1].rstrip() + "…"
