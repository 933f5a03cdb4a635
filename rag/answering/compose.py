"""Decides: the likeliest candidate is the answer, or it is refused ("not found") with a reason.

`rag.answering.proposals` makes the candidates, and `rag.answering.judge` gives their probabilities.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace

from rag.answering.asked_codes import OF_ANOTHER, missing_code, of_another
from rag.answering.asked_days import is_asked_as_a_whole
from rag.answering.candidate import MAX_CITATIONS, Candidate, Said, said
from rag.answering.completing import completed
from rag.answering.conflicts import LEAST_SHARE, agreeing_documents, conflicts
from rag.answering.forms import NEEDS_ALL
from rag.answering.judge import Ranks
from rag.answering.proposals import candidates as proposals_of
from rag.answering.proposals import span_candidate
from rag.answering.question_parts import compared_sides
from rag.answering.reading import Reading
from rag.answering.receipts import AskedQuestion, answer_digest
from rag.answering.spans import SpanGroup
from rag.answering.table_questions import asks_for_two_cells, compared_things, may_state_change
from rag.facts import without_periods
from rag.filters import filter_text
from rag.meaning.relative_dates import document_date
from rag.meaning.stems import stem_words
from rag.meaning.words import FUNCTION_WORDS, normalize, singular_words
from rag.structure import enclosing
from rag.types import LEAST_SHOWN, Alternative, Answer, Citation, Document, Place

MOST_ALTERNATIVES = 3
_LONGEST_GUESS = 160
"""Characters: two lines of a terminal."""
_NUMBERING = re.compile(r"\(?\d+(?:\.\d+)*[.)]?|\(?[a-z][.)]", re.IGNORECASE)
_OF_A_CLAUSE = re.compile(
    r"(?:\A|\n)\s*|(?:section|clause|article|paragraph|chapter|part|page|see)\s+|§\s*",
    re.IGNORECASE,
)
"""What is before a number that numbers a part of a document: nothing, or the kind of part."""
_COMPARES = 0.5
"""Probability of a comparison from which on a side that is missing is named."""
_DOUBTED = 0.9
"""Share of an answer's probability from which on another verdict makes its own doubtful."""
_SURE_PROBABILITY = 0.6
"""Probability from which on the opposite in the same sentences does not count."""
_OPPOSITE = 0.3
"""Share of what the reader finds for a verdict from which on its opposite makes it doubtful."""
_IN_SENTENCES = ("span", "sentences")
_SURE_VERDICT = 0.5
"""Probability of a table's verdict from which on it takes the place of its row."""
_OF_UNLIKELY_ROW = 0.3
"""Share of its probability that remains to a row which hardly has the figure that is asked."""
_HALF = 0.2
"""Share of its probability that remains to one cell or row where the difference of two is asked."""
ALL_NEEDED = (
    "this needs all passages (a sum, a count or a comparison over everything), but "
    "only the nearest are read"
)


@dataclass(frozen=True, slots=True)
class Ruling:
    """The judge, the probability that an answer needs, and how many alternatives are shown."""

    judge: Ranks
    threshold: float
    alternatives: int


@dataclass(frozen=True, slots=True)
class Ranked:
    """A candidate and the probability that it serves."""

    candidate: Candidate
    probability: float


def rank(
    reading: Reading,
    judge: Ranks,
    form: str = "",
    proposed: Sequence[Candidate] = (),
    unlikely_rows: Sequence[Place] = (),
) -> list[Ranked]:
    """All candidates with their probabilities, the likeliest first. `form` is one that a person
    chose; `proposed` are candidates from elsewhere: overviews, catalogues, figures of tables.
    `unlikely_rows` are those of tables that hardly have the figure which the question means.
    """
    figures = [candidate for candidate in proposed if candidate.probability is not None]
    unjudged = [candidate for candidate in proposed if candidate.probability is None]
    proposals = proposals_of(reading, form, unjudged)
    probabilities = judge.probabilities(proposals, reading)
    ranked = [
        Ranked(candidate, probability)
        for candidate, probability in zip(proposals, probabilities, strict=True)
    ]

    ranked = _with_unlikely_rows(ranked, unlikely_rows)
    for figure in figures:
        if form in ("", figure.form):
            ranked = _with_figure(ranked, figure, figure.probability or 0.0)

    ranked = _with_codes(ranked, reading)
    if asks_for_two_cells(reading.question):
        ranked = _with_halves(ranked, reading)
    return sorted(ranked, key=lambda entry: -entry.probability)


