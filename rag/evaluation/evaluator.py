"""Evaluates one question through the engine, and records the outcome as a row; `runs` asks a whole
set, and `metrics` computes the shares.
"""

from __future__ import annotations

import copy
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from rag.engine import Engine
from rag.evaluation import error_analysis
from rag.evaluation.error_analysis import Attempt, best_candidate
from rag.evaluation.gold import Evidence, Question
from rag.evaluation.metrics import DEPTH
from rag.evaluation.records import Row
from rag.evaluation.squad import exact_match, f1, is_right
from rag.evaluation.usefulness import ShownAnswer, judge, visible_part
from rag.filters import Condition
from rag.meaning.sentences import Offsets, enclosing_sentence
from rag.retrieval import Retriever
from rag.types import Answer, Citation, Hit, Passage

_MOST_HITS = 10_000
"""More than the number of passages of any evaluated document."""
_CANDIDATES = 50
"""Candidates kept per answer, to tell losing ones from missing ones; the best stays."""


def with_all_candidates(engine: Engine) -> Engine:
    """The same engine with more candidates in its answers."""
    changed = copy.copy(engine)
    changed.alternatives = _CANDIDATES
    return changed


class Evaluator:
    """Asks questions; for passages that were not read, it searches like `rag search`."""

    def __init__(self, asked: Engine | Retriever) -> None:
        """A retriever suffices for retrieval-only questions."""
        self._asked = asked
        self._settings = asked.settings
        self._store = asked.store

    def examine(self, question: Question) -> Row:
        """Raises as `Engine.ask` does."""
        row = Row(
            id=question.id,
            question=question.text,
            group=question.group,
            kind="retrieval",
            answers=question.answers,
            form=question.form,
            asked_as=question.kind,
        )
        if not isinstance(self._asked, Engine):
            started = time.perf_counter()
            hits = self._search(question)
            seconds = time.perf_counter() - started
            ms = {"retrieve": round(1000 * seconds, 2)}
            return replace(row, ms=ms, **_scores_of_ranking(question, hits))

        answer = self._asked.ask(question.text, filter=question.filter or None)
        row = replace(row, **_scores_of_answer(question, answer), **self._sound(answer))
        if question.answers:
            return self._traced(replace(row, kind="answerable"), question, answer)
        stage = "unsupported" if answer.text is not None else None
        return replace(row, kind="unanswerable", stage=stage)

    def _traced(self, row: Row, question: Question, answer: Answer) -> Row:
        """The row with the ranks of the evidence, and for a wrong answer the stage that lost it."""
        hits = self._search(question)
        places = list(self._places(question, hits))
        missed = not is_right(answer.text, question.answers)
        if missed and not places and not question.evidence:
            places = self._answers_anywhere(question)

        row = replace(row, **_scores_of_ranking(question, hits), **_cited(question, answer, places))
        top = error_analysis.best_hit(places, hits)
        if top:
            rank, hit, _ = top
            row = replace(
                row,
                rank=rank,
                dense_rank=hit.dense_rank,
                lexical_rank=hit.lexical_rank,
            )
        if not missed:
            return row

        attempt = Attempt(
            accepted=question.answers,
            places=places,
            hits=hits,
            read=len(answer.hits) or self._settings.top_k,
            answer=answer,
            passages=self._passages,
        )
        stage, detail = error_analysis.attribute_error(attempt)
        row = replace(row, stage=stage, detail=detail)

        evidence = [top[2]] if top else places or question.evidence
        if not evidence:
            return replace(row, document="", sentence="")
        first_evidence = evidence[0]
        return replace(row, document=first_evidence.document, sentence=first_evidence.sentence)

    def _answers_anywhere(self, question: Question) -> list[Evidence]:
        """Sentences of all documents that contain an answer."""
        places: list[Evidence] = []
        for listed in self._store.documents():
            stored = self._store.document(listed.id)
            if stored:
                places.extend(answers_in(stored.id, stored.text, question.answers))
        return places

    def _search(self, question: Question) -> list[Hit]:
        """The full fused ranking, with the same candidate depth as for the answer."""
        return self._asked.search(
            question.text,
            self._settings.first_stage_k,
            question.filter or None,
        )

    def _passages(self, document: str) -> Sequence[Passage]:
        """All of a document's passages."""
        condition = Condition("document", "=", document)
        return [hit.passage for hit in self._asked.search("all", _MOST_HITS, (condition,))]

    def _places(self, question: Question, hits: Sequence[Hit]) -> Iterator[Evidence]:
        """Places of the evidence in the index, where a line break counts as a space; for a question
        without evidence, of its answers in the hits.
        """
        for evidence in question.evidence:
            document = self._store.document(evidence.document)
            offsets = _place(document.text, evidence) if document else None
            if document and offsets:
                start, end = offsets
                yield Evidence(document.id, document.text[start:end], start)
        if question.evidence:
            return

        for hit in hits:
            passage = hit.passage
            yield from answers_in(
                passage.document_id,
                passage.text,
                question.answers,
                passage.start,
            )

    def _sound(self, answer: Answer) -> dict[str, Any]:
        """How many citations, also of alternatives, quote exactly what their documents say."""
        citations = list(answer.citations)
        citations += [piece.citation for piece in answer.pieces]
        for candidate in answer.alternatives:
            citations += candidate.citations

        texts = {}
        for document_id in {citation.document_id for citation in citations}:
            document = self._store.document(document_id)
            if document:
                texts[document_id] = document.text

        count = 0
        for citation in citations:
            text = texts.get(citation.document_id)
            if text is not None and _is_sound(citation, text):
                count += 1
        return {"sound": count, "checked": len(citations)}


