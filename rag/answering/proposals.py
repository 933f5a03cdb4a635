"""Proposes candidates, one function per way to answer: spans, sentences, sections, lists, table
rows, yes or no, comparisons.

None of them decides: `rag.answering.judge` says how likely each serves. For a comparison, also:
which sentence is about each side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, pairwise

from rag.answering.candidate import Candidate, extend_to_whole
from rag.answering.limits import is_outside
from rag.answering.proofs import verdicts
from rag.answering.question_parts import compared_sides
from rag.answering.reading import (
    FIRST,
    REFERS_BACK,
    SPANS,
    Reading,
    Sentence,
    decisions,
    is_next,
)
from rag.answering.spans import SpanGroup
from rag.meaning.dates import named_days, share_day
from rag.meaning.sentences import Offsets
from rag.meaning.words import content_words, normalize, singular, singular_words
from rag.structure import (
    introduction,
    lead_in,
    list_at,
    list_of,
    part_at,
    passage_sentences,
    pointed_to,
    row_at,
    rows_at,
    sentence_after,
    sentence_before,
    sentences_in,
)
from rag.types import Document, Hit, Place, Span, YesNo

_LEAST = 0.5
"""Least share of a side's words in a sentence or in its title and heading."""


def best_of_each_side(
    sentences: Sequence[Sentence],
    names: Sequence[str],
    documents: Mapping[str, Document],
) -> tuple[Sentence | None, ...]:
    """The best sentence for each side: one that has more of this side's own words than of the
    other's, its title and heading counted.
    """
    words, other_words = (singular_words(name) for name in names)
    distinctive = (words - other_words or words, other_words - words or other_words)
    chosen: list[Sentence | None] = []
    for mine, theirs in zip(distinctive, distinctive[::-1], strict=True):
        fitting = [
            (_side_score(sentence, mine, theirs - mine, documents), sentence)
            for sentence in sentences
        ]
        winner = max(fitting, key=lambda pair: pair[0] * (0.2 + pair[1].score), default=None)
        chosen.append(winner[1] if winner and winner[0] >= _LEAST else None)
    return tuple(chosen)


def _side_score(
    candidate: Sentence,
    mine: frozenset[str],
    theirs: frozenset[str],
    documents: Mapping[str, Document],
) -> float:
    document = documents.get(candidate.document_id)
    if document is None:
        return 0.0
    sentence = document.text[candidate.start : candidate.end]
    in_context = _share(mine, f"{candidate.hit.passage.context} {sentence}")
    return max(_share(mine, sentence), 0.8 * in_context) - 0.3 * _share(theirs, sentence)


def _share(words: frozenset[str], text: str) -> float:
    """The share of the words that the text contains."""
    text_words = {singular(word) for word in normalize(text).split()}
    return len(words & text_words) / len(words) if words else 0.0


MAX_ITEMS = 20
"""Items of one list, or rows of one table, that are shown."""
_LISTS, _HEADINGS = 3, 2
"""Places from which candidates of each kind are made."""
_RUNS = ((0.5, 4), (0.2, 6))
"""Share of the best sentence's score from which on sentences join it, and the most of them."""
_REACH = 1500
"""Characters between the sentences of one run."""
_PARAGRAPH = 1200
"""Most characters of a paragraph that is proposed whole."""
MOST_POINTED = 3
"""Most sentences of a section that an answer points to."""
_LEADS_FROM = 0.1
"""Share of a sentence's score from which on the one before it may lead an answer with it."""


def candidates(
    reading: Reading, form: str = "", proposed: Sequence[Candidate] = ()
) -> list[Candidate]:
    """All proposals for a reading, each set of places and verdict once, after the `proposed` ones.
    With a `form` that a person chose, only those of that form, or all if there are none; where
    nobody knows which form is wanted, spans.
    """
    generated = chain.from_iterable(make(reading) for make in GENERATORS)
    proposals = list(_distinct(chain(proposed, generated)))
    wanted_form = form or ("" if reading.form_odds else "span")
    return [
        proposal for proposal in proposals if proposal.form in _same_form(wanted_form)
    ] or proposals


def _same_form(form: str) -> tuple[str, ...]:
    return ("steps", "list") if form in ("steps", "list") else (form,)