def _with_codes(ranked: Sequence[Ranked], reading: Reading) -> list[Ranked]:
    """The candidates; those from documents without the code that the question names are unlikely
    ("error E7").
    """
    are_of_another = of_another(reading, [entry.candidate for entry in ranked])
    return _weakened(ranked, are_of_another, weight=OF_ANOTHER)


def _with_unlikely_rows(ranked: Sequence[Ranked], rows: Sequence[Place]) -> list[Ranked]:
    """The candidates; those that are in unlikely rows of tables alone are unlikely."""
    are_unlikely = [
        all(any(place.overlaps(row) for row in rows) for place in entry.candidate.places)
        for entry in ranked
    ]
    return _weakened(ranked, are_unlikely, weight=_OF_UNLIKELY_ROW)


def _with_halves(ranked: Sequence[Ranked], reading: Reading) -> list[Ranked]:
    """The candidates; where a difference is asked, half of what it needs is unlikely."""
    things = compared_things(reading.question)
    are_halves = [_is_half(entry.candidate, things, reading) for entry in ranked]
    return _weakened(ranked, are_halves, weight=_HALF)


def _weakened(
    ranked: Sequence[Ranked], are_unlikely: Sequence[bool], weight: float
) -> list[Ranked]:
    """The candidates; `weight` of its probability remains to each one that is unlikely."""
    entries = []
    for entry, is_unlikely in zip(ranked, are_unlikely, strict=True):
        share = weight if is_unlikely else 1.0
        entries.append(replace(entry, probability=share * entry.probability))
    return entries


def _is_half(candidate: Candidate, things: Sequence[str], reading: Reading) -> bool:
    """Whether a candidate is one cell of a table, or rows without one of the two compared `things`,
    if the question names them.
    """
    if candidate.value is not None:
        return False

    row_texts = []
    columns = []
    for place in candidate.places:
        document = reading.documents[place.document_id]
        row = enclosing(document.blocks, place.start, "row")
        table = enclosing(document.blocks, place.start, "table")
        if row is None or table is None:
            return False
        block = document.blocks[row]
        row_texts.append(document.text[block.start : block.end])
        columns += [column.name for column in document.blocks[table].columns]

    if candidate.form == "span":
        return bool(things) or not may_state_change(reading.question, " ".join(columns))
    if not things:
        return False
    said_stems = set(stem_words(" ".join(row_texts)))
    one, other = (set(stem_words(without_periods(thing))) for thing in things)
    return any(own and own.isdisjoint(said_stems) for own in (one - other, other - one))


def _with_figure(ranked: Sequence[Ranked], figure: Candidate, probability: float) -> list[Ranked]:
    """The candidates with what a table says. One that says the same is as likely as either of both
    is right, and keeps what else supports it. A verdict takes the place of its row.
    """
    equal_entries = [entry for entry in ranked if _is_equal(entry.candidate, figure)]
    if not equal_entries:
        others = [entry for entry in ranked if not _is_of_row(entry.candidate, figure)]
        if len(others) < len(ranked) and probability >= _SURE_VERDICT:
            replaced = [entry.probability for entry in ranked if entry not in others]
            probability = max(probability, *replaced)
            ranked = others
        return [*ranked, Ranked(figure, probability)]

    likeliest_equal = max(equal_entries, key=lambda entry: entry.probability)
    supported = replace(
        likeliest_equal,
        probability=1 - (1 - likeliest_equal.probability) * (1 - probability),
    )
    return [supported if entry is likeliest_equal else entry for entry in ranked]


def _is_of_row(candidate: Candidate, figure: Candidate) -> bool:
    """Whether a candidate is a row of a table by which a figure says yes or no, or words of it."""
    is_verdict = figure.verdict is not None
    is_one = len(candidate.places) == 1 and candidate.verdict is None
    return is_verdict and is_one and candidate.places[0].overlaps(figure.places[0])


def _is_equal(candidate: Candidate, figure: Candidate) -> bool:
    """Whether a candidate says what the figure of a table says, from the same place."""
    if figure.text:
        return False
    if candidate.form != figure.form or candidate.verdict != figure.verdict:
        return False
    return candidate.places[0].overlaps(figure.places[0])


