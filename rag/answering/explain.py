"""Explains an answer or a refusal in plain words: passages, ranking, agreement and confidence."""

from __future__ import annotations

from collections.abc import Iterator

from rag.types import Alternative, Answer, Citation, Hit, Value

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
        least = f" (threshold {needed:.0%})" if needed is not None else ""
        yield f'"{_short(answer.text)}": confidence {answer.confidence:.0%}{least}.'
    if answer.form != "span":
        asked = " as requested" if answer.receipt and answer.receipt.form else ""
        yield f"The answer is given as {_FORMS[answer.form]}{asked}: {_made_of(answer)}."


def _short(text: str) -> str:
    """The value on one line."""
    line = " ".join(text.split())
    return line if len(line) <= 120 else line[:119] + "…"


def _made_of(answer: Answer) -> str:
    """The number of pieces and of their documents."""
    count = len(answer.pieces)
    if not count:
        return "nothing reached the confidence required for this form"
    documents = len({piece.citation.document_id for piece in answer.pieces})
    more = f", {answer.more} more are not shown" if answer.more else ""
    return f"{count} piece{'' if count == 1 else 's'} of {_documents(documents)}{more}"


def _threshold(answer: Answer) -> float | None:
    """The threshold in the receipt, if it has one."""
    stated = float(answer.receipt.settings.get("threshold", -1)) if answer.receipt else -1.0
    return stated if stated >= 0 else None


def _evidence(answer: Answer) -> Iterator[str]:
    first = answer.citations[0] if answer.citations else None
    word = "It is"
    if first is None and answer.alternatives:
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
    found = f" ({', '.join(retrievers)})" if retrievers else ""
    which = f"the {_nth(place + 1)} passage by rank{found}"
    yield (
        f"{where}, {which}: score {hit.score:.2f}, cosine {hit.dense:.2f}, BM25 {hit.lexical:.1f}."
    )


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
        yield f"One of the {_documents(read)} read supports it."
    for side in answer.conflicts:
        yield f"Conflicts with: {_side(side)}."
    others = [o for o in answer.alternatives if all(o.text != s.text for s in answer.conflicts)]
    if others:
        following, place = others[0], others[0].citations[0].document_id
        yield (
            f'The next candidate is "{following.text}" with {following.confidence:.0%}, in {place}.'
        )


def _side(side: Alternative) -> str:
    return f'"{side.text}" in {_documents(side.documents)} ({side.citations[0].document_id})'


def _typed(answer: Answer) -> Iterator[str]:
    said = in_words(answer.value) if answer.value else None
    if said:
        yield f"Read as {said}."


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
        f"{count} passages of {_documents(documents)} were read; the best by search is in "
        f"{best.passage.document_id} "
        f"(score {best.score:.2f})."
    )


def _documents(count: int) -> str:
    return f"{count} document{'' if count == 1 else 's'}"


def _nth(number: int) -> str:
    ending = (
        "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    )
    return f"{number}{ending}"