def _distinct(proposals: Iterator[Candidate]) -> Iterator[Candidate]:
    by_places: set[object] = set()
    for proposal in proposals:
        offsets = tuple((place.document_id, place.start, place.end) for place in proposal.places)
        key = proposal.form, proposal.verdict, offsets
        if proposal.places and key not in by_places:
            by_places.add(key)
            yield proposal


def spans(reading: Reading) -> Iterator[Candidate]:
    """A few words: the best groups of equal spans. Of words that the large reader found an answer
    in, its span counts: the small reader's is often longer.
    """
    groups = reading.spans[:SPANS]
    if reading.first:
        answered = [_place_of(span) for group in groups for span in group.spans if span.score > 0]
        for group in reading.first.spans[:FIRST]:
            place = _place_of(group.best.span)
            if not any(place.overlaps(other) for other in answered):
                groups.append(group)
    for group in groups:
        span = group.best.span
        if span.text.islower() and not content_words(span.text):
            continue
        yield span_candidate(group)


def _place_of(span: Span) -> Place:
    """Where the span is in its document."""
    passage = span.hit.passage
    return Place(passage.document_id, passage.start + span.start, passage.start + span.end)


def span_candidate(group: SpanGroup) -> Candidate:
    """A group of equal spans as an answer."""
    span = group.best.span
    passage = span.hit.passage
    start, end = extend_to_whole(passage, span.start, span.end)
    place = Place(passage.document_id, passage.start + start, passage.start + end)
    return Candidate("span", "span", (place,), span=group)


def sentence(reading: Reading) -> Iterator[Candidate]:
    """One sentence: the best by score, and those of the best spans; an item with its lead-in."""
    for anchor in reading.anchors:
        yield _sentences("sentence", [anchor], reading)


def run(reading: Reading) -> Iterator[Candidate]:
    """Several sentences near each other, from a share of the best one's score on; items of one list
    only, with their lead-in.
    """
    if not reading.sentences:
        return
    anchor = reading.sentences[0]
    for share, count in _RUNS:
        group = [
            candidate
            for candidate in reading.sentences
            if candidate.document_id == anchor.document_id
            and candidate.score >= share * anchor.score
            and abs(candidate.start - anchor.start) < _REACH
        ]
        group = _of_one_list(group, reading.documents[anchor.document_id])[:count]
        if len(group) > 1:
            in_order = sorted(group, key=lambda candidate: candidate.start)
            yield _sentences("run", in_order, reading)


def _of_one_list(sentences: Sequence[Sentence], document: Document) -> list[Sentence]:
    """The sentences without items of other lists than that of the first item."""
    lists = [list_of(document.blocks, sentence.start) for sentence in sentences]
    first = next((index for index in lists if index is not None), None)
    pairs = zip(sentences, lists, strict=True)
    return [sentence for sentence, index in pairs if index in (None, first)]


def neighbours(reading: Reading) -> Iterator[Candidate]:
    """A sentence with the one before it, which it may refer to, or the one after it, or the section
    that it names ("see Reporting"). What comes before it leads the answer, and so has to be needed,
    or to answer too (`_may_lead`).
    """
    for anchor in reading.anchors[:_LISTS]:
        document = reading.documents[anchor.document_id]
        previous = sentence_before(document.blocks, anchor.start)
        following = sentence_after(document.blocks, anchor.end)
        offsets = (anchor.start, anchor.end)
        if previous and not _may_lead(reading, document, previous, offsets):
            previous = None
        if previous:
            yield _places("neighbours", anchor.document_id, [previous, offsets])
        if following:
            yield _places("neighbours", anchor.document_id, [offsets, following])
        if previous and following:
            yield _places("neighbours", anchor.document_id, [previous, offsets, following])
        if pointed := pointed_to(document, *offsets):
            yield _places("neighbours", anchor.document_id, [offsets, *pointed[:MOST_POINTED]])


def _may_lead(reading: Reading, document: Document, first: Offsets, second: Offsets) -> bool:
    """Whether an answer may begin with the sentence before the `second`: this refers back to it, or
    the `first` scores at least `_LEADS_FROM` of what the second does.
    """
    if REFERS_BACK.match(document.text, *second):
        return True
    scores = reading.scores_of(document.id)
    return scores.get(first[0], 0.0) >= _LEADS_FROM * scores.get(second[0], 1.0)