def compose(
    request: AskedQuestion, reading: Reading, ranked: Sequence[Ranked], ruling: Ruling
) -> Answer:
    """The likeliest candidate if its probability reaches the threshold; otherwise no answer and the
    reason.
    """
    winner = ranked[0] if ranked else None
    disputed: list[Ranked] = []
    if winner and winner.probability >= ruling.threshold:
        winner = _of_the_whole_day(winner, ranked, reading)
        winner = _without_doubted_verdict(winner, ranked, reading, request.query.form)
        winner, disputed = _settled(winner, reading, ruling)
        words = said(winner.candidate, reading.documents)
        reason = None
        alternatives = _alternatives(
            ranked[1:],
            reading,
            count=ruling.alternatives,
            answer=winner.candidate,
        )
    else:
        words = Said()
        reason = _why(request, reading, winner, ruling)
        alternatives = _alternatives(ranked, reading, count=ruling.alternatives + 1)

    return Answer(
        question=request.question,
        understood=request.understood,
        text=words.text,
        confidence=winner.probability if winner else 0.0,
        citations=words.citations,
        alternatives=alternatives,
        hits=tuple(reading.hits),
        abstention_reason=reason,
        timings=request.timings,
        conflicts=tuple(_alternative(entry, reading) for entry in disputed),
        value=words.value,
        receipt=request.receipt(words.text, words.citations),
        documents=words.documents,
        passages_read=request.read,
        form=winner.candidate.form if winner else "span",
        pieces=words.pieces,
        more=words.more,
    )


def _settled(winner: Ranked, reading: Reading, ruling: Ruling) -> tuple[Ranked, list[Ranked]]:
    """The answer that is given when the winner is likely enough, and the values that contradict it,
    among them the winner's if a newer document decides.
    """
    disputed = _conflicts(winner, reading, ruling)
    newest = _newest(winner, disputed, reading, ruling.threshold)
    if disputed:
        disputed = [entry for entry in (winner, *disputed) if entry is not newest]

    answer = _of_one_side(completed(newest.candidate, reading), reading)
    return replace(newest, candidate=answer), disputed


def _of_the_whole_day(winner: Ranked, ranked: Sequence[Ranked], reading: Reading) -> Ranked:
    """The overview of the document that the winner quotes, if the question asks what a meeting or
    message of its day was about: one point of several is not all of it.
    """
    document_id = winner.candidate.places[0].document_id
    for entry in ranked:
        candidate = entry.candidate
        if candidate.form != "overview" or candidate.places[0].document_id != document_id:
            continue
        if is_asked_as_a_whole(reading.documents[document_id], reading.question):
            return replace(winner, candidate=candidate)
    return winner


def _without_doubted_verdict(
    winner: Ranked, ranked: Sequence[Ranked], reading: Reading, asked_form: str
) -> Ranked:
    """A yes/no answer as its sentences alone if another verdict may be right, unless a person has
    asked for a verdict.
    """
    if winner.candidate.verdict is None or asked_form == "yes_no":
        return winner
    if not _has_rival_verdict(winner, ranked) and not _may_say_the_opposite(winner, reading):
        return winner
    return replace(winner, candidate=replace(winner.candidate, form="sentences", verdict=None))


def _has_rival_verdict(winner: Ranked, ranked: Sequence[Ranked]) -> bool:
    """Whether another verdict is nearly as likely."""
    likely_verdicts = {
        entry.candidate.verdict
        for entry in ranked
        if entry.probability >= _DOUBTED * winner.probability
    }
    return not likely_verdicts <= {winner.candidate.verdict, None}


def _may_say_the_opposite(winner: Ranked, reading: Reading) -> bool:
    """Whether an answer is unsure, and the reader finds the opposite of its verdict in the same
    sentences, too.
    """
    proof = (reading.proofs or {}).get(winner.candidate.places)
    if proof is None or winner.probability >= _SURE_PROBABILITY:
        return False
    if winner.candidate.verdict == "yes":
        return proof.no >= _OPPOSITE * proof.yes
    if winner.candidate.verdict == "no":
        return proof.yes >= _OPPOSITE * proof.no
    return False


def joint_candidate(answers: Sequence[Answer], names: Sequence[str] = ()) -> Candidate | None:
    """The sentences of several answers: in the order of the document that has all of them, or
    otherwise of the answers; None if one is missing, a longer list or an overview. With the `names`
    of the sides of a comparison, one sentence for each.
    """
    if not all(map(_is_in_sentences, answers)):
        return None
    if names:
        return _of_sides(answers, names)
    citations_by_answer = [_cited(answer) for answer in answers]
    common_document = _common_document(citations_by_answer)
    if common_document:
        places = [
            _sentence(citation)
            for citations in citations_by_answer
            for citation in citations
            if citation.document_id == common_document
        ]
        places.sort(key=lambda place: place.start)
    else:
        places = [
            _sentence(citation) for citations in citations_by_answer for citation in citations[:1]
        ]

    distinct_places = tuple(dict.fromkeys(places))
    return Candidate("sentences", "together", distinct_places)


