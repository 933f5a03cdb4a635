"""Evidence aggregation: one verdict on a claim from all the stretches of text found for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from rag.claims.comparison import ValueComparison, compare
from rag.claims.evidence import Stretch, cite
from rag.claims.results import (
    CONTRADICTED,
    NOT_FOUND,
    PARTLY,
    SUPPORTED,
    CheckedPart,
    FoundEvidence,
)
from rag.claims.verdict_model import Probabilities, VerdictModel, features
from rag.types import Document

QUOTED = 0.99
"""The probability of support if a document has the claim word for word."""
_SHOWN = 3
"""Maximum number of evidence sentences of a clause."""


@dataclass(frozen=True, slots=True)
class Observation:
    """A stretch compared with a claim; `said` is the reader's verdict, None if the reader has no
    verdict head."""

    stretch: Stretch
    comparison: ValueComparison
    said: Probabilities | None

    @property
    def document_id(self) -> str:
        return self.stretch.hit.passage.document_id

    @property
    def features(self) -> dict[str, float]:
        """The features of the fitted models."""
        return features(self.comparison, self.said)

    @property
    def at_odds(self) -> bool:
        """Whether anything speaks against the claim: words that differ, a denial, or a negative
        verdict of the reader."""
        said_no = self.said is not None and self.said.no > self.said.unsaid
        return said_no or bool(self.comparison.differs) or self.comparison.denied


@dataclass(frozen=True, slots=True)
class Weighed:
    """An observation with the probabilities, in [0, 1], that it supports or contradicts the
    claim."""

    seen: Observation
    supported: float
    contradicted: float


def weigh(seen: Observation, model: VerdictModel) -> Weighed:
    """The probabilities of an observation. A quotation counts as support without the model; an
    observation that is not `at_odds` does not contradict."""
    if seen.comparison.quoted:
        return Weighed(seen, QUOTED, 0.0)
    found = seen.features
    return Weighed(seen, model.supported(found), model.contradicted(found) if seen.at_odds else 0.0)


def closest(claim: str, part: Stretch) -> ValueComparison:
    """The claim compared with the best sentence, or with the whole stretch if that lacks fewer
    values and names."""
    context = part.hit.passage.context
    sentence = compare(claim, part.text[part.best[0] : part.best[1]], context)
    if not _lacks(sentence):
        return sentence
    whole = compare(claim, part.text, context)
    return whole if _lacks(whole) < _lacks(sentence) else sentence


def _lacks(compared: ValueComparison) -> int:
    return len(compared.missing) + len(compared.unnamed)


def judge(
    claim: str,
    observed: Sequence[Observation],
    cited: Set[str],
    documents: Mapping[str, Document],
    models: tuple[VerdictModel, VerdictModel],
) -> CheckedPart:
    """The verdict on a claim from all its observations.

    `cited` are the ids of the documents that the claim cites. `models` are the weights for
    readers with a verdict head and for readers without.
    """
    if not observed:
        return CheckedPart(claim, NOT_FOUND, 1.0, 0.0, 0.0)
    model = models[0 if any(one.said for one in observed) else 1]
    weighed = [weigh(one, model) for one in observed]
    best = max(weighed, key=lambda one: one.supported)
    contradicted = max(one.contradicted for one in weighed)
    supports = [one for one in weighed if one.supported >= model.support_from]
    denies = [
        one for one in weighed if one.contradicted >= model.contradict_from and one not in supports
    ]
    if supports and not _outdone(best, denies):
        verdict = PARTLY if best.seen.comparison.missing else SUPPORTED
        confidence = best.supported
    elif denies:
        verdict, confidence = CONTRADICTED, contradicted
    else:
        verdict, confidence = NOT_FOUND, 1 - max(best.supported, contradicted)
    shown = _shown(verdict, best, supports, denies)
    evidence = tuple(_evidence(one, says, documents) for one, says in shown)
    by_cited = any(one.seen.document_id in cited for one in supports)
    wrong_citation = verdict in (SUPPORTED, PARTLY) and bool(cited) and not by_cited
    return CheckedPart(
        claim, verdict, confidence, best.supported, contradicted, evidence, wrong_citation
    )


def _outdone(best: Weighed, denies: Sequence[Weighed]) -> bool:
    """Whether something contradicts the claim with a higher probability than `best` supports it,
    and is at least as similar to it in words."""
    return any(
        one.contradicted > best.supported
        and one.seen.comparison.likeness >= best.seen.comparison.likeness
        for one in denies
    )


def _shown(
    verdict: str, best: Weighed, supports: Sequence[Weighed], denies: Sequence[Weighed]
) -> list[tuple[Weighed, str]]:
    """(observation, what it says) for the evidence to show: first what agrees with the verdict,
    then what does not; each most probable first."""
    yes = [
        (one, "supports") for one in sorted(supports, key=lambda one: one.supported, reverse=True)
    ]
    no = [
        (one, "contradicts")
        for one in sorted(denies, key=lambda one: one.contradicted, reverse=True)
    ]
    shown = no + yes if verdict == CONTRADICTED else yes + no
    return (shown or [(best, "near")])[:_SHOWN]


def _evidence(one: Weighed, says: str, documents: Mapping[str, Document]) -> FoundEvidence:
    compared = one.seen.comparison
    return FoundEvidence(
        cite(one.seen.stretch, documents[one.seen.document_id]),
        says,
        one.contradicted if says == "contradicts" else one.supported,
        compared.differs,
        (*compared.missing, *compared.unnamed),
    )