def _from_leading_sentence(
    reading: Reading, document: Document, places: Sequence[Offsets]
) -> Sequence[Offsets]:
    """The sentences without the first ones, as far as they may not lead an answer."""
    scores = reading.scores_of(document.id)
    best = max(places, key=lambda place: scores.get(place[0], 0.0))
    for number, (first, second) in enumerate(pairwise(places)):
        is_needed = REFERS_BACK.match(document.text, *second)
        if first[0] >= best[0] or is_needed or _may_lead(reading, document, first, best):
            return places[number:]
    return places


def paragraph(reading: Reading) -> Iterator[Candidate]:
    """The paragraph of the best sentence, or of the best span, from the first of its sentences that
    may lead an answer.
    """
    for anchor in reading.anchors[:2]:
        document = reading.documents[anchor.document_id]
        part = part_at(document.blocks, anchor.start)
        if part and part.end - part.start <= _PARAGRAPH:
            places: Sequence[Offsets] = sentences_in(document.blocks, part.start, part.end)
            if part.kind == "paragraph":
                places = _from_leading_sentence(reading, document, places)
            if len(places) > 1:
                yield _places("paragraph", anchor.document_id, places)


def section(reading: Reading) -> Iterator[Candidate]:
    """The text after a heading that has the question's words, or its day: its first sentences."""
    question_words, days = reading.analysis.words, reading.analysis.days
    fitting = []
    for hit in reading.hits:
        heading = hit.passage.innermost_heading
        words = content_words(heading)
        if words and question_words and hit.passage.document_id in reading.documents:
            stated = named_days(heading) if days else frozenset[str]()
            in_words = len(words & question_words) / len(words)
            share = float(share_day(days, stated)) if stated else in_words
            if share > 0 and hit.passage.is_in(reading.documents[hit.passage.document_id]):
                fitting.append((share + len(words & question_words) / len(question_words), hit))
    fitting.sort(key=lambda pair: (-pair[0], -pair[1].score))
    for _, hit in fitting[:_HEADINGS]:
        yield from _section(hit)


def _section(hit: Hit) -> Iterator[Candidate]:
    passage = hit.passage
    places = [
        (passage.start + start, passage.start + end)
        for start, end in passage_sentences(passage)
        if passage.text[start:end].strip() != passage.innermost_heading
    ]
    for count in (1, 2, 4):
        if len(places) >= count:
            yield _places("section", passage.document_id, places[:count])


def items(reading: Reading) -> Iterator[Candidate]:
    """Lists around the best sentences, whole and the items that answer. A lead-in, such as "Only
    with a permit:", always comes with its items.
    """
    lists_done: set[tuple[str, Offsets]] = set()
    for anchor in reading.anchors:
        document = reading.documents[anchor.document_id]
        offsets = list_at(document, anchor.start, anchor.end)
        if not offsets or (anchor.document_id, offsets[0]) in lists_done:
            continue
        lists_done.add((anchor.document_id, offsets[0]))
        lead = lead_in(document, offsets[0][0])
        yield _list("list", anchor.document_id, offsets, lead)
        scores = _item_scores(reading, anchor.document_id, offsets)
        bound = 0.5 * max(scores)
        matching = [o for o, score in zip(offsets, scores, strict=True) if score >= bound > 0]
        if 0 < len(matching) < len(offsets):
            yield _list("items", anchor.document_id, matching, lead)
        if len(lists_done) == _LISTS:
            return


def rows(reading: Reading) -> Iterator[Candidate]:
    """Tables around the best sentences: the rows with the question's words, and all rows."""
    tables_done: set[tuple[str, Offsets]] = set()
    for anchor in reading.anchors:
        document = reading.documents[anchor.document_id]
        offsets = rows_at(document, anchor.start)
        if not offsets or (anchor.document_id, offsets[0]) in tables_done:
            continue
        tables_done.add((anchor.document_id, offsets[0]))
        matching = _matching_rows(reading.question, document, offsets)
        yield _list("rows", anchor.document_id, matching, None)
        if len(matching) < len(offsets):
            yield _list("table", anchor.document_id, offsets, None)
        if len(tables_done) == _LISTS:
            return


def _matching_rows(question: str, document: Document, rows: Sequence[Offsets]) -> list[Offsets]:
    """The rows that have the most of the question's words, not counting those that every row has;
    all rows if none has such a word. If the question has every word of the label of some of these
    rows, only they count: "Adults" is asked, "Adults with sauna" is not.
    """
    question_words = content_words(question)
    shared = [question_words & content_words(document.text[slice(*row)]) for row in rows]
    everywhere = question_words.intersection(*shared)
    counts = [len(words - everywhere) for words in shared]
    matching = [row for row, count in zip(rows, counts, strict=True) if count == max(counts)]
    labels = [_label(document, row) for row in matching]
    named = [
        row
        for row, label in zip(matching, labels, strict=True)
        if label and label <= question_words
    ]
    return named or matching