def _common_document(citations_by_answer: Sequence[Sequence[Citation]]) -> str:
    """The first document of the first answer that all answers cite, or ""."""
    cited_documents = [
        {citation.document_id for citation in citations} for citations in citations_by_answer
    ]
    documents_of_all = set.intersection(*cited_documents)
    for citation in citations_by_answer[0]:
        if citation.document_id in documents_of_all:
            return citation.document_id
    return ""


def _sentence(citation: Citation, label: str = "") -> Place:
    """The place of the sentence around a quote."""
    return Place(
        citation.document_id,
        citation.sentence_start,
        citation.sentence_end,
        label,
    )


def _quote(citation: Citation) -> Place:
    return Place(citation.document_id, citation.start, citation.end)


def _of_sides(answers: Sequence[Answer], names: Sequence[str]) -> Candidate | None:
    """One sentence for each side of a comparison; None if one is about the other side alone."""
    citations = [_cited(answer)[0] for answer in answers]
    left_sides, right_sides = (_sides_in([citation], names) for citation in citations)
    if left_sides == (False, True) or right_sides == (True, False):
        return None

    sides = [_sentence(citation, name) for name, citation in zip(names, citations, strict=True)]
    if sides[0].overlaps(sides[1]):
        sides = [replace(sides[0], label=", ".join(names))]
    return Candidate("comparison", "together", tuple(sides))


def is_one_sided(answer: Answer, names: Sequence[str]) -> bool:
    """Whether an answer has words of one of the two sides of a comparison only."""
    has_left_side, has_right_side = _sides_in(answer.citations, names)
    return answer.form != "comparison" and has_left_side != has_right_side


def _sides_in(citations: Sequence[Citation], names: Sequence[str]) -> tuple[bool, bool]:
    """Whether citations have, with their headings, a word that only the left side has, and one
    that only the right one has; both if a side has no such word.
    """
    quoted_texts: list[str] = []
    for citation in citations:
        quoted_texts += (citation.sentence, citation.title, *citation.headings)
    quoted_words = singular_words(" ".join(quoted_texts))

    left_words, right_words = _distinct_words(names)
    if not left_words or not right_words:
        return True, True
    return not left_words.isdisjoint(quoted_words), not right_words.isdisjoint(quoted_words)


def _distinct_words(names: Sequence[str]) -> tuple[Set[str], Set[str]]:
    """The words that only the left side of a comparison has, and those that only the right has."""
    left_words, right_words = (singular_words(name) for name in names)
    return left_words - right_words, right_words - left_words


def lone_part(answer: Answer, names: Sequence[str], parts: Sequence[Answer]) -> Candidate | None:
    """The sentences of the only part that has an answer, under its name; None if the whole question
    has an answer from elsewhere.
    """
    answered = [(name, part) for name, part in zip(names, parts, strict=True) if part.text]
    if len(answered) != 1:
        return None

    name, part = answered[0]
    if not _is_in_sentences(part):
        return None

    label = name.rstrip("?")
    places = [_sentence(citation, label) for citation in _cited(part)[:1]]
    quotes = [_quote(citation) for citation in answer.citations]
    is_from_part = all(any(quote.overlaps(place) for place in places) for quote in quotes)
    if answer.text and not is_from_part:
        return None
    return Candidate("comparison", "together", tuple(places))


def _is_in_sentences(answer: Answer) -> bool:
    """Whether an answer is given, in a sentence or a few."""
    is_one_piece = answer.form in ("list", "yes_no") and len(answer.pieces) == 1
    return answer.text is not None and (answer.form in _IN_SENTENCES or is_one_piece)


