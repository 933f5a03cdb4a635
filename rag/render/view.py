"""The words that show an answer, the same at the terminal, at the prompt, in a saved session and in
a chat; and those that explain an answer or a refusal: passages, ranking, agreement and confidence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rag.meaning.words import WORD, content_words
from rag.render.status import plural
from rag.types import (
    LEAST_SHOWN,
    TALK,
    Alternative,
    Answer,
    Citation,
    Hit,
    Passage,
    Piece,
    Value,
    title_and_headings,
)

_FORMS = {
    "yes_no": "yes or no, with the sentence that says so",
    "sentences": "the sentences that answer",
    "steps": "the steps as the document lists them",
    "list": "the list as the document has it",
    "comparison": "one piece for each side",
    "overview": "headings and central sentences",
    "catalogue": "what titles, metadata and counts say",
}


def explain(answer: Answer) -> list[str]:
    """Lines in plain words, the most important first."""
    return [
        line for part in (_outcome, _evidence, _agreement, _typed, _search) for line in part(answer)
    ]


def _outcome(answer: Answer) -> Iterator[str]:
    needed = _threshold(answer)
    if answer.text is None:
        yield f"Not answered: {answer.abstention_reason}."
    else:
        threshold = f" (threshold {needed:.0%})" if needed is not None else ""
        yield f'"{shortened(answer.text, 120)}": confidence {answer.confidence:.0%}{threshold}.'
    if answer.form not in ("span", TALK):
        as_requested = " as requested" if answer.receipt and answer.receipt.form else ""
        yield f"The answer is given as {_FORMS[answer.form]}{as_requested}: {_made_of(answer)}."


def _made_of(answer: Answer) -> str:
    """The number of pieces and of their documents."""
    count = len(answer.pieces)
    if not count:
        return "nothing reached the required confidence"
    documents = len({piece.citation.document_id for piece in answer.pieces})
    unshown = f", {answer.more} more are not shown" if answer.more else ""
    return f"{plural(count, 'piece')} of {plural(documents, 'document')}{unshown}"


def _threshold(answer: Answer) -> float | None:
    """The threshold in the receipt, if it has one."""
    stated = float(answer.receipt.settings.get("threshold", -1)) if answer.receipt else -1.0
    return stated if stated >= 0 else None


def _evidence(answer: Answer) -> Iterator[str]:
    first = answer.citations[0] if answer.citations else None
    word = "It is"
    if first is None and answer.alternatives and answer.confidence >= LEAST_SHOWN:
        first, word = answer.alternatives[0].citations[0], f'"{answer.alternatives[0].text}" is'
    if first is None:
        return
    place = _place(answer.hits, first)
    where = f"{word} in {first.document_id}"
    if place is None:
        yield f"{where}."
        return
    hit = answer.hits[place]
    retrievers = [
        f"{_nth(rank)} by {retriever}"
        for rank, retriever in ((hit.dense_rank, "meaning"), (hit.lexical_rank, "words"))
        if rank
    ]
    by_retrievers = f" ({', '.join(retrievers)})" if retrievers else ""
    yield f"{where}, the {_nth(place + 1)} closest passage{by_retrievers}."


def _place(hits: tuple[Hit, ...], citation: Citation) -> int | None:
    for number, hit in enumerate(hits):
        passage = hit.passage
        if (
            passage.document_id == citation.document_id
            and passage.start <= citation.start
            and citation.end <= passage.end
        ):
            return number
    return None


def _agreement(answer: Answer) -> Iterator[str]:
    if answer.text is None:
        return
    read = len({hit.passage.document_id for hit in answer.hits_read})
    if answer.form in ("overview", "catalogue"):
        return
    if answer.documents > 1:
        yield f"{answer.documents} of the {read} documents read support it."
    elif answer.documents == 1:
        yield f"One of the {plural(read, 'document')} read supports it."
    for side in answer.conflicts:
        count, place = plural(side.documents, "document"), side.citations[0].document_id
        yield f'Conflicts with: "{side.text}" in {count} ({place}).'
    rivals = [o for o in answer.alternatives if all(o.text != s.text for s in answer.conflicts)]
    if rivals:
        following, place = rivals[0], rivals[0].citations[0].document_id
        yield (
            f'The next candidate is "{following.text}" with {following.confidence:.0%}, in {place}.'
        )


def _typed(answer: Answer) -> Iterator[str]:
    words = in_words(answer.value) if answer.value else None
    if words:
        yield f"Read as {words}."


def in_words(value: Value) -> str:
    """A value for people: "date 2015-07-14", "quantity about 11 metric_ton"."""
    if value.yes is not None:
        return f'{"yes" if value.yes else "no"}, as "{value.text}" says'
    if value.iso and value.number is None:
        bound = f" ({value.bound})" if value.bound else ""
        return f"{value.kind} {value.iso}{bound}" + (
            f": {value.resolved}" if value.resolved else ""
        )
    bounds = [f"{number:,.12g}" for number in (value.number, value.upper) if number is not None]
    parts = (
        value.kind,
        value.bound,
        " to ".join(bounds),
        value.unit or "",
        f"({value.iso})" if value.iso else "",
    )
    return " ".join(part for part in parts if part)


def _search(answer: Answer) -> Iterator[str]:
    if not answer.hits:
        yield "No passages were found."
        return
    documents = len({hit.passage.document_id for hit in answer.hits_read})
    best = answer.hits[0]
    count = (
        f"{answer.passages_read} of the {len(answer.hits)}"
        if answer.truncated
        else f"{len(answer.hits)}"
    )
    yield (
        f"{count} passages of {plural(documents, 'document')} were read; the closest is in "
        f"{best.passage.document_id}."
    )
    absent = _absent_words(answer)
    if answer.text is None and absent:
        yield f"These words of the question are in none of the passages: {', '.join(absent)}."


def _absent_words(answer: Answer) -> list[str]:
    """The content words of the question, quoted, that no passage found has in any form."""
    stems = {stem for hit in answer.hits for stem in content_words(hit.passage.in_context)}
    words = dict.fromkeys(WORD.findall(answer.question))
    return [f'"{word}"' for word in words if content_words(word) - stems]


def _nth(number: int) -> str:
    ending = (
        "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    )
    return f"{number}{ending}"


MOST_CONFLICTS = 3
"""Maximum number of conflicting answers shown."""
GLUE = "\ue000"
"""The space before a citation mark while text is wrapped: a mark never has a line of its own."""
NEAREST = 3
"""Maximum number of candidates or passages shown with a refusal."""
LINED_FORMS = frozenset(("steps", "list", "comparison", "overview", "catalogue"))
"""Forms whose pieces have lines of their own; others are running text."""


class CitedPlace(NamedTuple):
    """A document, its title and headings, outermost first, and the page, or None."""

    document_id: str
    parts: tuple[str, ...]
    page: int | None

    def path(self, separator: str = " > ") -> str:
        """Title, headings and page."""
        return separator.join(self.parts) + (f", page {self.page}" if self.page else "")


def place_of(cited: Citation | Passage) -> CitedPlace:
    parts = title_and_headings(cited.title, cited.heading)
    return CitedPlace(cited.document_id, parts, cited.page if isinstance(cited, Citation) else None)


def marked(citation: Citation) -> tuple[str, str, str]:
    """The cited sentence: what is before the quote, the quote, and what is after it."""
    start, end = citation.start - citation.sentence_start, citation.end - citation.sentence_start
    return citation.sentence[:start], citation.sentence[start:end], citation.sentence[end:]


def lead(answer: Answer) -> str:
    """The words before the pieces: "Yes.", "No.", the count of a catalogue, or ""."""
    if answer.value is not None and answer.value.yes is not None:
        return "Yes." if answer.value.yes else "No."
    titles = "\n".join(piece.label for piece in answer.pieces)
    return "" if answer.form != "catalogue" or answer.text == titles else answer.text or ""


def typed(value: Value | None) -> str:
    """The value in words if it says more than the answer, or ""."""

    is_more = value is not None and (
        value.resolved or value.yes is not None or value.iso not in (None, value.text)
    )
    return in_words(value) if value and is_more else ""


def others(answer: Answer) -> list[Alternative]:
    """Further candidates that are worth showing."""
    conflicting = {conflict.text for conflict in answer.conflicts}
    return [
        candidate
        for candidate in answer.alternatives
        if candidate.confidence >= LEAST_SHOWN and candidate.text not in conflicting
    ]


def near_citations(answer: Answer) -> list[Citation]:
    """The best candidates of a refusal."""
    near = [candidate for candidate in answer.alternatives if candidate.confidence >= LEAST_SHOWN]
    return [candidate.citations[0] for candidate in near[:NEAREST]]


def near_hits(answer: Answer) -> Sequence[Hit]:
    """The best passages of a refusal without candidates."""
    return () if near_citations(answer) else answer.hits[:NEAREST]


def reply(answer: Answer) -> list[str]:
    """The lines of a reply to talk: the reply, and questions to ask instead; [] for an answer."""
    if answer.form != TALK:
        return []
    offered = ["You can ask, for example:"] if answer.suggestions else []
    return [f"{answer.abstention_reason}.", *offered, *(f"- {q}" for q in answer.suggestions)]


def numbered(answer: Answer) -> list[Citation]:
    """The citations that are shown with a number, in order; for a refusal, the nearest."""
    if answer.text is None:
        return near_citations(answer)
    conflicting = [conflict.citations[0] for conflict in answer.conflicts[:MOST_CONFLICTS]]
    return [*answer.citations, *conflicting]


def sources(pieces: Sequence[Piece]) -> list[tuple[CitedPlace, list[int]]]:
    """The pieces' places with their numbers; neighbours from one place share an entry."""
    shared: list[tuple[CitedPlace, list[int]]] = []
    for number, piece in enumerate(pieces, 1):
        place = place_of(piece.citation)
        if piece.heading:
            continue
        if shared and shared[-1][0] == place:
            shared[-1][1].append(number)
        else:
            shared.append((place, [number]))
    return shared


def shortened(text: str, limit: int = 600) -> str:
    """Text on one line, cut at `limit` characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 1].rstrip()}…"
