"""Features of a candidate for the judge. One vector for candidates of every form."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rag.answering.candidate import Candidate
from rag.answering.forms import FORMS, NEEDS_ALL
from rag.answering.reading import (
    FLAT,
    FLOOR,
    REFERS_BACK,
    SAID,
    Reading,
    Sentence,
    expit,
    logit,
    odds,
)
from rag.answering.spans import SpanGroup
from rag.fusion import convex_sum
from rag.meaning.compare import Relation, compare
from rag.meaning.dates import named_days, share_day
from rag.meaning.identifiers import naming
from rag.meaning.relative_dates import document_date
from rag.meaning.words import coverage
from rag.structure import heading_path
from rag.types import Document, Hit, Place

SHOWN_FORMS = ("span", "sentences", "list", "yes_no", "comparison", "overview", "catalogue")
ASKED = (*FORMS, NEEDS_ALL)
GENERATED = (
    "span sentence run neighbours paragraph section list items rows table yes_no comparison "
    "overview catalogue"
).split()
_NONE = -9.0
"""Stands for a log-odds that does not exist."""
_LIMIT = 10.0
_BEGINNING, _TELLING = 120, 20
"""Characters of an answer that are looked for elsewhere, and how many say something."""
FEATURES = (
    *(f"is_{name}" for name in GENERATED),
    *(f"asks_{name}" for name in ASKED),
    "asks_own",
    "asks_likelier",
    "words",
    "places",
    "more",
    "lead",
    "sentence_best",
    "sentence_mean",
    "sentence_least",
    "sentence_outside",
    "sentence_lead",
    "sentence_share",
    "sentence_rank",
    "span_best",
    "span_inside",
    "span_outside",
    "span_lead",
    "span_share",
    "span_margin",
    "span_own",
    "span_documents",
    "span_typed",
    "span_unasked",
    "yes",
    "no",
    "unsaid",
    "verdict",
    "verdict_against",
    "verdict_best",
    "fused",
    "fused_lead",
    "dense",
    "dense_best",
    "lexical",
    "rank",
    "is_read",
    "coverage",
    "coverage_passage",
    "names",
    "names_passage",
    "fresh",
    "question_words",
    "agreement",
    "rivals",
    "asks_date",
    "asks_amount",
    "refers_back",
    "first_sentence_best",
    "first_sentence_mean",
    "first_sentence_lead",
    "first_span_inside",
    "first_span_lead",
    "first_yes",
    "first_no",
    "first_verdict",
    "depends",
    "retrieval",
    "retrieval_lead",
    "heading",
    "repeated",
    "day",
    "named",
)
"""Names of the features, in the order of a vector; `Featurizer.vector` says what they are."""
SECOND = tuple(name for name in FEATURES if name.startswith("first_"))


@dataclass(frozen=True)
class Featurizer:
    """Features of the candidates of one reading."""

    reading: Reading

    def matrix(self, candidates: Sequence[Candidate]) -> NDArray[np.float32]:
        """One row per candidate, shape (n, len(FEATURES))."""
        rows = [self.vector(candidate) for candidate in candidates]
        return np.array(
            [[row[name] for name in FEATURES] for row in rows], dtype=np.float32
        ).reshape(len(rows), len(FEATURES))

    def vector(self, candidate: Candidate) -> dict[str, float]:
        """The features by name.

        `is_*`: the generator; `asks_*`: log-odds of each form by the form classifier; `asks_own`:
        those of the candidate's form, `asks_likelier`: by how much another form is likelier.
        `sentence_*`: log-odds of the sentence head inside the candidate and outside of it.
        `span_*`: the reader's log-odds of the best span inside and outside, its share of the odds
        of all spans and "no answer", and its margin over another meaning. `yes`, `no`, `unsaid`:
        log-odds of the verdict head, of a proof in the sentences that are shown, otherwise in its
        passage. `verdict*`: for and against what it says. `depends`: that the passage says yes or
        no only under a condition. `retrieval`: the logarithm of its passage's probability; `fused`,
        `dense`, `lexical` and `rank`: the scores behind that. `heading`: the share of the
        question's words in the heading right above and in the labels. `repeated`: the logarithm of
        the number of other documents that have its beginning, as furniture of a collection is.
        `day`: 1 if it is from a section or document of a day that the question names, -1 if a place
        is of another day, 0 if that is unknown or no day is asked. `named`: how fully the question
        names the document, by its title or file name. `coverage*`, `names*`: the share of the
        question's words, and of its names and numbers, in the candidate with its heading, and in
        the whole passage. `fresh`: the share of its own words that are not in the question.
        `agreement`: independent documents; `rivals`: other spans that score close; `asks_date`,
        `asks_amount`: whether the question wants one. `refers_back`: whether the first words refer
        to a sentence before. `first_*`: the same by the small reader, 0 without one.
        """
        hit = self._hit(candidate.places[0])
        second_opinion = self._first._second_opinion(candidate, hit) if self._first else {}
        return dict.fromkeys(SECOND, 0.0) | {
            **{f"is_{name}": float(name == candidate.generator) for name in GENERATED},
            **self._asks,
            **self._of_form(candidate),
            **self._of_sentences(candidate),
            **self._of_spans(candidate),
            **self._of_verdicts(candidate, hit),
            **self._of_search(hit),
            **self._of_words(candidate, hit),
            "refers_back": float(refers_back(candidate, self.reading.documents)),
            **second_opinion,
        }

    @cached_property
    def _first(self) -> Featurizer | None:
        reading = self.reading.first
        return Featurizer(reading) if reading else None

    def _second_opinion(self, candidate: Candidate, hit: Hit | None) -> dict[str, float]:
        sentences = self._of_sentences(candidate)
        spans = self._of_spans(candidate)
        verdicts = self._of_verdicts(candidate, hit)
        return {
            "first_sentence_best": sentences["sentence_best"],
            "first_sentence_mean": sentences["sentence_mean"],
            "first_sentence_lead": sentences["sentence_lead"],
            "first_span_inside": spans["span_inside"],
            "first_span_lead": spans["span_lead"],
            "first_yes": verdicts["yes"],
            "first_no": verdicts["no"],
            "first_verdict": verdicts["verdict"],
        }

    @cached_property
    def _asks(self) -> dict[str, float]:
        form_odds = self.reading.form_odds
        return {f"asks_{name}": logit(form_odds.get(name, 1 / len(ASKED)), 1e-3) for name in ASKED}

    def _of_form(self, candidate: Candidate) -> dict[str, float]:
        form_odds = self.reading.form_odds
        by_form = {
            name: max(
                form_odds.get(name, 0.1), form_odds.get("steps", 0.1) if name == "list" else 0.0
            )
            for name in SHOWN_FORMS
        }
        of_candidate = by_form[candidate.form]
        best_other = max(value for name, value in by_form.items() if name != candidate.form)
        words = sum(
            len(self.reading.text(p.document_id, (p.start, p.end)).split())
            for p in candidate.places
        )
        return {
            "asks_own": logit(of_candidate, 1e-3),
            "asks_likelier": logit(best_other, 1e-3) - logit(of_candidate, 1e-3),
            "words": math.log1p(words),
            "places": math.log1p(len(candidate.places)),
            "more": math.log1p(candidate.more),
            "question_words": math.log1p(len(self.reading.question.split())),
        }

    def _of_sentences(self, candidate: Candidate) -> dict[str, float]:
        scores = self._sentence_odds
        quoted = [
            value
            for (name, start), value in scores.items()
            if any(p.document_id == name and p.start <= start < p.end for p in candidate.places)
        ]

        if not quoted and candidate.form == "span":
            quoted = [self._sentence_around(candidate.places[0], scores)]

        all_odds = self._sorted_odds
        highest = max(quoted, default=_NONE)
        unquoted = _without_values(all_odds, quoted)
        mass = self._sentence_mass
        quoted_mass = sum(expit(value) for value in quoted if value > _NONE)

        lead = candidate.places[0]
        return {
            "sentence_best": highest,
            "sentence_mean": sum(quoted) / len(quoted) if quoted else _NONE,
            "sentence_least": min(quoted, default=_NONE),
            "sentence_outside": unquoted[0] if unquoted else _NONE,
            "sentence_lead": highest - unquoted[0] if unquoted else highest - _NONE,
            "sentence_share": quoted_mass / mass if mass > 0 else 0.0,
            "sentence_rank": float(sum(value > highest for value in all_odds)),
            "lead": scores.get((lead.document_id, lead.start), _NONE),
        }

    @cached_property
    def _sentence_odds(self) -> dict[tuple[str, int], float]:
        """Log-odds of each sentence, by document and start."""
        return {
            (sentence.document_id, sentence.start): _odds(sentence)
            for sentence in self.reading.scored
        }

    @cached_property
    def _sorted_odds(self) -> list[float]:
        return sorted(self._sentence_odds.values(), reverse=True)

    @cached_property
    def _sentence_mass(self) -> float:
        """The sum of the probabilities of all sentences."""
        return sum(map(expit, self._sentence_odds.values()))

    def _sentence_around(self, place: Place, scores: Mapping[tuple[str, int], float]) -> float:
        starts = [s for name, s in scores if name == place.document_id and s <= place.start]
        return scores[place.document_id, max(starts)] if starts else _NONE

    def _of_spans(self, candidate: Candidate) -> dict[str, float]:
        groups = self.reading.spans
        inside = [
            group
            for group in groups
            if candidate.span is group
            or _contains(candidate, group)
            or _agrees_with_group(candidate, group)
        ]
        outside = [group for group in groups if group not in inside]

        top = max((group.best.span.score for group in groups), default=_NONE)

        leader = inside[0] if inside else None
        in_score = leader.best.span.score if leader else _NONE
        out_score = max((group.best.span.score for group in outside), default=_NONE)

        return {
            "span_best": _limited(top),
            "span_inside": _limited(in_score),
            "span_outside": _limited(out_score),
            "span_lead": _limited(leader.score - outside[0].score if leader and outside else 0.0),
            "span_share": _share(leader, groups) if leader else 0.0,
            "span_margin": _margin(leader, groups) if leader else 0.0,
            "span_own": float(candidate.span is not None),
            "span_documents": math.log1p(leader.documents) if leader else 0.0,
            "span_typed": float(leader.best.typed) if leader else 0.0,
            "span_unasked": leader.best.unasked if leader else 0.0,
            "fresh": leader.best.fresh if leader else 0.0,
            "agreement": float(leader.documents) if leader else 0.0,
            "asks_date": float(self.reading.analysis.date),
            "asks_amount": float(self.reading.analysis.amount),
            "rivals": float(
                sum(group.score > groups[0].score - 2 for group in groups) if groups else 0
            ),
        }

    def _of_verdicts(self, candidate: Candidate, hit: Hit | None) -> dict[str, float]:
        verdicts = self.reading.output.verdicts

        passage = next((v for v in verdicts if hit and v.hit.passage == hit.passage), None)
        proofs = self.reading.proofs or {}
        verdict = proofs.get(candidate.places, passage) if candidate.verdict else passage
        known = FLAT if verdict is None or verdict.depends is None else SAID

        side = candidate.verdict
        rivals = proofs.values() or verdicts
        against = [odds(v, says) for v in rivals for says in known if says != side]

        depends = passage.depends if passage else None

        return {
            "yes": logit(verdict.yes, FLOOR) if verdict else _NONE,
            "no": logit(verdict.no, FLOOR) if verdict else _NONE,
            "unsaid": logit(verdict.unsaid, FLOOR) if verdict else _NONE,
            "verdict": odds(verdict, side) if verdict and side in known else 0.0,
            "verdict_against": max(against, default=_NONE) if side else 0.0,
            "verdict_best": max((odds(v, says) for v in verdicts for says in FLAT), default=_NONE),
            "depends": _NONE if depends is None else logit(depends, FLOOR),
        }

    def _of_search(self, hit: Hit | None) -> dict[str, float]:
        hits = self.reading.hits
        if hit is None:
            unknown = "retrieval retrieval_lead fused fused_lead dense lexical rank is_read".split()
            densest = max((h.dense for h in hits), default=0.0)
            return dict.fromkeys(unknown, 0.0) | {"dense_best": densest}
        place = hits.index(hit)
        lexical = max(one.lexical for one in hits)
        return {
            "retrieval": hit.log_score,
            "retrieval_lead": hit.log_score - max(one.log_score for one in hits),
            "fused": self._sums[place],
            "fused_lead": self._sums[place] - max(self._sums),
            "dense": hit.dense,
            "dense_best": max(one.dense for one in hits),
            "lexical": hit.lexical / lexical if lexical else 0.0,
            "rank": math.log1p(place),
            "is_read": float(hit in self.reading.read_hits),
        }

    @cached_property
    def _sums(self) -> list[float]:
        """The fixed sum of both retrieval scores of each hit, in [0, 1]."""
        hits = self.reading.hits
        dense = np.array([hit.dense for hit in hits], dtype=np.float32)
        lexical = np.array([hit.lexical for hit in hits], dtype=np.float32)
        sums: list[float] = convex_sum(dense, lexical).tolist()
        return sums

    def _of_words(self, candidate: Candidate, hit: Hit | None) -> dict[str, float]:
        analysis = self.reading.analysis
        context = hit.passage.context if hit else ""

        parts = [self.reading.text(p.document_id, (p.start, p.end)) for p in candidate.places]
        if candidate.span:
            parts.append(candidate.span.best.sentence_text)

        quoted_text = " ".join([context, *(p.label for p in candidate.places), *parts])
        passage_text = f"{context} {hit.passage.text}" if hit else quoted_text

        heading = hit.passage.innermost_heading if hit else ""
        labels = " ".join([heading, *(place.label for place in candidate.places)])

        return {
            "heading": coverage(analysis.words, labels),
            "repeated": math.log1p(self._repetitions(candidate.places[0], hit)),
            "day": min(map(self._of_day, candidate.places)),
            "named": self._document_naming(candidate.places[0]),
            "coverage": coverage(analysis.words, quoted_text),
            "coverage_passage": coverage(analysis.words, passage_text),
            "names": coverage(analysis.names, quoted_text, 1.0),
            "names_passage": coverage(analysis.names, passage_text, 1.0),
        }

    def _of_day(self, place: Place) -> float:
        """1 for a place of a day that the question names, -1 for one of another day, otherwise 0.
        A section's day counts before the document's.
        """
        asked = self.reading.analysis.days
        document = self.reading.documents.get(place.document_id)
        if not asked or document is None:
            return 0.0
        above = (*reversed(heading_path(document.blocks, place.start)), document.title)
        stated = next(filter(None, map(named_days, above)), frozenset[str]())
        if not stated and (day := document_date(document.metadata, document.text)):
            stated = frozenset({day.isoformat()})
        if not stated:
            return 0.0
        return 1.0 if share_day(asked, stated) else -1.0

    def _document_naming(self, place: Place) -> float:
        """How fully the question names the document."""
        document = self.reading.documents.get(place.document_id)
        return naming(self.reading.question, document.id, document.title) if document else 0.0

    def _repetitions(self, place: Place, hit: Hit | None) -> int:
        """The number of other documents in which the beginning of the place was found."""
        document = self.reading.documents.get(place.document_id)
        if document is None or hit is None:
            return 0
        beginning = document.text[place.start : min(place.end, place.start + _BEGINNING)]
        others = {
            one.passage.document_id
            for one in self.reading.hits
            if len(beginning) >= _TELLING and beginning in one.passage.text
        }
        others.update(copy.document_id for copy in hit.copies)
        return len(others - {place.document_id})

    def _hit(self, place: Place) -> Hit | None:
        """The best hit that contains the place."""
        return next(
            (
                hit
                for hit in self.reading.hits
                if hit.passage.document_id == place.document_id
                and hit.passage.start <= place.start < hit.passage.end
            ),
            None,
        )


def refers_back(candidate: Candidate, documents: Mapping[str, Document]) -> bool:
    """Whether the first words of an answer in sentences refer to a sentence before it."""
    place = candidate.places[0]
    document = documents.get(place.document_id)
    if document is None or candidate.form not in ("sentences", "yes_no"):
        return False
    return bool(REFERS_BACK.match(document.text, place.start, place.end))


def _odds(sentence: Sentence) -> float:
    return logit(sentence.score, FLOOR)


def _without_values(values: Sequence[float], removed: Sequence[float]) -> list[float]:
    """The sorted values, less those of `removed`, each once."""
    remaining = list(values)
    for value in removed:
        if value in remaining:
            remaining.remove(value)
    return remaining


def _contains(candidate: Candidate, group: SpanGroup) -> bool:
    span = group.best.span
    passage = span.hit.passage
    start, end = passage.start + span.start, passage.start + span.end
    return any(
        p.document_id == passage.document_id and p.start <= start and end <= p.end
        for p in candidate.places
    )


def _agrees_with_group(candidate: Candidate, group: SpanGroup) -> bool:
    """Whether the candidate is a span of the same meaning, by another reader."""
    span = candidate.span
    return span is not None and compare(span.meaning, group.meaning) is Relation.SAME


def _limited(value: float) -> float:
    return max(-_LIMIT, min(_LIMIT, value))


def _margin(group: SpanGroup, groups: Sequence[SpanGroup]) -> float:
    """The lead over the best group with another meaning; `groups` are sorted best first."""
    rival_relations = (Relation.CONTRADICTS, Relation.UNRELATED)
    rival = next(
        (
            other.score
            for other in groups
            if other is not group and compare(other.meaning, group.meaning) in rival_relations
        ),
        -math.inf,
    )
    return _limited(group.score - rival)


def _share(group: SpanGroup, groups: Sequence[SpanGroup]) -> float:
    top = max(0.0, *(other.score for other in groups))
    return math.exp(group.score - top) / (
        math.exp(-top) + sum(math.exp(other.score - top) for other in groups)
    )