def with_candidate(
    answer: Answer, candidate: Candidate, confidence: float, documents: Mapping[str, Document]
) -> Answer:
    """The answer in the words of another candidate."""
    words = said(candidate, documents)

    receipt = answer.receipt
    if receipt:
        digests = {name: document.sha256 for name, document in documents.items()}
        receipt = replace(
            receipt,
            answer=answer_digest(words.text, words.citations),
            documents={**receipt.documents, **digests},
        )

    def is_quoted(alternative: Alternative) -> bool:
        quotes = [_quote(citation) for citation in alternative.citations]
        return any(quote.overlaps(place) for quote in quotes for place in candidate.places)

    alternatives = [
        alternative for alternative in answer.alternatives if not is_quoted(alternative)
    ]
    return replace(
        answer,
        text=words.text,
        confidence=confidence,
        citations=words.citations,
        alternatives=tuple(alternatives),
        abstention_reason=None,
        value=words.value,
        receipt=receipt,
        documents=words.documents,
        form=candidate.form,
        pieces=words.pieces,
        more=words.more,
    )


def _cited(answer: Answer) -> Sequence[Citation]:
    """Where the answer stands: words may stand in several documents."""
    if answer.form == "span":
        return answer.citations
    return [piece.citation for piece in answer.pieces]


def _lone_side(reading: Reading) -> tuple[str, str] | None:
    """Of the two sides that a question compares, the one that passages are about, and the one that
    none has a word of its own of; None if there are not just these.
    """
    if reading.form_odds.get("comparison", 0.0) < _COMPARES:
        return None

    sides = compared_sides(reading.question)
    if sides is None:
        return None

    left_words, right_words = _distinct_words(sides.names)
    if not left_words or not right_words:
        return None

    found_text = " ".join(f"{hit.passage.context} {hit.passage.text}" for hit in reading.hits)
    found_words = singular_words(found_text)
    has_left_side = not left_words.isdisjoint(found_words)
    has_right_side = not right_words.isdisjoint(found_words)
    if has_left_side == has_right_side:
        return None

    left_name, right_name = sides.names
    return (left_name, right_name) if has_left_side else (right_name, left_name)


def _of_one_side(candidate: Candidate, reading: Reading) -> Candidate:
    """Sentences that answer half of a comparison, labelled with the side that they are about."""
    if candidate.form != "sentences":
        return candidate

    lone_side = _lone_side(reading)
    if lone_side is None:
        return candidate

    name, _ = lone_side
    places = tuple(replace(place, label=name) for place in candidate.places)
    return replace(candidate, form="comparison", places=places)


def _why(request: AskedQuestion, reading: Reading, refused: Ranked | None, ruling: Ruling) -> str:
    """Why the best candidate is refused. Guesses below LEAST_SHOWN are not worth reading."""
    if request.query.filter and not reading.hits:
        return f"no document matches {filter_text(request.query.filter)}"
    if refused is None:
        return "no passage in the index is relevant"

    odds = reading.form_odds
    if odds and max(odds, key=lambda name: odds[name]) == NEEDS_ALL:
        return ALL_NEEDED
    if lone_side := _lone_side(reading):
        found_name, missing_name = lone_side
        return f'nothing was found about "{missing_name}", only about "{found_name}"'
    if code := missing_code(reading):
        return f'nothing was found about "{code}"'
    if refused.probability < LEAST_SHOWN or not says_something(refused.candidate):
        return "no passage answers it"

    piece = refused.candidate.pieces(reading.documents)[0]
    guess = textwrap.shorten(piece.text, _LONGEST_GUESS, placeholder=" …")
    return f'best guess "{guess}" ({refused.probability:.0%}, needs {ruling.threshold:.0%})'


def _alternatives(
    ranked: Sequence[Ranked], reading: Reading, count: int, answer: Candidate | None = None
) -> tuple[Alternative, ...]:
    """The likeliest candidates that say something, and quote other words than the answer and than
    each other. Beside an answer, none only repeats the question's words.
    """
    alternatives: list[Ranked] = []
    quoted_candidates = [answer] if answer else []
    for entry in ranked:
        if len(alternatives) == count:
            break
        if not says_something(entry.candidate):
            continue
        if answer and _repeats(entry.candidate, reading.question):
            continue
        if any(entry.candidate.overlaps(quoted) for quoted in quoted_candidates):
            continue
        alternatives.append(entry)
        quoted_candidates.append(entry.candidate)

    return tuple(_alternative(entry, reading) for entry in alternatives)


def _repeats(candidate: Candidate, question: str) -> bool:
    """Whether a span has no number and no word that is not in the question, unless this offers a
    choice: "Is it for members or for everybody?"
    """
    if candidate.span is None:
        return False
    text = candidate.span.best.span.text
    has_number = any(character.isdigit() for character in text)
    offers_choice = "or" in normalize(question).split()
    if has_number or offers_choice:
        return False
    return set(stem_words(text)) <= set(stem_words(question))


