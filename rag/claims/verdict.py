"""The verdict on a claim from its evidence, and on a sentence from its claims, with reasons."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

from rag.answering.reading import Sentence, likeliest_verdict
from rag.claims.differences import ClaimComparison, compare
from rag.claims.evidence import cite, names_of
from rag.claims.results import Checked, CheckedPart, CheckedQuotation, ClaimVerdict, FoundEvidence
from rag.claims.scorer import Scorer, features
from rag.claims.split import ClaimPart, ClaimSentence
from rag.meaning.myths import untrue_statement
from rag.protocols import Verdict
from rag.types import Document

QUOTED = 0.99
"""The probability of support if a document has the claim word for word."""
_DECISIVE: tuple[ClaimVerdict, ...] = (
    "contradicted",
    "partly",
    "not_in_documents",
    "not_checkable",
    "supported",
)
_MOST_SHOWN = 3
"""Maximum number of evidence sentences of a claim."""
_SKIPPED = {
    "question": "a question",
    "heading": "a heading",
    "code": "code",
    "introduction": "it introduces what follows",
    "address": "it addresses the reader",
    "fragment": "too short to be a claim",
    "table": "a table: its rows are not checked",
    "quotation": "a quotation: its own verdict counts",
}


@dataclass(frozen=True, slots=True)
class ClaimEvidence:
    """A sentence and its passage, compared with a claim; `verdict` is the reader's, None if it has
    no such head. `supported` and `contradicted` are the probabilities, in [0, 1], that they do so.
    """

    sentence: Sentence
    comparison: ClaimComparison
    verdict: Verdict | None
    supported: float = 0.0
    contradicted: float = 0.0

    @property
    def document_id(self) -> str:
        return self.sentence.document_id

    @property
    def is_conditional(self) -> bool:
        """Whether the claim holds only under a condition, by the reader."""
        return self.verdict is not None and likeliest_verdict(self.verdict, lean=0.0) == "condition"


def score(candidate: ClaimEvidence, scorer: Scorer) -> ClaimEvidence:
    """A candidate with its probabilities. A quotation supports without the scorer, and nothing
    contradicts without a value, name or negation that differs, or a sentence that calls the claim a
    myth.
    """
    comparison = candidate.comparison
    if comparison.quoted:
        return replace(candidate, supported=QUOTED)

    by_name = features(comparison, candidate.verdict)
    if untrue_statement(candidate.sentence.text):
        return replace(candidate, supported=0.0, contradicted=scorer.supported(by_name))
    contradicted = 0.0
    if comparison.is_opposed:
        contradicted = scorer.contradicted(by_name)
    return replace(candidate, supported=scorer.supported(by_name), contradicted=contradicted)


def closest_comparison(claim: str, sentence: Sentence) -> ClaimComparison:
    """The claim compared with the sentence, or with its whole passage if that lacks fewer values
    and names. Only a negation in the sentence counts.
    """
    passage = sentence.hit.passage
    context = names_of(passage)
    with_sentence = compare(claim, sentence.text, context)
    if with_sentence.differs or not _missing_count(with_sentence):
        return with_sentence
    with_passage = compare(claim, passage.text, context)
    if _missing_count(with_passage) < _missing_count(with_sentence):
        return replace(with_passage, denied=with_sentence.denied)
    return with_sentence


def _missing_count(comparison: ClaimComparison) -> int:
    """The number of values and names of the claim that the evidence has not."""
    return len(comparison.missing) + len(comparison.unnamed)


def decide(scored: Sequence[ClaimEvidence], scorer: Scorer) -> tuple[ClaimVerdict, float]:
    """(verdict, confidence): contradicted only if no candidate supports the claim better."""
    supporter = max(scored, key=lambda item: item.supported)
    contradicted = max(item.contradicted for item in scored)
    is_supported = supporter.supported >= scorer.support_from
    if is_supported and not _is_outdone(supporter, scored):
        is_partly = _lacks_value(supporter) or supporter.is_conditional
        return "partly" if is_partly else "supported", supporter.supported

    is_contradicted = contradicted >= scorer.contradict_from
    if is_contradicted and contradicted > supporter.supported:
        return "contradicted", contradicted
    return "not_in_documents", 1 - max(supporter.supported, contradicted)


def _lacks_value(supporter: ClaimEvidence) -> bool:
    """Whether the claim has a value that its evidence lacks."""
    return bool(supporter.comparison.missing)


def _is_outdone(supporter: ClaimEvidence, scored: Sequence[ClaimEvidence]) -> bool:
    """Whether something at least as similar contradicts the claim more than it is supported."""
    likeness = supporter.comparison.likeness
    for item in scored:
        contradicts_more = item.contradicted > supporter.supported
        is_rival = item is not supporter and contradicts_more
        if is_rival and item.comparison.likeness >= likeness:
            return True
    return False


def judge(
    claim: str,
    candidates: Sequence[ClaimEvidence],
    cited: Collection[str],
    documents: Mapping[str, Document],
    scorers: tuple[Scorer, Scorer],
) -> CheckedPart:
    """The verdict on a claim from all its candidates.

    `cited` are the ids of the documents that the claim cites. `scorers` are those for readers with
    a verdict head and for readers without.
    """
    if not candidates:
        return CheckedPart(claim, "not_in_documents", 1.0, 0.0, 0.0)

    with_verdict_head, without_verdict_head = scorers
    has_verdicts = any(item.verdict for item in candidates)
    scorer = with_verdict_head if has_verdicts else without_verdict_head

    scored = [score(candidate, scorer) for candidate in candidates]
    verdict, confidence = decide(scored, scorer)
    supporter = max(scored, key=lambda item: item.supported)
    supporting, contradicting = _support_and_contradiction(scored, verdict, scorer)
    supports = [(item, "supports") for item in supporting]
    contradicts = [(item, "contradicts") for item in contradicting]
    evidence = supports + contradicts
    if verdict == "contradicted":
        evidence = contradicts + supports
    evidence = evidence[:_MOST_SHOWN] or [(supporter, "near")]

    is_by_cited = any(item.document_id in cited for item in supporting)
    is_wrong = verdict in ("supported", "partly") and bool(cited) and not is_by_cited
    return CheckedPart(
        text=claim,
        verdict=verdict,
        confidence=confidence,
        supported=supporter.supported,
        contradicted=max(item.contradicted for item in scored),
        evidence=tuple(_evidence(item, says, documents) for item, says in evidence),
        wrong_citation=is_wrong,
        is_conditional=verdict == "partly" and supporter.is_conditional,
    )


def _support_and_contradiction(
    scored: Sequence[ClaimEvidence], verdict: ClaimVerdict, scorer: Scorer
) -> tuple[list[ClaimEvidence], list[ClaimEvidence]]:
    """(what supports a claim with this verdict, what contradicts it), the most probable first."""
    supporting = []
    contradicting = []
    for item in scored:
        is_against = verdict == "contradicted" and item.contradicted > item.supported
        if item.supported >= scorer.support_from and not is_against:
            supporting.append(item)
        elif item.contradicted >= scorer.contradict_from:
            contradicting.append(item)
    supporting.sort(key=lambda item: -item.supported)
    contradicting.sort(key=lambda item: -item.contradicted)
    return supporting, contradicting


def _evidence(found: ClaimEvidence, says: str, documents: Mapping[str, Document]) -> FoundEvidence:
    """The evidence as it is shown; `says` is "supports", "contradicts" or "near"."""
    comparison = found.comparison
    is_against = says == "contradicts"
    return FoundEvidence(
        citation=cite(found.sentence, documents[found.document_id]),
        says=says,
        probability=found.contradicted if is_against else found.supported,
        differs=comparison.differs,
        missing=(*comparison.missing, *comparison.unnamed),
    )


# Sentences


def unresolved(part: ClaimPart) -> CheckedPart:
    """A clause whose pronoun has no antecedent: not checkable."""
    return CheckedPart(part.text, "not_checkable", 1.0, 0.0, 0.0)


def skipped(sentence: ClaimSentence) -> Checked:
    """A sentence that makes no claim; rows of a table are not checkable."""
    verdict: ClaimVerdict = "not_checkable" if sentence.skipped == "table" else "not_a_claim"
    return Checked(
        start=sentence.start,
        end=sentence.end,
        text=sentence.text,
        verdict=verdict,
        confidence=1.0,
        reason=_SKIPPED[sentence.skipped],
        cited=sentence.cited,
    )


def from_parts(sentence: ClaimSentence, parts: Sequence[CheckedPart]) -> Checked:
    """The sentence from its parts: contradicted if one is, partly if only some are supported."""
    verdicts = {part.verdict for part in parts}
    verdict = next(name for name in _DECISIVE if name in verdicts)
    has_support = not verdicts.isdisjoint(("supported", "partly"))
    if verdict != "contradicted" and len(verdicts) > 1 and has_support:
        verdict = "partly"

    decisive = [part for part in parts if part.verdict == verdict] or list(parts)
    other_parts = [part for part in parts if part not in decisive]
    evidence: list[FoundEvidence] = []
    for part in (*decisive, *other_parts):
        evidence += part.evidence

    is_wrong = any(part.wrong_citation for part in parts)
    return Checked(
        start=sentence.start,
        end=sentence.end,
        text=sentence.text,
        verdict=verdict,
        confidence=min(part.confidence for part in decisive),
        reason=_reason(verdict, parts, is_wrong, sentence),
        evidence=tuple(dict.fromkeys(evidence)),
        cited=sentence.cited,
        wrong_citation=is_wrong,
        parts=tuple(parts),
    )


def with_quotations(checked: Checked, quotations: Sequence[CheckedQuotation]) -> Checked:
    """The sentence; only partly supported if a quotation in it has a fault."""
    if checked.verdict != "supported":
        return checked
    index = bisect_left(quotations, checked.start, key=attrgetter("end"))
    for quotation in quotations[index:]:
        if quotation.start >= checked.end:
            break
        if quotation.is_fault:
            return replace(checked, verdict="partly", reason=f"its quotation {_fault(quotation)}")
    return checked


def _fault(quotation: CheckedQuotation) -> str:
    """What is wrong with a quotation, in words."""
    name = quotation.verdict.replace("_", " ")
    return f"is {name}: {quotation.reason}"


def _reason(
    verdict: str, parts: Sequence[CheckedPart], is_wrong: bool, sentence: ClaimSentence
) -> str:
    """The reason for the verdict, in one line."""
    source = _source(parts)
    if is_wrong:
        marks = "".join(f"[{number}]" for number in sentence.cited)
        return f"{source} says so, {marks} does not"
    match verdict:
        case "contradicted":
            return _contradiction(parts)
        case "partly":
            return _unsupported(parts, source)
        case "not_checkable":
            pronoun = next(part.unresolved for part in sentence.parts if part.unresolved)
            return f'it is not clear what "{pronoun}" means'
        case "supported":
            return f"{source} says so"
    return "no document says so"


def _source(parts: Sequence[CheckedPart]) -> str:
    """The document of the first evidence that supports a part, or ""."""
    for part in parts:
        for item in part.evidence:
            if item.says == "supports":
                return item.citation.document_id
    return ""


def _contradiction(parts: Sequence[CheckedPart]) -> str:
    """What a contradicted sentence and the document say."""
    evidence: list[FoundEvidence] = []
    for part in parts:
        if part.verdict == "contradicted":
            evidence += part.evidence
    contradicting = next(item for item in evidence if item.says == "contradicts")

    document_id = contradicting.citation.document_id
    if not contradicting.differs:
        return f"{document_id} says otherwise"
    words, document_words = contradicting.differs[0]
    return f'says "{words}", {document_id} says "{document_words}"'


def _unsupported(parts: Sequence[CheckedPart], source: str) -> str:
    """What of a partly supported sentence the documents do not say."""
    for part in parts:
        if part.verdict not in ("supported", "partly"):
            return f'no document says "{part.text}"'
    if any(part.is_conditional for part in parts):
        return f"{source} says so only on a condition"

    missing: list[str] = []
    for part in parts:
        if part.verdict == "partly":
            missing += part.evidence[0].missing
    first_missing = missing[0] if missing else ""
    return f'the evidence does not contain "{first_missing}"'
