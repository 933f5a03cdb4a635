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
    expit,
    logit,
    odds,
)
from rag.answering.spans import SpanGroup
from rag.fusion import convex_sum
from rag.meaning.compare import Relation, compare
from rag.meaning.dates import named_days, share_day
from rag.meaning.identifiers import naming_strength
from rag.meaning.relative_dates import document_date
from rag.meaning.words import coverage
from rag.protocols import Verdict
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
_LEAST_OF_FORM = 1e-3
"""Least probability of a form, so that its log-odds are finite."""
_RIVAL_MARGIN = 2.0
"""Log-odds below the best group of spans from which on another one is a rival."""
_BEGINNING = 120
"""Characters of an answer that are looked for elsewhere."""
_TELLING = 20
"""Fewest such characters that say something."""
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
_WITHOUT_SPAN = {
    "span_inside": _NONE,
    "span_lead": 0.0,
    "span_share": 0.0,
    "span_margin": 0.0,
    "span_documents": 0.0,
    "span_typed": 0.0,
    "span_unasked": 0.0,
    "fresh": 0.0,
    "agreement": 0.0,
}
"""The features of a candidate that contains no span."""


@dataclass(frozen=True)
class Featurizer:
    """Features of the candidates of one reading."""

    reading: Reading

    def matrix(self, candidates: Sequence[Candidate]) -> NDArray[np.float32]:
        """One row per candidate, shape (n, len(FEATURES))."""
        rows = []
        for candidate in candidates:
            by_name = self.vector(candidate)
            rows.append([by_name[name] for name in FEATURES])
        matrix = np.array(rows, dtype=np.float32)
        return matrix.reshape(len(rows), len(FEATURES))  # also without candidates

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
        by_generator = {f"is_{name}": float(name == candidate.generator) for name in GENERATED}

        small_reader = self._of_small_reader
        second_opinion = dict.fromkeys(SECOND, 0.0)
        if small_reader:
            second_opinion = small_reader._second_opinion(candidate, hit)

        return {
            **by_generator,
            **self._asked_forms,
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
    def _of_small_reader(self) -> Featurizer | None:
        reading = self.reading.first
        return Featurizer(reading) if reading else None

    def _second_opinion(self, candidate: Candidate, hit: Hit | None) -> dict[str, float]:
        """The features `SECOND`, from those of this reading."""
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
    def _asked_forms(self) -> dict[str, float]:
        form_odds = self.reading.form_odds
        unknown = 1 / len(ASKED)
        return {
            f"asks_{name}": logit(form_odds.get(name, unknown), _LEAST_OF_FORM) for name in ASKED
        }

    def _of_form(self, candidate: Candidate) -> dict[str, float]:
        form_odds = self.reading.form_odds
        by_form = {name: form_odds.get(name, 0.1) for name in SHOWN_FORMS}
        by_form["list"] = max(by_form["list"], form_odds.get("steps", 0.1))

        others = [value for name, value in by_form.items() if name != candidate.form]
        own_odds = logit(by_form[candidate.form], _LEAST_OF_FORM)
        best_other_odds = logit(max(others), _LEAST_OF_FORM)

        words = " ".join(self._texts(candidate)).split()
        return {
            "asks_own": own_odds,
            "asks_likelier": best_other_odds - own_odds,
            "words": math.log1p(len(words)),
            "places": math.log1p(len(candidate.places)),
            "more": math.log1p(candidate.more),
            "question_words": math.log1p(len(self.reading.question.split())),
        }

    def _texts(self, candidate: Candidate) -> list[str]:
        """The words of each place."""
        texts = []
        for place in candidate.places:
            texts.append(self.reading.text(place.document_id, (place.start, place.end)))
        return texts

    def _of_sentences(self, candidate: Candidate) -> dict[str, float]:
        first_place = candidate.places[0]
        odds_of_sentence = self._sentence_odds
        quoted = []
        for (document_id, start), sentence_odds in odds_of_sentence.items():
            if _is_quoted(candidate, document_id, start):
                quoted.append(sentence_odds)
        if not quoted and candidate.form == "span":
            quoted = [self._odds_of_sentence_around(first_place)]

        all_odds = self._sorted_odds
        unquoted = _without_values(all_odds, quoted)
        best_inside = max(quoted, default=_NONE)
        best_outside = unquoted[0] if unquoted else _NONE

        mass = self._sentence_mass
        quoted_mass = sum(expit(value) for value in quoted if value > _NONE)
        return {
            "sentence_best": best_inside,
            "sentence_mean": sum(quoted) / len(quoted) if quoted else _NONE,
            "sentence_least": min(quoted, default=_NONE),
            "sentence_outside": best_outside,
            "sentence_lead": best_inside - best_outside,
            "sentence_share": quoted_mass / mass if mass > 0 else 0.0,
            "sentence_rank": float(sum(value > best_inside for value in all_odds)),
            "lead": odds_of_sentence.get((first_place.document_id, first_place.start), _NONE),
        }

    @cached_property
    def _sentence_odds(self) -> dict[tuple[str, int], float]:
        """Log-odds of each sentence, by document and start."""
        odds_of_sentence = {}
        for sentence in self.reading.scored:
            place = (sentence.document_id, sentence.start)
            odds_of_sentence[place] = logit(sentence.score, FLOOR)
        return odds_of_sentence

    @cached_property
    def _sorted_odds(self) -> list[float]:
        return sorted(self._sentence_odds.values(), reverse=True)

    @cached_property
    def _sentence_mass(self) -> float:
        """The sum of the probabilities of all sentences."""
        return sum(map(expit, self._sentence_odds.values()))

    def _odds_of_sentence_around(self, place: Place) -> float:
        """Log-odds of the last sentence that starts at or before the place."""
        starts = []
        for document_id, start in self._sentence_odds:
            if document_id == place.document_id and start <= place.start:
                starts.append(start)
        if not starts:
            return _NONE
        return self._sentence_odds[place.document_id, max(starts)]

    def _of_spans(self, candidate: Candidate) -> dict[str, float]:
        groups = self.reading.spans
        inside: list[SpanGroup] = []
        outside: list[SpanGroup] = []
        for group in groups:
            if _has_group(candidate, group):
                inside.append(group)
            else:
                outside.append(group)

        best_outside = max((group.best.span.score for group in outside), default=_NONE)
        best_of_all = max((group.best.span.score for group in groups), default=_NONE)
        close_groups = [group for group in groups if group.score > groups[0].score - _RIVAL_MARGIN]
        features = {
            "span_best": _limited(best_of_all),
            "span_outside": _limited(best_outside),
            "span_own": float(candidate.span is not None),
            "asks_date": float(self.reading.analysis.date),
            "asks_amount": float(self.reading.analysis.amount),
            "rivals": float(len(close_groups)),
        }
        if not inside:
            return features | _WITHOUT_SPAN

        leader = inside[0]
        lead = leader.score - outside[0].score if outside else 0.0
        return features | {
            "span_inside": _limited(leader.best.span.score),
            "span_lead": _limited(lead),
            "span_share": _share(leader, groups),
            "span_margin": _margin(leader, groups),
            "span_documents": math.log1p(leader.documents),
            "span_typed": float(leader.best.typed),
            "span_unasked": leader.best.unasked,
            "fresh": leader.best.fresh,
            "agreement": float(leader.documents),
        }

    def _of_verdicts(self, candidate: Candidate, hit: Hit | None) -> dict[str, float]:
        verdicts = self.reading.output.verdicts
        proofs = self.reading.proofs or {}
        side = candidate.verdict

        of_passage = self._verdict_of_passage(hit)
        verdict = proofs.get(candidate.places, of_passage) if side else of_passage
        knows_conditions = verdict is not None and verdict.depends is not None
        sayings = SAID if knows_conditions else FLAT

        against = []
        for rival in proofs.values() or verdicts:
            against += [odds(rival, says) for says in sayings if says != side]
        flat_odds = []
        for any_verdict in verdicts:
            flat_odds += [odds(any_verdict, says) for says in FLAT]
        depends = of_passage.depends if of_passage else None

        return {
            "yes": logit(verdict.yes, FLOOR) if verdict else _NONE,
            "no": logit(verdict.no, FLOOR) if verdict else _NONE,
            "unsaid": logit(verdict.unsaid, FLOOR) if verdict else _NONE,
            "verdict": odds(verdict, side) if verdict and side in sayings else 0.0,
            "verdict_against": max(against, default=_NONE) if side else 0.0,
            "verdict_best": max(flat_odds, default=_NONE),
            "depends": _NONE if depends is None else logit(depends, FLOOR),
        }

    def _verdict_of_passage(self, hit: Hit | None) -> Verdict | None:
        if hit is None:
            return None
        for verdict in self.reading.output.verdicts:
            if verdict.hit.passage == hit.passage:
                return verdict
        return None

    def _of_search(self, hit: Hit | None) -> dict[str, float]:
        hits = self.reading.hits
        best_dense = max((any_hit.dense for any_hit in hits), default=0.0)
        if hit is None:
            unknown = "retrieval retrieval_lead fused fused_lead dense lexical rank is_read".split()
            return dict.fromkeys(unknown, 0.0) | {"dense_best": best_dense}

        rank = hits.index(hit)
        fused = self._sums[rank]
        best_log_score = max(any_hit.log_score for any_hit in hits)
        best_lexical = max(any_hit.lexical for any_hit in hits)
        return {
            "retrieval": hit.log_score,
            "retrieval_lead": hit.log_score - best_log_score,
            "fused": fused,
            "fused_lead": fused - max(self._sums),
            "dense": hit.dense,
            "dense_best": best_dense,
            "lexical": hit.lexical / best_lexical if best_lexical else 0.0,
            "rank": math.log1p(rank),
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

        texts = self._texts(candidate)
        if candidate.span:
            texts.append(candidate.span.best.sentence_text)

        labels = [place.label for place in candidate.places]
        quoted_text = " ".join([context, *labels, *texts])
        passage_text = f"{context} {hit.passage.text}" if hit else quoted_text

        heading = hit.passage.innermost_heading if hit else ""
        heading_and_labels = " ".join([heading, *labels])

        return {
            "heading": coverage(analysis.words, heading_and_labels),
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
        asked_days = self.reading.analysis.days
        document = self.reading.documents.get(place.document_id)
        if not asked_days or document is None:
            return 0.0
        stated_days = _stated_days(document, place.start)
        if not stated_days:
            return 0.0
        return 1.0 if share_day(asked_days, stated_days) else -1.0

    def _document_naming(self, place: Place) -> float:
        """How fully the question names the document."""
        document = self.reading.documents.get(place.document_id)
        if document is None:
            return 0.0
        return naming_strength(self.reading.question, document.id, document.title)

    def _repetitions(self, place: Place, hit: Hit | None) -> int:
        """The number of other documents in which the beginning of the place was found."""
        document = self.reading.documents.get(place.document_id)
        if document is None or hit is None:
            return 0
        document_ids = {copy.document_id for copy in hit.copies}
        beginning = document.text[place.start : min(place.end, place.start + _BEGINNING)]
        if len(beginning) >= _TELLING:
            for any_hit in self.reading.hits:
                if beginning in any_hit.passage.text:
                    document_ids.add(any_hit.passage.document_id)
        return len(document_ids - {place.document_id})

    def _hit(self, place: Place) -> Hit | None:
        """The best hit that contains the place."""
        for hit in self.reading.hits:
            passage = hit.passage
            is_same_document = passage.document_id == place.document_id
            if is_same_document and passage.start <= place.start < passage.end:
                return hit
        return None


def refers_back(candidate: Candidate, documents: Mapping[str, Document]) -> bool:
    """Whether the first words of an answer in sentences refer to a sentence before it."""
    place = candidate.places[0]
    document = documents.get(place.document_id)
    if document is None or candidate.form not in ("sentences", "yes_no"):
        return False
    return bool(REFERS_BACK.match(document.text, place.start, place.end))


def _is_quoted(candidate: Candidate, document_id: str, offset: int) -> bool:
    """Whether the character at the offset is in one of the candidate's places."""
    for place in candidate.places:
        if place.document_id == document_id and place.start <= offset < place.end:
            return True
    return False


def _stated_days(document: Document, offset: int) -> frozenset[str]:
    """The days that the innermost heading above the offset names, else the next one that names any,
    else the title; otherwise the document's date. Empty if nothing states a day.
    """
    headings = heading_path(document.blocks, offset)
    for name in (*reversed(headings), document.title):
        days = named_days(name)
        if days:
            return days
    day = document_date(document.metadata, document.text)
    return frozenset({day.isoformat()}) if day else frozenset()


def _without_values(values: Sequence[float], removed: Sequence[float]) -> list[float]:
    """The sorted values, less those of `removed`, each once."""
    remaining = list(values)
    for value in removed:
        if value in remaining:
            remaining.remove(value)
    return remaining


def _has_group(candidate: Candidate, group: SpanGroup) -> bool:
    """Whether the candidate is a group of equal spans, quotes it, or means the same."""
    if candidate.span is group:
        return True
    return _contains(candidate, group) or _agrees_with_group(candidate, group)


def _contains(candidate: Candidate, group: SpanGroup) -> bool:
    """Whether one of the candidate's places has the best span of the group."""
    span = group.best.span
    passage = span.hit.passage
    start = passage.start + span.start
    end = passage.start + span.end
    for place in candidate.places:
        is_same_document = place.document_id == passage.document_id
        if is_same_document and place.start <= start and end <= place.end:
            return True
    return False


def _agrees_with_group(candidate: Candidate, group: SpanGroup) -> bool:
    """Whether the candidate is a span of the same meaning, by another reader."""
    span = candidate.span
    return span is not None and compare(span.meaning, group.meaning) is Relation.SAME


def _limited(value: float) -> float:
    return max(-_LIMIT, min(_LIMIT, value))


def _margin(group: SpanGroup, groups: Sequence[SpanGroup]) -> float:
    """The lead over the best group with another meaning; `groups` are sorted best first."""
    for other in groups:
        if other is group:
            continue
        relation = compare(other.meaning, group.meaning)
        if relation in (Relation.CONTRADICTS, Relation.UNRELATED):
            return _limited(group.score - other.score)
    return _LIMIT


def _share(group: SpanGroup, groups: Sequence[SpanGroup]) -> float:
    """The group's share of the odds of all groups and of "no answer", whose log-odds are 0."""
    top = max(0.0, *(other.score for other in groups))
    no_answer = math.exp(-top)
    of_groups = sum(math.exp(other.score - top) for other in groups)
    return math.exp(group.score - top) / (no_answer + of_groups)