def answers_in(
    document: str, text: str, answers: Sequence[str], offset: int = 0
) -> Iterator[Evidence]:
    """Sentences of a text that contain an answer as whole words, ignoring case."""
    for answer in answers:
        pattern = rf"(?<!\w){re.escape(answer)}(?!\w)"
        for match in re.finditer(pattern, text, re.IGNORECASE):
            start, end = enclosing_sentence(text, match.start(), match.end())
            yield Evidence(document, text[start:end], offset + start)


def _is_sound(citation: Citation, text: str) -> bool:
    quote = text[citation.start : citation.end]
    sentence = text[citation.sentence_start : citation.sentence_end]
    return quote == citation.quote and sentence == citation.sentence


def _scores_of_answer(question: Question, answer: Answer) -> dict[str, Any]:
    candidate = best_candidate(answer)
    guess = candidate.text if candidate else None
    ms = {}
    for stage, seconds in answer.timings.items():
        ms[stage] = round(1000 * seconds, 2)

    return {
        "text": answer.text,
        "guess": guess,
        "confidence": round(answer.confidence, 6),
        "em": exact_match(answer.text, question.answers),
        "f1": round(f1(answer.text, question.answers), 6),
        "right": _is_right(question, answer, guess),
        "given": answer.form,
        "judgement": judge(question, visible_part(answer)),
        "ms": ms,
    }


def _is_right(question: Question, answer: Answer, guess: str | None) -> bool:
    """For a span, whether its words are accepted; for other forms, whether the answer is useful."""
    is_span = answer.form == "span" and question.form == "span"
    if is_span:
        return is_right(guess, question.answers)
    if answer.text is not None:
        return judge(question, visible_part(answer)) == "useful"
    if not question.answers or not answer.alternatives:
        return False

    quote = answer.alternatives[0].citations[0].quote
    judgement = judge(question, ShownAnswer(quote, (quote,)))
    return judgement in ("useful", "partial")


def _scores_of_ranking(question: Question, hits: Sequence[Hit]) -> dict[str, Any]:
    """Relevant documents by rank; a document has the rank of its best passage."""
    document_ids = dict.fromkeys(hit.passage.document_id for hit in hits)
    order = list(document_ids)[:DEPTH]
    grades = question.relevant

    found = []
    for rank, document_id in enumerate(order, 1):
        if document_id in grades:
            found.append((rank, grades[document_id]))

    unfound = []
    for document_id, grade in grades.items():
        if document_id not in order:
            unfound.append(grade)
    return {"found": tuple(found), "unfound": tuple(unfound)}


def _cited(question: Question, answer: Answer, places: Sequence[Evidence]) -> dict[str, Any]:
    """How many citations quote evidence, and how much of the evidence is quoted."""
    citations = answer.citations
    if not question.evidence:
        return {"citations": len(citations)}

    right_citations = 0
    cited_places = set()
    for citation in citations:
        touched = {place for place in places if place.touches(citation)}
        cited_places |= touched
        if touched:
            right_citations += 1

    is_first_right = False
    if citations:
        is_first_right = citations[0].document_id in question.relevant
    return {
        "citations": len(citations),
        "cited_document": is_first_right,
        "cited_right": right_citations,
        "cited_evidence": len(cited_places),
        "evidence": len(question.evidence),
    }


def _place(text: str, evidence: Evidence) -> Offsets | None:
    """Place of the sentence: at its offset, or else the first; None if the text lacks it."""
    sentence = evidence.sentence
    start = max(evidence.start, 0)
    end = start + len(sentence)
    if text[start:end] == sentence:
        return start, end

    words = [re.escape(word) for word in sentence.split()]
    match = re.search(r"\s+".join(words), text)
    return match.span() if match else None