def says_something(candidate: Candidate) -> bool:
    """Whether a person may take it for an answer: not a span like "until", or the "2.1" of a
    clause.
    """
    if candidate.span is None:
        return True

    span = candidate.span.best.span
    if FUNCTION_WORDS.issuperset(normalize(span.text).split()):
        return False
    if not _NUMBERING.fullmatch(span.text.strip()):
        return True

    passage_text = span.hit.passage.text
    text_before, text_after = passage_text[: span.start], passage_text[span.end :]
    openings = list(_OF_A_CLAUSE.finditer(text_before))
    follows_opening = bool(openings) and openings[-1].end() == len(text_before)
    is_before_words = re.match(r"[.)]?\s+[^\W\d]", text_after) is not None
    return not (follows_opening and is_before_words)


def _alternative(ranked: Ranked, reading: Reading) -> Alternative:
    words = said(ranked.candidate, reading.documents)
    return Alternative(
        text=words.text or "",
        confidence=ranked.probability,
        citations=words.citations[:MAX_CITATIONS],
        documents=words.documents,
        verdict=ranked.candidate.verdict,
    )


def _conflicts(winner: Ranked, reading: Reading, ruling: Ruling) -> list[Ranked]:
    """Values of other documents that contradict the answer, as candidates, the likeliest first.
    Each is judged as if the answer's had not been found.
    """
    if winner.candidate.verdict is not None:
        return _opposite(winner, reading, ruling)

    answer_value = value_of(winner.candidate, reading)
    if answer_value is None:
        return []

    remaining = reading.without(answer_value)

    def judged(groups: Sequence[SpanGroup]) -> Sequence[float]:
        candidates = [span_candidate(group) for group in groups]
        return ruling.judge.probabilities(candidates, remaining)

    rivals = conflicts(reading, answer_value, winner.probability, judged)
    probabilities = judged(rivals) if rivals else []
    return [
        Ranked(span_candidate(rival), probability)
        for rival, probability in zip(rivals, probabilities, strict=True)
    ]


def _opposite(winner: Ranked, reading: Reading, ruling: Ruling) -> list[Ranked]:
    """What the other documents answer, as if the answer's had not been found, if one of the two
    says no and the other does not.
    """
    document_id = winner.candidate.places[0].document_id
    remaining = reading.without_document(document_id)
    ranked = rank(remaining, ruling.judge, form="yes_no")
    answers = [entry for entry in ranked if entry.candidate.verdict is not None]
    if not answers:
        return []

    likeliest = answers[0]
    is_opposite = (likeliest.candidate.verdict == "no") != (winner.candidate.verdict == "no")
    is_likely = likeliest.probability >= LEAST_SHARE * winner.probability
    return [likeliest] if is_opposite and is_likely else []


def value_of(candidate: Candidate, reading: Reading) -> SpanGroup | None:
    """The value of an answer: its span, or the best one in its sentences."""
    if candidate.span or candidate.form not in ("sentences", "yes_no"):
        return candidate.span

    for group in reading.spans:
        group_place = span_candidate(group).places[0]
        if any(place.overlaps(group_place) for place in candidate.places):
            return group
    return None


def _newest(
    winner: Ranked, disputed: Sequence[Ranked], reading: Reading, threshold: float
) -> Ranked:
    """The answer, or what a document of a later day says instead, if that is as likely as an answer
    has to be, and no fewer documents say it.
    """
    if not disputed or not _day(winner, reading):
        return winner

    answer_value = value_of(winner.candidate, reading)
    supporting_documents = agreeing_documents(answer_value) if answer_value else 0

    def may_replace(rival: Ranked) -> bool:
        if rival.probability < threshold:
            return False
        if rival.candidate.verdict is not None:
            return True
        rival_value = rival.candidate.span
        return rival_value is not None and agreeing_documents(rival_value) >= supporting_documents

    rivals = [rival for rival in disputed if may_replace(rival)]
    return max((winner, *rivals), key=lambda entry: _day(entry, reading))


def _day(ranked: Ranked, reading: Reading) -> str:
    """The day of the document that is quoted, in ISO 8601, or ""."""
    document = reading.documents[ranked.candidate.places[0].document_id]
    day = document_date(document.metadata, document.text)
    return day.isoformat() if day else ""
