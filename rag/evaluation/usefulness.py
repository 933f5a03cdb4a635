"""Judges an answer as shown: useful, partial, wrong or refused.

Exact match suits questions for a few words. Other answers are useful if they contain what the
question needs, wherever they begin and end: most of the sentences that answer, most items of a
list, both sides of a comparison, the right yes or no. The text on the screen is judged, not its
offsets.
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

FEW_ITEMS, LEAST_FITTING = 4, 0.4
"""A longer list buries its items if a smaller share of them was asked for."""
FEW_WORDS, MANY_WORDS = 60, 130
"""Most words of an answer that buries nothing: for a few words, and for sentences."""
HELD = 0.8
"""A piece contains a sentence if it has at least this share of its words."""


@dataclass(frozen=True, slots=True)
class Shown:
    """The visible answer: `text`, None if refused; `quotes` from the documents shown with it,
    including a span's sentence; `verdict`, "yes", "no" or "condition" if the answer gives one;
    `documents`, the ids of those that it quotes.
    """

    text: str | None
    quotes: tuple[str, ...] = ()
    verdict: str | None = None
    documents: tuple[str, ...] = ()

    @property
    def whole(self) -> str:
        """The text and quotes together."""
        return "\n".join((self.text or "", *self.quotes))


def shown(answer: Answer) -> Shown:
    """The visible part of an answer: a span in its sentence, the pieces of other forms."""
    if answer.text is None:
        return Shown(None)
    quotes = [piece.text for piece in answer.pieces]
    if answer.form == "span":
        quotes = [citation.sentence for citation in answer.citations[:1]]
    documents = tuple(piece.citation.document_id for piece in answer.pieces)
    return Shown(answer.text, tuple(quotes), answer.verdict, documents)


def judge(question: Question, answer: Shown) -> Judgement:
    """Judge the answer. For an unanswerable question, only "refused" is right."""
    if answer.text is None:
        return "refused"
    if not question.answers:
        return "wrong"
    return _JUDGES.get(question.form, _items)(question, answer)


def serves(question: Question, answer: Shown) -> Judgement:
    """As `judge`, but "partial" for an answer that buries what was asked for in other words or
    items, and for a right verdict beside a sentence that does not prove it.
    """
    judgement = judge(question, answer)
    is_unproven = question.evidence and not _from_evidence(question, answer)
    if judgement == "useful" and (
        (question.form == "yes_no" and is_unproven) or _is_buried(question, answer)
    ):
        return "partial"
    return judgement


def _is_buried(question: Question, answer: Shown) -> bool:
    """Whether most of what is shown was not asked for."""
    if question.form in ("list", "steps") and question.items:
        fitting = sum(any(names(piece, item) for item in question.items) for piece in answer.quotes)
        return len(answer.quotes) > FEW_ITEMS and fitting < LEAST_FITTING * len(answer.quotes)
    words = len((answer.text or "").split())
    evidence = [len(proof.sentence.split()) for proof in question.evidence]
    if question.form == "span":
        return words > max(FEW_WORDS, 2 * max(evidence, default=0))
    is_prose = question.form in ("sentences", "yes_no")
    return is_prose and words > max(MANY_WORDS, 4 * sum(evidence))


def held(sentence: str, pieces: Iterable[str]) -> bool:
    """Whether a piece has at least the share `HELD` of the sentence's words, with repetitions."""
    words = Counter(normalize(sentence).split())
    piece_words = (Counter(normalize(piece).split()) for piece in pieces)
    return any((words & piece).total() >= HELD * words.total() for piece in piece_words)


def names(text: str, wordings: Sequence[str]) -> bool:
    """Whether a wording occurs as whole words, ignoring case, punctuation and articles."""
    within = f" {normalize(text)} "
    return any(f" {normal} " in within for wording in wordings if (normal := normalize(wording)))


def _span(question: Question, answer: Shown) -> Judgement:
    """Useful with the right words from an evidence sentence, if any; "partial" from elsewhere."""
    accepted = question.wordings or question.answers
    is_from_evidence = _from_evidence(question, answer)
    if is_right(answer.text, accepted) or names(answer.text or "", accepted):
        return "useful" if is_from_evidence or not question.evidence else "partial"
    return "partial" if names(answer.whole, accepted) and is_from_evidence else "wrong"


def _from_evidence(question: Question, answer: Shown) -> bool:
    pieces = answer.quotes or (answer.text or "",)
    return any(held(evidence.sentence, pieces) for evidence in question.evidence)


def _yes_no(question: Question, answer: Shown) -> Judgement:
    """Useful with the right verdict; the evidence without a verdict is "partial"."""
    if answer.verdict is not None:
        return "useful" if answer.verdict == question.verdict else "wrong"
    return "partial" if _from_evidence(question, answer) else "wrong"


def _sentences(question: Question, answer: Shown) -> Judgement:
    """Useful with enough of the evidence sentences, or one of the accepted wordings."""
    pieces = (answer.whole, *answer.quotes)
    count = sum(held(evidence.sentence, pieces) for evidence in question.evidence)
    if names(answer.whole, question.wordings) or count >= max(1, question.need):
        return "useful"
    is_part = any(names(evidence.sentence, [answer.text or ""]) for evidence in question.evidence)
    return "partial" if count or is_part else "wrong"


def _items(question: Question, answer: Shown) -> Judgement:
    """Useful with enough of the items, or one of the accepted wordings; a catalogue of documents,
    if it has most of them and they are most of those named.
    """
    if question.form == "catalogue" and all("/" in name for name in question.wordings or ("",)):
        expected, named = {*question.wordings}, {*answer.documents}
        count = len(expected & named)
        is_useful = 2 * count > len(expected) and 2 * count >= len(named)  # most of both
    elif question.items:
        count = sum(names(answer.whole, item) for item in question.items)
        is_useful = count >= max(1, question.need) or names(answer.whole, question.wordings)
    else:
        return _sentences(question, answer)
    return "useful" if is_useful else "partial" if count else "wrong"


_JUDGES: dict[str, Callable[[Question, Shown], Judgement]] = {
    "span": _span,
    "yes_no": _yes_no,
    "sentences": _sentences,
}
