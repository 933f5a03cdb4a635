"""Judges an answer as shown: useful, partial, wrong or refused.

Exact match suits questions for a few words. Other answers are useful if they contain what the
question needs, wherever they begin and end. That is most of the sentences that answer, most items
of a list, both sides of a comparison, or the right yes or no. The text on the screen is judged, not
its offsets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from rag.evaluation.gold import Question
from rag.evaluation.squad import is_right, normalize
from rag.types import Answer

Judgement = Literal["useful", "partial", "wrong", "refused"]

FEW_ITEMS = 4
LEAST_FITTING = 0.4
"""A longer list buries its items if a smaller share of them was asked for."""
FEW_WORDS = 60
MANY_WORDS = 130
"""Most words of an answer that buries nothing: for a few words, and for sentences."""
HELD = 0.8
"""A piece contains a sentence if it has at least this share of its words."""


@dataclass(frozen=True, slots=True)
class ShownAnswer:
    """The visible answer: `text`, None if refused, and `quotes` from the documents shown with it,
    including a span's sentence. `verdict` is "yes", "no" or "condition" if the answer gives one;
    `documents` are the ids of those that it quotes.
    """

    text: str | None
    quotes: tuple[str, ...] = ()
    verdict: str | None = None
    documents: tuple[str, ...] = ()

    @property
    def full_text(self) -> str:
        """The text and quotes together."""
        return "\n".join((self.text or "", *self.quotes))


def visible_part(answer: Answer) -> ShownAnswer:
    """The visible part of an answer: a span in its sentence, the pieces of other forms."""
    if answer.text is None:
        return ShownAnswer(None)

    if answer.form == "span":
        quotes = [citation.sentence for citation in answer.citations[:1]]
    else:
        quotes = [piece.text for piece in answer.pieces]
    document_ids = [piece.citation.document_id for piece in answer.pieces]
    return ShownAnswer(
        text=answer.text,
        quotes=tuple(quotes),
        verdict=answer.verdict,
        documents=tuple(document_ids),
    )


def judge(question: Question, answer: ShownAnswer) -> Judgement:
    """Judge the answer. For an unanswerable question, only "refused" is right."""
    if answer.text is None:
        return "refused"
    if not question.answers:
        return "wrong"
    return _JUDGES.get(question.form, _items)(question, answer)


def serves(question: Question, answer: ShownAnswer) -> Judgement:
    """As `judge`, but "partial" for an answer that buries what was asked for in other words or
    items, and for a right verdict beside a sentence that does not prove it.
    """
    judgement = judge(question, answer)
    if judgement != "useful":
        return judgement

    has_proof = not question.evidence or _from_evidence(question, answer)
    is_unproven_verdict = question.form == "yes_no" and not has_proof
    if is_unproven_verdict or _is_buried(question, answer):
        return "partial"
    return judgement


def _is_buried(question: Question, answer: ShownAnswer) -> bool:
    """Whether most of what is shown was not asked for."""
    if question.form in ("list", "steps") and question.items:
        count = len(answer.quotes)
        fitting = sum(_is_an_item(question, piece) for piece in answer.quotes)
        return count > FEW_ITEMS and fitting < LEAST_FITTING * count

    words = len((answer.text or "").split())
    evidence_words = []
    for evidence in question.evidence:
        evidence_words.append(len(evidence.sentence.split()))

    if question.form == "span":
        longest_evidence = max(evidence_words, default=0)
        return words > max(FEW_WORDS, 2 * longest_evidence)
    if question.form in ("sentences", "yes_no"):
        return words > max(MANY_WORDS, 4 * sum(evidence_words))
    return False


def _is_an_item(question: Question, piece: str) -> bool:
    return any(names(piece, item) for item in question.items)


def has_most_words(sentence: str, pieces: Iterable[str]) -> bool:
    """Whether a piece has at least the share `HELD` of the sentence's words, with repetitions."""
    words = Counter(normalize(sentence).split())
    for piece in pieces:
        common_words = words & Counter(normalize(piece).split())
        if common_words.total() >= HELD * words.total():
            return True
    return False


def names(text: str, wordings: Sequence[str]) -> bool:
    """Whether a wording occurs as whole words, ignoring case, punctuation and articles."""
    padded_text = f" {normalize(text)} "
    for wording in wordings:
        words = normalize(wording)
        if words and f" {words} " in padded_text:
            return True
    return False


def _span(question: Question, answer: ShownAnswer) -> Judgement:
    """Useful with the right words from an evidence sentence, if any; "partial" from elsewhere."""
    accepted = question.wordings or question.answers
    is_from_evidence = _from_evidence(question, answer)

    if is_right(answer.text, accepted) or names(answer.text or "", accepted):
        if is_from_evidence or not question.evidence:
            return "useful"
        return "partial"

    if is_from_evidence and names(answer.full_text, accepted):
        return "partial"
    return "wrong"


def _from_evidence(question: Question, answer: ShownAnswer) -> bool:
    pieces = answer.quotes or (answer.text or "",)
    return any(has_most_words(evidence.sentence, pieces) for evidence in question.evidence)


def _yes_no(question: Question, answer: ShownAnswer) -> Judgement:
    """Useful with the right verdict; the evidence without a verdict is "partial"."""
    if answer.verdict is None:
        return "partial" if _from_evidence(question, answer) else "wrong"
    return "useful" if answer.verdict == question.verdict else "wrong"


def _sentences(question: Question, answer: ShownAnswer) -> Judgement:
    """Useful with enough of the evidence sentences, or one of the accepted wordings."""
    pieces = (answer.full_text, *answer.quotes)
    count = sum(has_most_words(evidence.sentence, pieces) for evidence in question.evidence)
    has_enough = count >= max(1, question.need)
    if has_enough or names(answer.full_text, question.wordings):
        return "useful"

    if count:
        return "partial"
    words = [answer.text or ""]
    is_part = any(names(evidence.sentence, words) for evidence in question.evidence)
    return "partial" if is_part else "wrong"


def _items(question: Question, answer: ShownAnswer) -> Judgement:
    """Useful with enough of the items, or one of the accepted wordings; a catalogue of documents,
    if it has most of them and they are most of those named.
    """
    if question.form == "catalogue" and _are_documents(question.wordings):
        expected = set(question.wordings)
        named = set(answer.documents)
        count = len(expected & named)
        has_most = 2 * count > len(expected)
        is_useful = has_most and 2 * count >= len(named)
    elif question.items:
        count = sum(names(answer.full_text, item) for item in question.items)
        has_enough = count >= max(1, question.need)
        is_useful = has_enough or names(answer.full_text, question.wordings)
    else:
        return _sentences(question, answer)

    if is_useful:
        return "useful"
    return "partial" if count else "wrong"


def _are_documents(wordings: Sequence[str]) -> bool:
    """Whether all are ids of documents, which have a slash."""
    return bool(wordings) and all("/" in wording for wording in wordings)


_JUDGES: dict[str, Callable[[Question, ShownAnswer], Judgement]] = {
    "span": _span,
    "yes_no": _yes_no,
    "sentences": _sentences,
}
