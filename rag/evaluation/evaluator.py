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
from rag.evaluation.squad import exact, f1, is_right
from rag.evaluation.usefulness import Shown, judge, shown
from rag.filters import Condition
from rag.meaning.sentences import Offsets, enclosing_sentence
from rag.retrieval import Retriever
from rag.types import Answer, Citation, Hit, Passage

_ALL = 10_000
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
        row = Row(question.id, question.text, question.group, "retrieval", question.answers)
        row = replace(row, form=question.form, asked_as=question.kind)
        if not isinstance(self._asked, Engine):
            started = time.perf_counter()
            hits = self._search(question)
            ms = {"retrieve": round(1000 * (time.perf_counter() - started), 2)}
            return replace(row, ms=ms, **_ranked(question, hits))
        answer = self._asked.ask(question.text, filter=question.filter or None)
        row = replace(row, **_scored(question, answer), **self._sound(answer))
        if not question.answers:
            stage = "unsupported" if answer.text is not None else None
            return replace(row, kind="unanswerable", stage=stage)
        return self._traced(replace(row, kind="answerable"), question, answer)

    def _traced(self, row: Row, question: Question, answer: Answer) -> Row:
        hits = self._search(question)
        places = list(self._places(question, hits))
        missed = not is_right(answer.text, question.answers)
        if missed and not places and not question.evidence:
            places = [
                place
                for listed in self._store.documents()
                if (stored := self._store.document(listed.id))
                for place in answers_in(stored.id, stored.text, question.answers)
            ]
        row = replace(row, **_ranked(question, hits), **_cited(question, answer, places))
        top = error_analysis.best(places, hits)
        if top:
            rank, hit, _ = top
            row = replace(row, rank=rank, dense_rank=hit.dense_rank, lexical_rank=hit.lexical_rank)
        if not missed:
            return row

        read = len(answer.hits) or self._settings.top_k
        attempt = Attempt(question.answers, places, hits, read, answer, self._passages)
        stage, detail = error_analysis.attribute_error(attempt)
        evidence = [top[2]] if top else places or question.evidence
        document, sentence = next(((e.document, e.sentence) for e in evidence), ("", ""))
        return replace(row, stage=stage, detail=detail, document=document, sentence=sentence)

    def _search(self, question: Question) -> list[Hit]:
        """The full fused ranking, with the same candidate depth as for the answer."""
        depth = self._settings.first_stage_k
        return self._asked.search(question.text, depth, question.filter or None)

    def _passages(self, document: str) -> Sequence[Passage]:
        """All of a document's passages."""
        condition = Condition("document", "=", document)
        return [hit.passage for hit in self._asked.search("all", _ALL, (condition,))]

    def _places(self, question: Question, hits: Sequence[Hit]) -> Iterator[Evidence]:
        """Places of the evidence in the index, where a line break counts as a space; for a question
        without evidence, of its answers in the hits.
        """
        for evidence in question.evidence:
            document = self._store.document(evidence.document)
            if document and (offsets := _place(document.text, evidence)):
                start, end = offsets
                yield Evidence(document.id, document.text[start:end], start)
        for p in (hit.passage for hit in hits) if not question.evidence else ():
            yield from answers_in(p.document_id, p.text, question.answers, p.start)

    def _sound(self, answer: Answer) -> dict[str, Any]:
        cited = [*answer.citations, *(piece.citation for piece in answer.pieces)]
        cited += [citation for candidate in answer.alternatives for citation in candidate.citations]
        names = {citation.document_id for citation in cited}
        texts = {name: d.text for name in names if (d := self._store.document(name))}
        sound = [c for c in cited if c.document_id in texts and _is_sound(c, texts[c.document_id])]
        return {"sound": len(sound), "checked": len(cited)}


def answers_in(
    document: str, text: str, answers: Sequence[str], offset: int = 0
) -> Iterator[Evidence]:
    """Sentences of a text that contain an answer as whole words, ignoring case."""
    for answer in answers:
        for match in re.finditer(rf"(?<!\w){re.escape(answer)}(?!\w)", text, re.IGNORECASE):
            start, end = enclosing_sentence(text, match.start(), match.end())
            yield Evidence(document, text[start:end], offset + start)


def _is_sound(citation: Citation, text: str) -> bool:
    sentence = text[citation.sentence_start : citation.sentence_end]
    return text[citation.start : citation.end] == citation.quote and sentence == citation.sentence


def _scored(question: Question, answer: Answer) -> dict[str, Any]:
    candidate = best_candidate(answer)
    guess = candidate.text if candidate else None
    return {
        "text": answer.text,
        "guess": guess,
        "confidence": round(answer.confidence, 6),
        "em": exact(answer.text, question.answers),
        "f1": round(f1(answer.text, question.answers), 6),
        "right": _is_right(question, answer, guess),
        "given": answer.form,
        "judgement": judge(question, shown(answer)),
        "ms": {stage: round(1000 * seconds, 2) for stage, seconds in answer.timings.items()},
    }


def _is_right(question: Question, answer: Answer, guess: str | None) -> bool:
    """For a span, whether its words are accepted; for other forms, whether the answer is useful."""
    if answer.form == "span" and question.form == "span":
        return is_right(guess, question.answers)
    if answer.text is not None:
        return judge(question, shown(answer)) == "useful"
    if not question.answers or not answer.alternatives:
        return False
    quote = answer.alternatives[0].citations[0].quote
    return judge(question, Shown(quote, (quote,))) in ("useful", "partial")


def _ranked(question: Question, hits: Sequence[Hit]) -> dict[str, Any]:
    """Relevant documents by rank; a document has the rank of its best passage."""
    order = list(dict.fromkeys(hit.passage.document_id for hit in hits))[:DEPTH]
    grades = question.relevant
    found = ((rank, grades[name]) for rank, name in enumerate(order, 1) if name in grades)
    unfound = (grade for name, grade in grades.items() if name not in order)
    return {"found": tuple(found), "unfound": tuple(unfound)}


def _cited(question: Question, answer: Answer, places: Sequence[Evidence]) -> dict[str, Any]:
    citations = answer.citations
    if not question.evidence:
        return {"citations": len(citations)}
    touched = [{place for place in places if place.touches(citation)} for citation in citations]
    return {
        "citations": len(citations),
        "cited_document": bool(citations) and citations[0].document_id in question.relevant,
        "cited_right": sum(map(bool, touched)),
        "cited_evidence": len(set().union(*touched)),
        "evidence": len(question.evidence),
    }


def _place(text: str, evidence: Evidence) -> Offsets | None:
    """Place of the sentence: at its offset, or else the first; None if the text lacks it."""
    start = max(evidence.start, 0)
    end = start + len(evidence.sentence)
    if text[start:end] == evidence.sentence:
        return start, end
    match = re.search(r"\s+".join(map(re.escape, evidence.sentence.split())), text)
    return match.span() if match else None