def _label(document: Document, row: Offsets) -> frozenset[str]:
    """The content words of a row's first cell."""
    block = row_at(document.blocks, row[0])
    cell = block.cells[0] if block and block.cells else None
    return content_words(document.text[cell.start : cell.end]) if cell else frozenset()


def yes_no(reading: Reading) -> Iterator[Candidate]:
    """Yes, no and "on a condition", each with the sentences that say so alone; by readers that do
    not know conditions, with sentences of the passages most confident in yes and in no. What lies
    outside of a sentence's limit is at most allowed on a condition.
    """
    if reading.proofs is not None:
        for places, says in verdicts(reading.proofs).items():
            proof = " ".join(
                reading.text(place.document_id, (place.start, place.end)) for place in places
            )
            is_refuted = says == "yes" and is_outside(reading.question, proof)
            verdict: YesNo = "condition" if is_refuted else says
            yield Candidate("yes_no", "yes_no", places, verdict=verdict)
        return

    for decision in decisions(reading.output.verdicts):
        passage = decision.verdict.hit.passage
        of_passage = [sentence for sentence in reading.sentences if sentence.hit.passage == passage]
        for sentence in of_passage[:2]:
            yield Candidate("yes_no", "yes_no", (_place(sentence),), verdict=decision.says)
        following = [
            sentence
            for sentence in of_passage[1:]
            if of_passage[0].document_id == sentence.document_id
            and is_next(
                reading.documents[sentence.document_id].text, of_passage[0].end, sentence.start
            )
        ]
        if following:
            places = (_place(of_passage[0]), _place(following[0]))
            yield Candidate("yes_no", "yes_no", places, verdict=decision.says)


def comparison(reading: Reading) -> Iterator[Candidate]:
    """The best sentence for each of the two sides that the question names."""
    asked = compared_sides(reading.question)
    if asked is None:
        return
    names = asked.names
    chosen = best_of_each_side(reading.sentences, names, reading.documents)
    places = [
        Place(sentence.document_id, sentence.start, sentence.end, label)
        for label, sentence in zip(names, chosen, strict=True)
        if sentence is not None
    ]
    if len(places) < 2:
        return
    if places[0].overlaps(places[1]):
        places = [replace(places[0], label=", ".join(names))]
    yield Candidate("comparison", "comparison", tuple(places))


GENERATORS: tuple[Callable[[Reading], Iterator[Candidate]], ...] = (
    spans,
    sentence,
    run,
    neighbours,
    paragraph,
    section,
    items,
    rows,
    yes_no,
    comparison,
)


def _place(sentence: Sentence) -> Place:
    return Place(sentence.document_id, sentence.start, sentence.end)


def _sentences(generator: str, sentences: Sequence[Sentence], reading: Reading) -> Candidate:
    """The sentences, the first item of a list with its lead-in."""
    places: dict[Place, None] = {}
    for sentence in sentences:
        document = reading.documents[sentence.document_id]
        if lead := introduction(document, sentence.start):
            places.setdefault(Place(document.id, *lead))
        places.setdefault(_place(sentence))
    return Candidate("sentences", generator, tuple(places))


def _places(generator: str, document_id: str, offsets: Sequence[Offsets]) -> Candidate:
    return Candidate(
        "sentences", generator, tuple(Place(document_id, start, end) for start, end in offsets)
    )


def _list(
    generator: str, document_id: str, offsets: Sequence[Offsets], lead: Offsets | None
) -> Candidate:
    quoted = ([lead] if lead else []) + list(offsets[:MAX_ITEMS])
    places = tuple(Place(document_id, start, end) for start, end in quoted)
    return Candidate("list", generator, places, more=max(0, len(offsets) - MAX_ITEMS))


def _item_scores(reading: Reading, document_id: str, offsets: Sequence[Offsets]) -> list[float]:
    """The best score of any sentence in each item."""
    of_document = [
        sentence for sentence in reading.sentences if sentence.document_id == document_id
    ]
    return [
        max(
            (sentence.score for sentence in of_document if start <= sentence.start < end),
            default=0.0,
        )
        for start, end in offsets
    ]
