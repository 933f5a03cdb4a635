"""The result of a check: the verdicts, and the checked sentences and clauses with evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rag.types import Citation

SUPPORTED, CONTRADICTED, PARTLY = "supported", "contradicted", "partly"
NOT_FOUND, NO_CLAIM, NOT_CHECKABLE = "not_in_documents", "not_a_claim", "not_checkable"
VERDICTS = (SUPPORTED, CONTRADICTED, PARTLY, NOT_FOUND, NO_CLAIM, NOT_CHECKABLE)
WRONG_CITATION = "wrong_citation"
EXACT, ALTERED, STITCHED, CUT = "exact", "altered", "stitched", "cut"
MISATTRIBUTED, NO_PLACE = "misattributed", "not_found"
QUOTATION_VERDICTS = (EXACT, ALTERED, STITCHED, CUT, MISATTRIBUTED, NO_PLACE)
QUOTATION = "quotation"
FAILURES = (
    *(CONTRADICTED, PARTLY, NOT_FOUND, NOT_CHECKABLE, WRONG_CITATION),
    *(QUOTATION, *QUOTATION_VERDICTS[1:]),
)
"""The values that `--fail-on` accepts. "quotation" is every quotation with a fault; its verdict
selects those with one kind of fault."""


@dataclass(frozen=True, slots=True)
class FoundEvidence:
    """A sentence of a document as evidence: `document.text[citation.start:citation.end] ==
    citation.quote`.

    `says` is "supports" or "contradicts", or "near" if neither is likely; `probability`, in
    [0, 1], is that of `says`. `differs` are pairs (the claim's words, the document's words) that
    cannot both be true. `missing` are values and names of the claim that the evidence lacks.
    """

    citation: Citation
    says: str
    probability: float
    differs: tuple[tuple[str, str], ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckedPart:
    """A clause with its verdict; `confidence`, in [0, 1], is the probability that it is right."""

    text: str
    verdict: str
    confidence: float
    supported: float
    contradicted: float
    evidence: tuple[FoundEvidence, ...] = ()
    wrong_citation: bool = False


@dataclass(frozen=True, slots=True)
class Checked:
    """A sentence at `[start, end)` of the text, with one of VERDICTS and the reason in words.

    `evidence` is the evidence for its parts, best first. `wrong_citation`: documents support the
    sentence, but those that it cites do not.
    """

    start: int
    end: int
    text: str
    verdict: str
    confidence: float
    reason: str
    evidence: tuple[FoundEvidence, ...] = ()
    cited: tuple[int, ...] = ()
    wrong_citation: bool = False
    parts: tuple[CheckedPart, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckedQuotation:
    """A quotation at `[start, end)` of the text, without its marks, with one of
    QUOTATION_VERDICTS and the reason in words.

    `is_fault`: not what an honest quotation looks like. A stitched quotation is honest if "…"
    joins its parts, a cut one if it is a phrase within the writer's own sentence. `places` are the
    stretches of documents that it has, in its order, or the nearest one if it was not found.
    `differs` are pairs (its words, the document's words), with "" for words that only one has;
    those of an exact quotation are an editor's changes in [brackets]. `rest` is how the document's
    sentence goes on. `cited` are the ids of the documents that it cites.
    """

    start: int
    end: int
    text: str
    verdict: str
    is_fault: bool
    reason: str
    places: tuple[Citation, ...] = ()
    differs: tuple[tuple[str, str], ...] = ()
    rest: str = ""
    cited: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckReport:
    """A text, its checked sentences and its quotations. `generation` is the state of the index;
    `sources` maps numbers of citation marks to document ids."""

    text: str
    sentences: tuple[Checked, ...]
    generation: int
    sources: Mapping[int, str] = field(default_factory=dict)
    quotations: tuple[CheckedQuotation, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """The number of sentences by verdict, and the number of wrong citations."""
        verdicts = [sentence.verdict for sentence in self.sentences]
        counts = {verdict: verdicts.count(verdict) for verdict in VERDICTS}
        wrong = sum(sentence.wrong_citation for sentence in self.sentences)
        return counts | {WRONG_CITATION: wrong}

    @property
    def quotation_counts(self) -> dict[str, int]:
        """The number of quotations by verdict, and of those with a fault."""
        verdicts = [quotation.verdict for quotation in self.quotations]
        counts = {verdict: verdicts.count(verdict) for verdict in QUOTATION_VERDICTS}
        return counts | {"faults": sum(quotation.is_fault for quotation in self.quotations)}

    def failures(self, kinds: Sequence[str]) -> list[Checked | CheckedQuotation]:
        """The sentences and faulty quotations with one of these FAILURES."""
        return [
            quotation
            for quotation in self.quotations
            if quotation.is_fault and (QUOTATION in kinds or quotation.verdict in kinds)
        ] + [
            sentence
            for sentence in self.sentences
            if sentence.verdict in kinds or (WRONG_CITATION in kinds and sentence.wrong_citation)
        ]
