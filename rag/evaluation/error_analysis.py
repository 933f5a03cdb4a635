"""Error analysis: the first stage that lost the answer to a question."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rag.evaluation.gold import Evidence
from rag.evaluation.squad import is_right
from rag.types import Alternative, Answer, Hit, Passage


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage that can lose an answer: its name, what happened, and what to try."""

    title: str
    meaning: str
    remedy: str


STAGES = {
    "ingest": Stage("not ingested", "no document in the index contains the evidence",
                    "rag ingest PATH; rag list"),
    "chunking": Stage("split across passages", "no single passage contains all of the evidence",
                      "an index with more RAG_PASSAGE_TOKENS"),
    "legs": Stage("outside both retrievers",
                  "neither retriever ranked the evidence high enough to be read",
                  "a higher RAG_TOP_K"),
    "dense": Stage("outside dense top n",
                   "lexical retrieval found the evidence, dense retrieval did not",
                   "a higher RAG_TOP_K"),
    "lexical": Stage("outside lexical top n",
                     "dense retrieval found the evidence, lexical retrieval did not",
                     "a higher RAG_TOP_K"),
    "fusion": Stage("lost in fusion",
                    "both retrievers found the evidence, but fusion ranked it too low",
                    "a higher RAG_TOP_K"),
    "reader": Stage("reader chose another span",
                    "the evidence was read, but the reader chose other words",
                    "another RAG_READER"),
    "passage": Stage("wrong passage won",
                     "the answer was a candidate, but one from another passage won",
                     "another RAG_READER"),
    "threshold": Stage("refused by the threshold",
                       "the best candidate was right, but not sure enough",
                       "a lower RAG_THRESHOLD"),
    "unsupported": Stage("answered without support",
                         "an answer was given although no document contains one",
                         "a higher RAG_THRESHOLD"),
}  # fmt: skip
"""By name, in pipeline order; the last is for unanswerable questions."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """Facts about an answerable question: its evidence, all candidate hits, best first, the number
    read, the answer, and a function that returns all passages of a document.
    """

    accepted: tuple[str, ...]
    places: Sequence[Evidence]
    hits: Sequence[Hit]
    read: int
    answer: Answer
    passages: Callable[[str], Sequence[Passage]]


def best_hit(places: Sequence[Evidence], hits: Sequence[Hit]) -> tuple[int, Hit, Evidence] | None:
    """The first hit with a complete evidence sentence: rank from 1, hit, and evidence."""
    for rank, hit in enumerate(hits, 1):
        for place in places:
            if place.in_passage(hit.passage):
                return rank, hit, place
    return None


def best_candidate(answer: Answer) -> Alternative | None:
    """The best candidate, given or not."""
    if answer.text is not None:
        return Alternative(answer.text, answer.confidence, answer.citations)
    if not answer.alternatives:
        return None
    return answer.alternatives[0]


def attribute_error(attempt: Attempt) -> tuple[str, str]:
    """The stage that lost a missing or wrong answer, and an explanation."""
    candidate = best_candidate(attempt.answer)
    if candidate and is_right(candidate.text, attempt.accepted):
        return "threshold", f"{candidate.text!r} had a confidence of {candidate.confidence:.2f}"
    if not attempt.places:
        return "ingest", "no evidence sentence occurs in the index"

    top = best_hit(attempt.places, attempt.hits)
    if top is None:
        return _never_found(attempt)
    rank, hit, _ = top
    if rank <= attempt.read:
        return _not_chosen(attempt, candidate)

    by_meaning = hit.dense_rank is not None and hit.dense_rank <= attempt.read
    by_words = hit.lexical_rank is not None and hit.lexical_rank <= attempt.read
    if by_meaning and by_words:
        stage = "fusion"
    elif by_meaning:
        stage = "lexical"
    elif by_words:
        stage = "dense"
    else:
        stage = "legs"
    where = f"dense {hit.dense_rank or 'none'}, lexical {hit.lexical_rank or 'none'}"
    return stage, f"its passage has rank {rank} ({where}), and {attempt.read} were read"


def _never_found(attempt: Attempt) -> tuple[str, str]:
    """Whether the evidence is in a passage that search did not find, or was cut."""
    count_cut = 0
    for document_id in dict.fromkeys(place.document for place in attempt.places):
        for passage in attempt.passages(document_id):
            for place in attempt.places:
                if place.in_passage(passage):
                    return "legs", "neither retriever has it among its candidates"
                count_cut += place.touches(passage)

    if count_cut:
        return "chunking", f"{count_cut} passages contain a part of it"
    return "chunking", "no passage contains any of it"


def _not_chosen(attempt: Attempt, candidate: Alternative | None) -> tuple[str, str]:
    """Why another answer won, although the evidence was read."""
    if candidate is None:
        return "reader", "the reader found nothing in it"
    if _is_beside_evidence(candidate, attempt):
        return "reader", f"it chose {candidate.text!r} from the evidence's own passage"

    for alternative in attempt.answer.alternatives:
        if is_right(alternative.text, attempt.accepted):
            won = f"{candidate.text!r} ({candidate.confidence:.2f})"
            return "passage", f"{won} beat {alternative.text!r} ({alternative.confidence:.2f})"
    return "reader", f"the right words were not among its candidates; it chose {candidate.text!r}"


def _is_beside_evidence(candidate: Alternative, attempt: Attempt) -> bool:
    """Whether the candidate is from a passage that was read and has the evidence."""
    spans = []
    for citation in candidate.citations:
        spans.append(Evidence(citation.document_id, citation.quote, citation.start))

    for hit in attempt.hits[: attempt.read]:
        has_evidence = any(place.in_passage(hit.passage) for place in attempt.places)
        if has_evidence and any(span.in_passage(hit.passage) for span in spans):
            return True
    return False
